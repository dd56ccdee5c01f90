"""Times in which a clinic or a room is closed, and in which a practitioner works other than every week."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.scheduler.domain.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """A time in which a clinic, or with `room_id` one room of it, is closed."""

    closure_id: UUID
    clinic_id: UUID
    room_id: UUID | None
    time_zone: str
    interval: Interval
    reason: str
    create_time: datetime

    @property
    def described(self) -> str:
        """From when until when, on the clinic's clock, and its name; the reason is for staff alone."""
        zone = ZoneInfo(self.time_zone)
        first, last = (
            instant.astimezone(zone).isoformat(sep=" ", timespec="minutes")
            for instant in (self.interval.start, self.interval.end)
        )
        return f"from {first} to {last} (closures/{self.closure_id})"


class ExceptionKind(StrEnum):
    """What differs from the weekly shifts."""

    ABSENCE = "absence"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftException:
    """An absence, everywhere without `clinic_id`, or an extra shift; `time_zone` is that of the clock it is read on."""

    shift_exception_id: UUID
    practitioner_id: UUID
    clinic_id: UUID | None
    kind: ExceptionKind
    time_zone: str
    interval: Interval
    create_time: datetime
