"""What becomes of a notification after a try to send it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.notifications.domain.admission import Defer, End, expired
from services.notifications.domain.notification import Notification, Reason, State, TaskCode

_FIRST_WAIT = timedelta(seconds=15)
_LONGEST_WAIT = timedelta(minutes=15)
_MAXIMUM_DOUBLINGS = 10


class Verdict(StrEnum):
    """What a provider's answer means."""

    ACCEPTED = "accepted"
    # It refused for good: another try would be refused too.
    REFUSED = "refused"
    # It certainly did not take it, and may later.
    NOT_NOW = "not_now"
    # It was not reached, or refuses us and not the message.
    UNAVAILABLE = "unavailable"
    # The message was written, and no answer came: it may have been taken.
    UNKNOWN = "unknown"
    # Our own last check said no, and nothing was written.
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """The end of a try: what it means, and a stable code such as "SMTP_450"."""

    verdict: Verdict
    code: str


def after(notification: Notification, outcome: SendOutcome, *, now: datetime, jitter: float) -> End | Defer | None:
    """Return what follows from a try.

    Args:
        notification: as it was when the try began.
        outcome: of the try.
        now: the present instant.
        jitter: from 0 to 1, drawn anew each time; spreads the next tries.

    Returns:
        The end, a later try, or None where another change decides (the last check withheld it).
    """
    if outcome.verdict is Verdict.WITHHELD:
        return None
    if outcome.verdict is Verdict.ACCEPTED:
        return End(State.ACCEPTED, "", f"accepted by the provider ({outcome.code})")
    if outcome.verdict is Verdict.REFUSED:
        step = f"refused by the provider for good ({outcome.code})"
        return End(State.FAILED, Reason.REFUSED_BY_PROVIDER, step, TaskCode.UNDELIVERABLE)
    if outcome.verdict is Verdict.UNKNOWN:
        return after_lost_answer(notification, now=now, jitter=jitter)
    return _later(notification, Reason.PROVIDER_UNAVAILABLE, f"not sent ({outcome.code})", now=now, jitter=jitter)


def after_lost_answer(notification: Notification, *, now: datetime, jitter: float) -> End | Defer:
    """Return what follows where a message may have been sent: one repeat under the same Message-ID, or a task."""
    if not notification.rule.repeat_allowed:
        step = "the provider's answer was lost, and this kind of message is not repeated"
        return End(State.AMBIGUOUS, Reason.ANSWER_LOST, step, TaskCode.AMBIGUOUS_SEND)
    if notification.may_have_been_sent:
        step = "the provider's answer was lost for the second time"
        return End(State.AMBIGUOUS, Reason.ANSWER_LOST, step, TaskCode.AMBIGUOUS_SEND)
    step = "the provider's answer was lost; it is repeated once under the same Message-ID"
    uncertain = replace(notification, may_have_been_sent=True)
    return _later(uncertain, Reason.ANSWER_LOST, step, now=now, jitter=jitter)


def after_failed_preparation(notification: Notification, *, now: datetime, jitter: float) -> End | Defer:
    """Return what follows where a fault of ours kept a message from being made: it is tried until it expires."""
    return _later(notification, Reason.PREPARATION_FAILED, "it could not be made ready", now=now, jitter=jitter)


def _later(notification: Notification, reason: Reason, step: str, *, now: datetime, jitter: float) -> End | Defer:
    if now >= notification.expire_time:
        return expired(notification)
    return Defer(min(now + backoff(notification.attempts, jitter), notification.expire_time), reason, step)


def backoff(attempts: int, jitter: float) -> timedelta:
    """Return how long to wait after so many attempts: doubling from 15 s to 15 min, less up to half by `jitter`."""
    doublings = min(max(attempts - 1, 0), _MAXIMUM_DOUBLINGS)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT) * (1 - jitter / 2)
