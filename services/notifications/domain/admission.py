"""Whether a notification may go out now: asked when it is claimed, and again just before it is written to a socket."""

from dataclasses import dataclass
from datetime import datetime

from services.notifications.domain.notification import (
    NO_REVISION,
    Notification,
    Reason,
    Session,
    SessionState,
    State,
    TaskCode,
)
from services.notifications.domain.people import ContactPoint, Recipient, Unreachable, reachable_at
from services.notifications.domain.rules import CANCELLED
from services.notifications.domain.timing import fit


@dataclass(frozen=True, slots=True)
class Send:
    """It may go out, to this contact point."""

    to: ContactPoint
    recipient: Recipient


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now: at `until`."""

    until: datetime
    reason: str
    step: str


@dataclass(frozen=True, slots=True)
class End:
    """It never goes out: its final state, why, and what staff have to do instead."""

    state: State
    reason: str
    step: str
    task: TaskCode | None = None


Decision = Send | Defer | End


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that the decision depends on, as read under lock."""

    session: Session | None
    recipient: Recipient | None
    sent_last_day: int
    daily_cap: int
    now: datetime


def decide(notification: Notification, situation: Situation) -> Decision:
    """Say whether a notification may go out now."""
    return (
        _about_session(notification, situation)
        or _in_time(notification, situation)
        or _to_person(notification, situation)
    )


def expired(notification: Notification, reason: str = "") -> End:
    """Return the end of a notification whose time ran out; ambiguous where it may have been sent."""
    if notification.may_have_been_sent:
        step = "time ran out; an earlier try may have been sent"
        return End(State.AMBIGUOUS, Reason.ANSWER_LOST, step, TaskCode.AMBIGUOUS_SEND)
    task = TaskCode.UNDELIVERABLE if notification.rule.must_arrive else None
    return End(State.EXPIRED, reason or notification.state_reason or Reason.TOO_LATE, _TIME_RAN_OUT, task)


def _about_session(notification: Notification, situation: Situation) -> End | None:
    if notification.session_revision == NO_REVISION:
        return None
    session = situation.session
    stands = SessionState.CANCELLED if notification.rule is CANCELLED else SessionState.BOOKED
    if session is None or (session.revision, session.state) != (notification.session_revision, stands):
        return End(State.CANCELLED, Reason.SESSION_CHANGED, "the session was moved or cancelled since")
    return None


def _in_time(notification: Notification, situation: Situation) -> End | None:
    return expired(notification) if situation.now >= notification.expire_time else None


def _to_person(notification: Notification, situation: Situation) -> Decision:
    recipient = situation.recipient
    found = reachable_at(recipient, notification.channel, notification.rule.purpose)
    if recipient is None or isinstance(found, Unreachable):
        reason = found if isinstance(found, Unreachable) else Unreachable.RECIPIENT_UNKNOWN
        return End(State.SUPPRESSED, reason, _WHY_UNREACHABLE[reason], TaskCode.UNREACHABLE)
    profile = recipient.profile
    if profile.quiet_hours.window_at(situation.now, profile.time_zone) is None:
        return _after_quiet_hours(notification, situation, recipient)
    if situation.sent_last_day >= situation.daily_cap:
        step = f"{situation.sent_last_day} messages went to this person within a day, which is the cap"
        return End(State.SUPPRESSED, Reason.CAP_REACHED, step, TaskCode.UNDELIVERABLE)
    return Send(found, recipient)


def _after_quiet_hours(notification: Notification, situation: Situation, recipient: Recipient) -> Defer | End:
    chosen = fit(
        situation.now,
        now=situation.now,
        expire=notification.expire_time,
        quiet_hours=recipient.profile.quiet_hours,
        zone=recipient.profile.time_zone,
    )
    if chosen is None:
        return expired(notification, Reason.QUIET_HOURS)
    return Defer(chosen.due_time, "", chosen.step)


_TIME_RAN_OUT = "time ran out: it is worth nothing by now"

_WHY_UNREACHABLE = {
    Unreachable.RECIPIENT_UNKNOWN: "nobody recorded how to reach this person",
    Unreachable.CONTACT_MISSING: "no e-mail address is recorded",
    Unreachable.CONTACT_UNVERIFIED: "the e-mail address was never verified",
    Unreachable.CONSENT_MISSING: "no consent to e-mail for this purpose is recorded",
    Unreachable.CONSENT_WITHDRAWN: "consent to e-mail for this purpose was withdrawn",
}
