"""Taking in a roster, many rows a statement."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, Text, and_, cast, delete, exists, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.identifiers import new_id
from services.scheduler.domain.roster import Clinic, Identifier, Shift
from services.scheduler.domain.roster_import import (
    ClinicEntry,
    KnownRoster,
    PatientEntry,
    PractitionerEntry,
    Reference,
    RoomEntry,
    Roster,
    ShiftEntry,
)
from services.scheduler.ports.roster import SavedRoster
from services.scheduler.storage import roster_rows as rows
from services.scheduler.storage import tables
from services.scheduler.storage.statements import contested
from services.scheduler.storage.tables import table_of

Ids = dict[Reference, UUID]
Entry = ClinicEntry | RoomEntry | PractitionerEntry | PatientEntry

_CLINIC = table_of(tables.Clinic)
_HOURS = table_of(tables.OpeningHours)
_ROOM = table_of(tables.Room)
_PRACTITIONER = table_of(tables.Practitioner)
_SHIFT = table_of(tables.Shift)
_PATIENT = table_of(tables.Patient)
_SESSION = table_of(tables.Session)

LOST_RACES = frozenset(
    {
        "practitioner_subject",
        "session_organization_id_clinic_id_time_zone_fkey",
        "session_organization_id_room_id_clinic_id_fkey",
    }
)
"""Constraints that refuse what was right when the roster was checked."""


class RosterImport:
    """Reads what is known of a roster, and writes a roster, on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def known(self, roster: Roster) -> KnownRoster:
        """Return what is there already of what a roster may name."""
        scheduled = exists().where(_SESSION.c.clinic_id == _CLINIC.c.clinic_id).label("scheduled")
        clinics = await self._all(select(_CLINIC, scheduled))
        practitioners = await self._all(select(_PRACTITIONER))
        rooms = await self._all(select(_ROOM)) if roster.rooms else ()
        return KnownRoster(
            clinics=_references(clinics, "clinic_id"),
            practitioners=_references(practitioners, "practitioner_id"),
            room_clinics={rows.identifier(row): row.clinic_id for row in rooms},
            scheduled_zones={rows.identifier(row): row.time_zone for row in clinics if row.scheduled},
            subjects={row.subject: rows.identifier(row) for row in practitioners if row.subject},
        )

    async def lock_birth_dates(self, identifiers: Sequence[Identifier]) -> Mapping[UUID, date]:
        """Return the dates of birth of those patients who are known, locked as for booking, in one order."""
        if not identifiers:
            return {}
        systems, values = (cast(list(part), ARRAY(Text)) for part in zip(*identifiers, strict=True))
        named = func.unnest(systems, values).table_valued("system", "value").render_derived()
        is_named = and_(_PATIENT.c.identifier_system == named.c.system, _PATIENT.c.identifier_value == named.c.value)
        statement = select(_PATIENT.c.patient_id, _PATIENT.c.birth_date).join_from(_PATIENT, named, is_named)
        locked = statement.order_by(_PATIENT.c.patient_id).with_for_update(key_share=True, of=_PATIENT)
        return {row.patient_id: row.birth_date for row in await self._connection.execute(locked)}

    async def save(self, roster: Roster, known: KnownRoster, now: datetime) -> SavedRoster:
        """Add or change everything in a roster that has no faults."""
        clinics = await self._save_clinics(roster.clinics, now)
        clinic_ids: Ids = {**known.clinics, **{clinic.identifier: clinic.clinic_id for clinic in clinics}}
        rooms = await self._upsert(_ROOM, now, [(entry, room_values(entry, clinic_ids)) for entry in roster.rooms])
        found = await self._upsert(
            _PRACTITIONER, now, [(entry, practitioner_values(entry)) for entry in roster.practitioners]
        )
        practitioners = tuple(rows.practitioner(row) for row in found)
        practitioner_ids: Ids = {
            **known.practitioners,
            **{one.identifier: one.practitioner_id for one in practitioners},
        }
        shifts = await self._replace_shifts(roster.shifts, practitioner_ids, clinic_ids)
        patients = await self._upsert(
            _PATIENT, now, [(entry, patient_values(entry, clinic_ids)) for entry in roster.patients]
        )
        return SavedRoster(
            clinics=clinics,
            rooms=tuple(rows.room(row) for row in rooms),
            practitioners=practitioners,
            shifts=shifts,
            patients=tuple(rows.patient(row) for row in patients),
        )

    async def _save_clinics(self, entries: Sequence[ClinicEntry], now: datetime) -> tuple[Clinic, ...]:
        found = await self._upsert(_CLINIC, now, [(entry, clinic_values(entry)) for entry in entries])
        clinics = tuple(rows.clinic(row, entry.opening_hours) for row, entry in zip(found, entries, strict=True))
        await replace_hours(self._connection, self._organization_id, clinics)
        return clinics

    async def _replace_shifts(
        self, entries: Sequence[ShiftEntry], practitioner_ids: Ids, clinic_ids: Ids
    ) -> tuple[Shift, ...]:
        if not entries:
            return ()
        shifts = tuple(_shift(entry, practitioner_ids, clinic_ids) for entry in entries)
        named = {shift.practitioner_id for shift in shifts}
        # Bookings look at the shifts of a supervisor under a shared lock on their row: none can miss this change.
        locked = select(_PRACTITIONER.c.practitioner_id).where(_PRACTITIONER.c.practitioner_id.in_(named))
        await self._connection.execute(locked.order_by(_PRACTITIONER.c.practitioner_id).with_for_update(key_share=True))
        await self._connection.execute(delete(_SHIFT).where(_SHIFT.c.practitioner_id.in_(named)))
        await self._connection.execute(insert(_SHIFT), [shift_values(self._organization_id, shift) for shift in shifts])
        return shifts

    async def _upsert(
        self,
        table: Table,
        now: datetime,
        entries: Sequence[tuple[Entry, dict[str, object]]],
    ) -> list[Row[Any]]:
        """Add or change rows by external identifier and return them in order."""
        if not entries:
            return []
        statement = insert(table)
        changed = {name: statement.excluded[name] for name in entries[0][1]}
        statement = statement.on_conflict_do_update(constraint=f"{table.name}_identifier", set_=changed)
        values = [
            {
                "organization_id": self._organization_id,
                f"{table.name}_id": new_id(),
                "identifier_system": entry.identifier[0],
                "identifier_value": entry.identifier[1],
                "create_time": now,
                **given,
            }
            for entry, given in entries
        ]
        written = await contested(self._connection, statement.returning(table), LOST_RACES, values)
        by_identifier = {rows.identifier(row): row for row in written}
        return [by_identifier[entry.identifier] for entry, _ in entries]

    async def _all(self, statement: Any) -> Sequence[Row[Any]]:
        return (await self._connection.execute(statement)).all()


def _references(found: Sequence[Row[Any]], key: str) -> Mapping[Reference, UUID]:
    by_identifier: Ids = {rows.identifier(row): getattr(row, key) for row in found}
    by_id: Ids = {getattr(row, key): getattr(row, key) for row in found}
    return by_identifier | by_id


async def replace_hours(connection: AsyncConnection, organization_id: UUID, clinics: Sequence[Clinic]) -> None:
    """Store the opening hours of these clinics in place of those that they had."""
    if not clinics:
        return
    await connection.execute(delete(_HOURS).where(_HOURS.c.clinic_id.in_([clinic.clinic_id for clinic in clinics])))
    hours = [
        {
            "organization_id": organization_id,
            "clinic_id": clinic.clinic_id,
            "weekday": one.weekday,
            "open_time": one.open_time,
            "close_time": one.close_time,
        }
        for clinic in clinics
        for one in clinic.opening_hours
    ]
    if hours:
        await connection.execute(insert(_HOURS), hours)


def shift_values(organization_id: UUID, shift: Shift) -> dict[str, object]:
    """Return a shift's columns."""
    return {"organization_id": organization_id, **asdict(shift)}


def clinic_values(entry: ClinicEntry) -> dict[str, object]:
    """Return a clinic's columns but for its key and identifier."""
    return {"title": entry.title, "time_zone": entry.time_zone}


def room_values(entry: RoomEntry, clinics: Mapping[Reference, UUID]) -> dict[str, object]:
    """Return a room's columns but for its key and identifier."""
    return {"clinic_id": clinics[entry.clinic], "title": entry.title}


def practitioner_values(entry: PractitionerEntry) -> dict[str, object]:
    """Return a practitioner's columns but for their key and identifier, and the date on which they leave."""
    return {
        "printed_name": entry.printed_name,
        "credential": entry.credential,
        "credential_expire_date": entry.credential_expire_date,
        "supervision_ratio": entry.supervision_ratio,
        "protocol_codes": list(entry.protocol_codes),
        "subject": entry.subject or None,
    }


def patient_values(entry: PatientEntry, clinics: Mapping[Reference, UUID]) -> dict[str, object]:
    """Return a patient's columns but for their key and identifier."""
    return {
        "time_zone": entry.time_zone,
        "birth_date": entry.birth_date,
        "clinic_id": clinics[entry.clinic] if entry.clinic is not None else None,
    }


def _shift(entry: ShiftEntry, practitioners: Ids, clinics: Ids) -> Shift:
    return Shift(
        shift_id=new_id(),
        practitioner_id=practitioners[entry.practitioner],
        clinic_id=clinics[entry.clinic],
        weekday=entry.weekday,
        start_time=entry.start_time,
        end_time=entry.end_time,
        effective_start_date=entry.effective_start_date,
        effective_end_date=entry.effective_end_date,
    )
