"""What the use cases need to change one resource of the roster at a time."""

from datetime import date, datetime
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.roster import Identifier, Shift
from services.scheduler.domain.roster_changes import Addition, Change, Kind, Resource
from services.scheduler.domain.roster_import import KnownRoster
from services.scheduler.ports.roster import SavedRoster


class RosterChanges(Port):
    """Adds and changes one resource of the roster at a time."""

    async def lock(self, kind: Kind, resource_id: UUID) -> Resource | None:
        """Return a resource, if it is there, and let nothing else change it until this unit of work ends.

        Of a practitioner, no booking can rest on their shifts, exceptions or credentials meanwhile; at a clinic, none
        can be made or moved.
        """
        ...

    async def holder(self, kind: Kind, identifier: Identifier) -> UUID | None:
        """Return which resource of a kind has an external identifier."""
        ...

    async def add(self, addition: Addition, known: KnownRoster, now: datetime) -> SavedRoster:
        """Add a resource. Raises RaceLostError where its identifier was taken at the same moment."""
        ...

    async def change(self, change: Change, known: KnownRoster) -> SavedRoster:
        """Change a resource. Raises RaceLostError where a constraint refuses it."""
        ...

    async def shift(self, shift_id: UUID) -> Shift:
        """Return a shift. Raises NotFoundError."""
        ...

    async def shifts_of(self, practitioner_id: UUID) -> tuple[Shift, ...]:
        """Return every shift of a practitioner."""
        ...

    async def save_shift(self, shift: Shift) -> None:
        """Add a shift, or change the one that it replaces."""
        ...

    async def delete_shift(self, shift_id: UUID) -> None:
        """Delete a shift."""
        ...

    async def set_leave_date(self, practitioner_id: UUID, leave_date: date) -> None:
        """Store the last date on which a practitioner works."""
        ...
