"""What the use cases need of the waiting list."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.waitlist import RefusedSlot, WaitlistEntry, WaitlistState
from services.scheduler.ports.paging import Listing, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitlistFilter:
    """Which entries are asked for; what is left out does not count."""

    clinic_id: UUID | None = None
    course_id: UUID | None = None
    states: tuple[WaitlistState, ...] = ()


class WaitlistRepository(Port):
    """Courses that wait, and places that became free."""

    async def get(self, waitlist_entry_id: UUID) -> WaitlistEntry:
        """Return an entry. Raises NotFoundError."""
        ...

    async def lock(self, waitlist_entry_id: UUID) -> WaitlistEntry:
        """Return an entry, and let nothing else of its patient be scheduled until this unit of work ends."""
        ...

    async def page(self, page: Page, wanted: WaitlistFilter) -> Listing[WaitlistEntry]:
        """Return entries, the longest waiting first."""
        ...

    async def open_entry(self, course_id: UUID) -> UUID | None:
        """Return the entry under which a course waits, if it does."""
        ...

    async def add(self, entry: WaitlistEntry) -> None:
        """Store a new entry, to be looked at soon. Raises RaceLostError where another was opened at that moment."""
        ...

    async def save(self, entry: WaitlistEntry) -> None:
        """Store an entry's state and offer."""
        ...

    async def refuse(self, waitlist_entry_id: UUID, slot: RefusedSlot) -> None:
        """Note a slot that is not to be offered to the entry again."""
        ...

    async def refused(self, waitlist_entry_id: UUID) -> frozenset[RefusedSlot]:
        """Return the slots that are not to be offered to the entry again."""
        ...

    async def waiting_at(self, clinic_id: UUID, *, after: UUID | None, at_most: int) -> list[UUID]:
        """Return entries that wait for a slot at a clinic, the longest waiting first, those after an entry if given."""
        ...

    async def note_waiting(self, now: datetime) -> None:
        """Note every clinic at which somebody waits and nothing is noted, as if a place had become free there."""
        ...

    async def vacancies(self, clinic_id: UUID) -> list[UUID]:
        """Return the notes of places that became free at a clinic."""
        ...

    async def forget_vacancies(self, vacancy_ids: Collection[UUID]) -> None:
        """Remove notes that were dealt with."""
        ...
