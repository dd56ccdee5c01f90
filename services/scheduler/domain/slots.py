"""Free places in time, as they are looked for and as they are found."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.protocol import Protocol

GRID = timedelta(minutes=15)
"""Slots start on quarters of an hour, on the clinic's clock as in UTC: every zone's offset is a multiple of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Which clinics and which times on their clocks suit; without weekdays every one does. Both dates are included."""

    clinic_ids: tuple[UUID, ...]
    start_date: date
    end_date: date
    weekdays: tuple[int, ...]
    earliest_time: time | None
    latest_time: time | None
    preferred_supervisor: UUID | None

    @property
    def dates(self) -> tuple[date, ...]:
        """All dates that suit."""
        days = (self.start_date + timedelta(days=n) for n in range((self.end_date - self.start_date).days + 1))
        return tuple(day for day in days if not self.weekdays or day.isoweekday() in self.weekdays)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSearch:
    """What kind of time is looked for.

    Attributes:
        dates: the clinic-local dates to look at.
        excluded_dates: those of them on which no slot is offered, since the patient could not be treated then.
        attendance: from arrival to discharge.
        turnover: from discharge until the room is free again.
        earliest_time: not before, on the clinic's clock.
        latest_time: starting not after, on the clinic's clock.
        after: starting only after this instant.
    """

    protocol_code: str
    clinic_ids: tuple[UUID, ...]
    dates: tuple[date, ...]
    attendance: timedelta
    turnover: timedelta
    after: datetime
    earliest_time: time | None = None
    latest_time: time | None = None
    preferred_supervisor: UUID | None = None
    excluded_dates: tuple[date, ...] = ()

    @classmethod
    def of(
        cls, protocol: Protocol, *, clinic_ids: tuple[UUID, ...], dates: tuple[date, ...], after: datetime, **more: Any
    ) -> "SlotSearch":
        """Return the search for a session of a protocol."""
        return cls(
            protocol_code=protocol.code,
            clinic_ids=clinic_ids,
            dates=dates,
            attendance=protocol.phases.attendance,
            turnover=protocol.phases.turnover,
            after=after,
            **more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place in time that can be booked as it stands. `preferred` says that the preferred supervisor is free."""

    clinic_id: UUID
    room_id: UUID
    supervisor_id: UUID
    time_zone: str
    interval: Interval
    preferred: bool


@dataclass(frozen=True, slots=True)
class SlotPosition:
    """Where a page of slots ended: slots are ranked by preferred supervisor, then start, then clinic."""

    preferred: bool
    start_time: datetime
    clinic_id: UUID


@dataclass(frozen=True, slots=True)
class DateWithoutSlot:
    """A clinic-local date without a slot, and why."""

    clinic_id: UUID
    date: date
    codes: tuple[BlockerCode, ...]


@dataclass(frozen=True, slots=True)
class FreeTime:
    """Slots, best first; and the dates on which nothing is free at all, by clinic and date."""

    slots: tuple[Slot, ...]
    without: tuple[DateWithoutSlot, ...]
