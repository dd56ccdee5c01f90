"""Which messages an event asks for, and when."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.notifications.domain.notification import Reason, State
from services.notifications.domain.people import Profile
from services.notifications.domain.quiet_hours import QuietHours
from services.notifications.domain.rules import MessageRule
from services.notifications.domain.timing import Civil, Elapsed, Fit, Immediately, fit, ideal_time

Spread = Callable[[], timedelta]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What messages are about: `anchor` is the start of the session or the departure, `zone` the clinic's."""

    patient_id: UUID
    session_id: UUID
    session_revision: int
    clinic_id: UUID
    anchor: datetime
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One message to be: planned, or at once in a final state with its reason."""

    rule: MessageRule
    subject: Subject
    state: State
    reason: str
    ideal_time: datetime
    due_time: datetime
    expire_time: datetime
    steps: tuple[str, ...]


def plan(
    rules: Iterable[MessageRule], subject: Subject, *, profile: Profile | None, now: datetime, spread: Spread
) -> list[Plan]:
    """Return the messages that the rules ask for; reminders whose time is past are left out.

    Args:
        rules: of the event.
        subject: what the messages are about.
        now: nothing is planned before it.
        profile: the person's zone and quiet hours; the clinic's zone and the default hours where it is not known.
        spread: draws how far a message that is moved stands from the edge of a window.
    """
    plans = (_plan_one(rule, subject, profile, now, spread) for rule in rules)
    return [planned for planned in plans if planned is not None]


def _plan_one(
    rule: MessageRule, subject: Subject, profile: Profile | None, now: datetime, spread: Spread
) -> Plan | None:
    ideal = ideal_time(rule.timing, anchor=subject.anchor, zone=subject.zone, now=now)
    expire = subject.anchor.astimezone(UTC) + rule.useful_until
    is_notice = isinstance(rule.timing, Immediately)
    if not is_notice and (ideal < now or ideal >= expire):
        return None
    state, reason = State.PLANNED, ""
    chosen = refit(ideal, expire, profile, subject.zone, now=now, spread=spread)
    if expire <= now:
        state, reason, step = State.EXPIRED, Reason.TOO_LATE, "what it is about was past when it was planned"
    elif chosen is None:
        state, reason = State.SUPPRESSED, Reason.QUIET_HOURS
        step = "no moment outside quiet hours is left before it is worth nothing"
    else:
        step = chosen.step
    return Plan(
        rule=rule,
        subject=subject,
        state=state,
        reason=reason,
        ideal_time=ideal,
        due_time=chosen.due_time if chosen and state is State.PLANNED else now,
        expire_time=expire,
        steps=(f"rule {rule.code}: {_describe(rule)}", step),
    )


def refit(
    ideal: datetime, expire: datetime, profile: Profile | None, clinic_zone: str, *, now: datetime, spread: Spread
) -> Fit | None:
    """Return when a message goes out, from the person's zone and quiet hours as they are now."""
    quiet_hours, zone = (profile.quiet_hours, profile.time_zone) if profile else (QuietHours(), clinic_zone)
    return fit(ideal, now=now, expire=expire, quiet_hours=quiet_hours, zone=zone, spread=spread())


def _describe(rule: MessageRule) -> str:
    match rule.timing:
        case Immediately():
            return "at once"
        case Elapsed(offset):
            hours = offset / timedelta(hours=1)
            return f"{abs(hours):g} hours of real time {'before' if hours < 0 else 'after'}"
        case Civil(days, at):
            return f"{abs(days)} day(s) {'before' if days < 0 else 'after'}, at {at:%H:%M} at the clinic"
