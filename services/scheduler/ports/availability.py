"""What the use cases need of closures, exceptions of shifts, and the sessions that they strand."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.availability import Closure, ShiftException
from services.scheduler.domain.stranded import StrandedSession
from services.scheduler.ports.paging import Listing, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class StrandedFilter:
    """Which stranded sessions are asked for; what is left out does not count. `closure_id`: those that stand in it."""

    clinic_id: UUID | None = None
    practitioner_id: UUID | None = None
    closure_id: UUID | None = None


@dataclass(frozen=True, slots=True, order=True)
class Supervised:
    """A session that somebody supervises, and what it is locked by."""

    patient_id: UUID
    session_id: UUID
    clinic_id: UUID
    local_date: date


class Availability(Port):
    """Closures and exceptions of shifts. Those that return one raise NotFoundError."""

    async def closure(self, closure_id: UUID) -> Closure:
        """Return a closure."""
        ...

    async def closures(
        self, page: Page, *, clinic_id: UUID | None = None, ends_after: datetime | None = None
    ) -> Listing[Closure]:
        """Return closures by start."""
        ...

    async def add_closure(self, closure: Closure) -> None:
        """Store a closure."""
        ...

    async def delete_closure(self, closure_id: UUID) -> None:
        """Delete a closure."""
        ...

    async def exception(self, exception_id: UUID) -> ShiftException:
        """Return an absence or an extra shift."""
        ...

    async def exceptions(
        self,
        page: Page,
        *,
        practitioner_id: UUID | None = None,
        clinic_id: UUID | None = None,
        ends_after: datetime | None = None,
    ) -> Listing[ShiftException]:
        """Return absences and extra shifts by start; of a clinic, absences everywhere with them."""
        ...

    async def add_exception(self, exception: ShiftException) -> None:
        """Store an absence or an extra shift."""
        ...

    async def delete_exception(self, exception_id: UUID) -> None:
        """Delete an absence or an extra shift."""
        ...

    async def extra_elsewhere(self, practitioner_id: UUID, now: datetime) -> ShiftException | None:
        """Return an extra shift to come at a time at which the practitioner works at another clinic."""
        ...


class StrandedSessions(Port):
    """Sessions that could not be booked as they stand, or go on so, computed from the roster as it is.

    Of one that is under way it is told from when nobody supervises it; who could take over is not looked for.
    """

    async def page(self, page: Page, wanted: StrandedFilter, now: datetime) -> Listing[StrandedSession]:
        """Return those that are not over, by start."""
        ...

    async def every(self, wanted: StrandedFilter, now: datetime) -> tuple[StrandedSession, ...]:
        """Return all of them, by start."""
        ...


class Departures(Port):
    """Sessions of a practitioner who leaves."""

    async def supervised_after(self, practitioner_id: UUID, day: date, now: datetime) -> tuple[Supervised, ...]:
        """Return the sessions after a date that a practitioner still has to supervise, by patient."""
        ...
