"""The roster in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Table, bindparam, exists, func, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.roster import Clinic, Identifier, Patient, Practitioner, Room, Shift
from services.scheduler.domain.roster_import import KnownRoster, Roster
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.roster import Place, SavedRoster
from services.scheduler.storage import roster_rows as rows
from services.scheduler.storage import tables
from services.scheduler.storage.roster_import import RosterImport
from services.scheduler.storage.statements import listing, one
from services.scheduler.storage.tables import table_of

_CLINIC = table_of(tables.Clinic)
_HOURS = table_of(tables.OpeningHours)
_ROOM = table_of(tables.Room)
_PRACTITIONER = table_of(tables.Practitioner)
_SHIFT = table_of(tables.Shift)
_PATIENT = table_of(tables.Patient)

_CLINICS = select(
    _CLINIC,
    type_coerce(
        select(func.jsonb_agg(func.jsonb_build_array(_HOURS.c.weekday, _HOURS.c.open_time, _HOURS.c.close_time)))
        .where(_HOURS.c.clinic_id == _CLINIC.c.clinic_id)
        .scalar_subquery(),
        JSONB,
    ).label("hours"),
)

_PLACE = (
    select(_ROOM.c.clinic_id, _CLINIC.c.time_zone)
    .join_from(_ROOM, _CLINIC, _ROOM.c.clinic_id == _CLINIC.c.clinic_id)
    .where(_ROOM.c.room_id == bindparam("this_room_id"))
)


class PostgresRoster:
    """`RosterRepository` on one connection.

    Args:
        organization_id: whose transaction the connection is in.
    """

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._import = RosterImport(connection, organization_id)

    async def known(self, roster: Roster) -> KnownRoster:
        """See the port."""
        return await self._import.known(roster)

    async def lock_birth_dates(self, identifiers: Sequence[Identifier]) -> Mapping[UUID, date]:
        """See the port."""
        return await self._import.lock_birth_dates(identifiers)

    async def save(self, roster: Roster, known: KnownRoster, now: datetime) -> SavedRoster:
        """See the port."""
        return await self._import.save(roster, known, now)

    async def place(self, room_id: UUID) -> Place:
        """See the port."""
        row = await one(self._connection, _PLACE, "rooms", room_id, {"this_room_id": room_id})
        return Place(room_id, row.clinic_id, row.time_zone)

    async def clinic(self, clinic_id: UUID) -> Clinic:
        """See the port."""
        statement = _CLINICS.where(_CLINIC.c.clinic_id == clinic_id)
        return rows.clinic_with_hours(await one(self._connection, statement, "clinics", clinic_id))

    async def clinics(self, page: Page, *, identifier: Identifier | None = None) -> Listing[Clinic]:
        """See the port."""
        statement = _identified(_CLINICS, _CLINIC, identifier)
        return await listing(
            self._connection, statement, (_CLINIC.c.title, _CLINIC.c.clinic_id), page, rows.clinic_with_hours
        )

    async def room(self, room_id: UUID) -> Room:
        """See the port."""
        statement = select(_ROOM).where(_ROOM.c.room_id == room_id)
        return rows.room(await one(self._connection, statement, "rooms", room_id))

    async def rooms(
        self, page: Page, *, clinic_id: UUID | None = None, identifier: Identifier | None = None
    ) -> Listing[Room]:
        """See the port."""
        statement = _identified(select(_ROOM), _ROOM, identifier)
        if clinic_id is not None:
            statement = statement.where(_ROOM.c.clinic_id == clinic_id)
        key = (_ROOM.c.clinic_id, _ROOM.c.title, _ROOM.c.room_id)
        return await listing(self._connection, statement, key, page, rows.room)

    async def practitioner(self, practitioner_id: UUID) -> Practitioner:
        """See the port."""
        statement = select(_PRACTITIONER).where(_PRACTITIONER.c.practitioner_id == practitioner_id)
        return rows.practitioner(await one(self._connection, statement, "practitioners", practitioner_id))

    async def practitioners(
        self, page: Page, *, clinic_id: UUID | None = None, identifier: Identifier | None = None
    ) -> Listing[Practitioner]:
        """See the port."""
        statement = _identified(select(_PRACTITIONER), _PRACTITIONER, identifier)
        if clinic_id is not None:
            of_practitioner = _SHIFT.c.practitioner_id == _PRACTITIONER.c.practitioner_id
            statement = statement.where(exists().where(of_practitioner, _SHIFT.c.clinic_id == clinic_id))
        key = (_PRACTITIONER.c.printed_name, _PRACTITIONER.c.practitioner_id)
        return await listing(self._connection, statement, key, page, rows.practitioner)

    async def shifts(self, page: Page, *, practitioner_id: UUID | None = None) -> Listing[Shift]:
        """See the port."""
        statement = select(_SHIFT)
        if practitioner_id is not None:
            statement = statement.where(_SHIFT.c.practitioner_id == practitioner_id)
        key = (_SHIFT.c.practitioner_id, _SHIFT.c.weekday, _SHIFT.c.start_time, _SHIFT.c.shift_id)
        return await listing(self._connection, statement, key, page, rows.shift)

    async def patient(self, patient_id: UUID) -> Patient:
        """See the port."""
        statement = select(_PATIENT).where(_PATIENT.c.patient_id == patient_id)
        return rows.patient(await one(self._connection, statement, "patients", patient_id))

    async def patients(
        self, page: Page, *, clinic_id: UUID | None = None, identifier: Identifier | None = None
    ) -> Listing[Patient]:
        """See the port."""
        statement = _identified(select(_PATIENT), _PATIENT, identifier)
        if clinic_id is not None:
            statement = statement.where(_PATIENT.c.clinic_id == clinic_id)
        return await listing(self._connection, statement, (_PATIENT.c.patient_id,), page, rows.patient)


def _identified(statement: Select[Any], table: Table, identifier: Identifier | None) -> Select[Any]:
    if identifier is None:
        return statement
    system, value = identifier
    return statement.where(table.c.identifier_system == system, table.c.identifier_value == value)
