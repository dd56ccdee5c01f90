"""At which moment a message goes out: its own time, unless that falls into quiet hours."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.notifications.domain.quiet_hours import OpenWindow, QuietHours, instant_of

SENDING_TAKES = timedelta(minutes=5)
"""A message is planned at least this long before it is worth nothing or its window closes."""


@dataclass(frozen=True, slots=True)
class Immediately:
    """As soon as it is planned."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """So much real time after the anchor; negative for before it."""

    offset: timedelta


@dataclass(frozen=True, slots=True)
class Civil:
    """At a time of day so many calendar days after the anchor's local date; negative for before it."""

    days: int
    at: time


Timing = Immediately | Elapsed | Civil


def ideal_time(timing: Timing, *, anchor: datetime, zone: str, now: datetime) -> datetime:
    """Return when a message should go out if there were no quiet hours; `zone` is the clinic's."""
    match timing:
        case Immediately():
            return now
        case Elapsed(offset):
            return anchor.astimezone(UTC) + offset  # a zone's own arithmetic would be civil
        case Civil(days, at):
            day = anchor.astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
            return instant_of(day, at, zone)


@dataclass(frozen=True, slots=True)
class Fit:
    """The moment that was chosen, and why, for people."""

    due_time: datetime
    step: str


def fit(
    ideal: datetime,
    *,
    now: datetime,
    expire: datetime,
    quiet_hours: QuietHours,
    zone: str,
    spread: timedelta = timedelta(),
) -> Fit | None:
    """Return when to send: at `ideal`, or later, or else earlier; None where no open moment is left.

    Args:
        ideal: when the message should go out.
        now: nothing is planned before it.
        expire: from then on the message is worth nothing.
        quiet_hours: of the person.
        zone: of the person, IANA name.
        spread: how far this message stands from the edge of a window, so that not all go out at its first minute.
    """
    wanted = max(ideal, now)
    window = quiet_hours.window_at(wanted, zone)
    latest = expire - SENDING_TAKES
    if window is not None and wanted < min(expire, window.closes):
        return Fit(wanted, f"due {_local(wanted, zone)}, outside quiet hours")
    opening = quiet_hours.next_window(wanted, zone)
    if opening.opens <= latest:
        due = opening.opens + min(spread, latest - opening.opens, _middle(opening))
        return Fit(due, f"moved later to {_local(due, zone)}: {_local(wanted, zone)} is in quiet hours")
    closing = quiet_hours.previous_window(wanted, zone)
    due = max(closing.closes - min(SENDING_TAKES + spread, _middle(closing)), now)
    if closing.opens <= due < min(closing.closes, expire):
        step = f"moved earlier to {_local(due, zone)}: {_local(wanted, zone)} is in quiet hours and later is too late"
        return Fit(due, step)
    return None


def _middle(window: OpenWindow) -> timedelta:
    return (window.closes - window.opens) / 2


def _local(instant: datetime, zone: str) -> str:
    return f"{instant.astimezone(ZoneInfo(zone)).isoformat(sep=' ', timespec='minutes')} ({zone})"
