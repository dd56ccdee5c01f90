"""One resource of the roster that is added or changed."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.identifiers import new_id
from services.scheduler.domain.roster import Identifier, Shift
from services.scheduler.domain.roster_changes import Addition, Change, Kind, Resource, identifier_of
from services.scheduler.domain.roster_import import KnownRoster, Roster
from services.scheduler.ports.roster import SavedRoster
from services.scheduler.storage import roster_rows as rows
from services.scheduler.storage import tables
from services.scheduler.storage.roster import PostgresRoster
from services.scheduler.storage.roster_import import (
    LOST_RACES,
    clinic_values,
    patient_values,
    practitioner_values,
    replace_hours,
    room_values,
    shift_values,
)
from services.scheduler.storage.statements import contested, one
from services.scheduler.storage.tables import table_of

_TABLES: Mapping[Kind, Table] = {
    Kind.CLINIC: table_of(tables.Clinic),
    Kind.ROOM: table_of(tables.Room),
    Kind.PRACTITIONER: table_of(tables.Practitioner),
    Kind.PATIENT: table_of(tables.Patient),
}
_SHIFT = table_of(tables.Shift)
_LOST_RACES = LOST_RACES | {f"{kind}_identifier" for kind in Kind}


class PostgresRosterChanges:
    """`RosterChanges` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._roster = PostgresRoster(connection, organization_id)

    async def lock(self, kind: Kind, resource_id: UUID) -> Resource | None:
        """See the port.

        Bookings look at a supervisor's row and at a clinic's row under a shared lock: none can miss what is changed
        under this one.
        """
        key = _key(kind)
        locked = select(key).where(key == resource_id).with_for_update(key_share=True)
        if (await self._connection.execute(locked)).one_or_none() is None:
            return None
        match kind:
            case Kind.CLINIC:
                return await self._roster.clinic(resource_id)
            case Kind.ROOM:
                return await self._roster.room(resource_id)
            case Kind.PRACTITIONER:
                return await self._roster.practitioner(resource_id)
            case Kind.PATIENT:
                return await self._roster.patient(resource_id)

    async def holder(self, kind: Kind, identifier: Identifier) -> UUID | None:
        """See the port."""
        table = _TABLES[kind]
        system, value = identifier
        statement = select(_key(kind)).where(table.c.identifier_system == system, table.c.identifier_value == value)
        found: UUID | None = (await self._connection.execute(statement)).scalar_one_or_none()
        return found

    async def add(self, addition: Addition, known: KnownRoster, now: datetime) -> SavedRoster:
        """See the port."""
        table = _TABLES[addition.kind]
        statement = insert(table).values(
            organization_id=self._organization_id,
            create_time=now,
            **{f"{addition.kind}_id": new_id()},
            **_values(addition.roster, known),
        )
        row = (await contested(self._connection, statement.returning(table), _LOST_RACES)).one()
        return await self._saved(addition.roster, row)

    async def change(self, change: Change, known: KnownRoster) -> SavedRoster:
        """See the port."""
        table = _TABLES[change.kind]
        statement = update(table).where(_key(change.kind) == change.resource_id)
        statement = statement.values(**_values(change.roster, known))
        row = (await contested(self._connection, statement.returning(table), _LOST_RACES)).one()
        return await self._saved(change.roster, row)

    async def _saved(self, roster: Roster, row: Row[Any]) -> SavedRoster:
        clinics = tuple(rows.clinic(row, entry.opening_hours) for entry in roster.clinics)
        await replace_hours(self._connection, self._organization_id, clinics)
        return SavedRoster(
            clinics=clinics,
            rooms=tuple(rows.room(row) for _ in roster.rooms),
            practitioners=tuple(rows.practitioner(row) for _ in roster.practitioners),
            shifts=(),
            patients=tuple(rows.patient(row) for _ in roster.patients),
        )

    async def shift(self, shift_id: UUID) -> Shift:
        """See the port."""
        statement = select(_SHIFT).where(_SHIFT.c.shift_id == shift_id)
        return rows.shift(await one(self._connection, statement, "shifts", shift_id))

    async def shifts_of(self, practitioner_id: UUID) -> tuple[Shift, ...]:
        """See the port."""
        statement = select(_SHIFT).where(_SHIFT.c.practitioner_id == practitioner_id)
        return tuple(rows.shift(row) for row in await self._connection.execute(statement))

    async def save_shift(self, shift: Shift) -> None:
        """See the port."""
        values = shift_values(self._organization_id, shift)
        statement = upsert(_SHIFT).values(values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["organization_id", "shift_id"], set_=values)
        )

    async def delete_shift(self, shift_id: UUID) -> None:
        """See the port."""
        await self._connection.execute(delete(_SHIFT).where(_SHIFT.c.shift_id == shift_id))

    async def set_leave_date(self, practitioner_id: UUID, leave_date: date) -> None:
        """See the port."""
        statement = update(_TABLES[Kind.PRACTITIONER]).where(_key(Kind.PRACTITIONER) == practitioner_id)
        await self._connection.execute(statement.values(leave_date=leave_date))


def _key(kind: Kind) -> Any:
    return _TABLES[kind].c[f"{kind}_id"]


def _values(roster: Roster, known: KnownRoster) -> dict[str, object]:
    system, value = identifier_of(roster)
    (values,) = (
        *(clinic_values(entry) for entry in roster.clinics),
        *(room_values(entry, known.clinics) for entry in roster.rooms),
        *(practitioner_values(entry) for entry in roster.practitioners),
        *(patient_values(entry, known.clinics) for entry in roster.patients),
    )
    return {"identifier_system": system, "identifier_value": value, **values}
