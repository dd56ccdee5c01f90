"""Quiet hours in a person's zone, and the local clock on the two nights on which it jumps."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SHORTEST_WINDOW = timedelta(hours=1)


def instant_of(day: date, at: time, zone: str) -> datetime:
    """Return the instant (UTC) of a local date and time.

    A time that the spring change skips is read with the offset before it, so it comes out later on the clock; of a
    time that the autumn change repeats the first is taken (RFC 5545, section 3.3.5).
    """
    return datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """When a person may be written to: from `opens` until before `closes`, UTC."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Nothing is sent before `end` nor from `start` on, on the person's clock.

    Where `start` is not after `end`, the open time runs past midnight. Default 08:00 to 21:00, the hours of 47 CFR
    64.1200(c)(1).

    Raises:
        ValueError: less than an hour a day is open.
    """

    end: time = time(8)
    start: time = time(21)

    def __post_init__(self) -> None:
        opened = datetime.combine(date.min, self.start) - datetime.combine(date.min, self.end)
        if opened % _DAY < _SHORTEST_WINDOW:
            raise ValueError("leave at least one hour between the end of quiet hours and their next start")

    def window_at(self, instant: datetime, zone: str) -> OpenWindow | None:
        """Return the open window around an instant, or None in quiet hours."""
        return next((w for w in self._windows(instant, zone) if w.opens <= instant < w.closes), None)

    def next_window(self, instant: datetime, zone: str) -> OpenWindow:
        """Return the first window that opens after an instant."""
        return next(w for w in self._windows(instant, zone) if w.opens > instant)

    def previous_window(self, instant: datetime, zone: str) -> OpenWindow:
        """Return the last window that closed by an instant."""
        return [w for w in self._windows(instant, zone) if w.closes <= instant][-1]

    def _windows(self, around: datetime, zone: str) -> Iterator[OpenWindow]:
        local_day = around.astimezone(ZoneInfo(zone)).date()
        closing_day = timedelta() if self.end < self.start else _DAY
        for days in range(-3, 5):  # one to each side, and more where a clock change swallows a day's window
            day = local_day + timedelta(days=days)
            opens = max(_both(day, self.end, zone))
            closes = min(_both(day + closing_day, self.start, zone))
            if opens < closes:
                yield OpenWindow(opens, closes)


def _both(day: date, at: time, zone: str) -> tuple[datetime, datetime]:
    """Return both readings of a local time, equal on all days but those of a clock change."""
    local = datetime.combine(day, at, ZoneInfo(zone))
    return local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC)
