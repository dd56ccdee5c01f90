"""What the use cases need of the roster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.roster import Clinic, Identifier, Patient, Practitioner, Room, Shift
from services.scheduler.domain.roster_import import KnownRoster, Roster
from services.scheduler.ports.paging import Listing, Page


@dataclass(frozen=True, slots=True)
class SavedRoster:
    """What an import made or changed, in the order in which it was given."""

    clinics: tuple[Clinic, ...]
    rooms: tuple[Room, ...]
    practitioners: tuple[Practitioner, ...]
    shifts: tuple[Shift, ...]
    patients: tuple[Patient, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A room with the clinic that it is in, and that clinic's zone."""

    room_id: UUID
    clinic_id: UUID
    time_zone: str


class RosterRepository(Port):
    """Clinics, rooms, practitioners, shifts and patients. Those that return one raise NotFoundError."""

    async def known(self, roster: Roster) -> KnownRoster:
        """Return what is there already of what a roster names."""
        ...

    async def lock_birth_dates(self, identifiers: Sequence[Identifier]) -> Mapping[UUID, date]:
        """Return the dates of birth of those patients who are known, and let nothing change them meanwhile.

        Nothing else of these patients is scheduled either until this unit of work ends.
        """
        ...

    async def save(self, roster: Roster, known: KnownRoster, now: datetime) -> SavedRoster:
        """Add or change everything in a roster that has no faults."""
        ...

    async def place(self, room_id: UUID) -> Place:
        """Return where a room is."""
        ...

    async def clinic(self, clinic_id: UUID) -> Clinic:
        """Return a clinic."""
        ...

    async def clinics(self, page: Page, *, identifier: Identifier | None = None) -> Listing[Clinic]:
        """Return clinics by title."""
        ...

    async def room(self, room_id: UUID) -> Room:
        """Return a room."""
        ...

    async def rooms(
        self, page: Page, *, clinic_id: UUID | None = None, identifier: Identifier | None = None
    ) -> Listing[Room]:
        """Return rooms by clinic and title."""
        ...

    async def practitioner(self, practitioner_id: UUID) -> Practitioner:
        """Return a practitioner."""
        ...

    async def practitioners(
        self, page: Page, *, clinic_id: UUID | None = None, identifier: Identifier | None = None
    ) -> Listing[Practitioner]:
        """Return practitioners by printed name; of a clinic, those with a shift there."""
        ...

    async def shifts(self, page: Page, *, practitioner_id: UUID | None = None) -> Listing[Shift]:
        """Return shifts by practitioner, weekday and start."""
        ...

    async def patient(self, patient_id: UUID) -> Patient:
        """Return a patient."""
        ...

    async def patients(
        self, page: Page, *, clinic_id: UUID | None = None, identifier: Identifier | None = None
    ) -> Listing[Patient]:
        """Return patients in the order in which they were added."""
        ...
