"""Rows of the roster as domain values."""

from collections.abc import Iterable
from datetime import time
from typing import Any

from sqlalchemy import Row

from services.scheduler.domain.roster import Clinic, Identifier, OpeningHours, Patient, Practitioner, Room, Shift


def clinic_with_hours(row: Row[Any]) -> Clinic:
    """Return the clinic in a row that has `hours`, a JSON list of [weekday, opening, closing]."""
    return clinic(
        row,
        (
            OpeningHours(weekday, time.fromisoformat(opening), time.fromisoformat(closing))
            for weekday, opening, closing in row.hours or ()
        ),
    )


def clinic(row: Row[Any], hours: Iterable[OpeningHours]) -> Clinic:
    """Return the clinic in a row, with its hours."""
    return Clinic(
        clinic_id=row.clinic_id,
        identifier=identifier(row),
        title=row.title,
        time_zone=row.time_zone,
        opening_hours=tuple(sorted(hours)),
        create_time=row.create_time,
    )


def room(row: Row[Any]) -> Room:
    """Return the room in a row."""
    return Room(
        room_id=row.room_id,
        identifier=identifier(row),
        clinic_id=row.clinic_id,
        title=row.title,
        create_time=row.create_time,
    )


def practitioner(row: Row[Any]) -> Practitioner:
    """Return the practitioner in a row."""
    return Practitioner(
        practitioner_id=row.practitioner_id,
        identifier=identifier(row),
        printed_name=row.printed_name,
        credential=row.credential,
        credential_expire_date=row.credential_expire_date,
        supervision_ratio=row.supervision_ratio,
        protocol_codes=tuple(row.protocol_codes),
        subject=row.subject or "",
        leave_date=row.leave_date,
        create_time=row.create_time,
    )


def shift(row: Row[Any]) -> Shift:
    """Return the shift in a row."""
    return Shift(
        shift_id=row.shift_id,
        practitioner_id=row.practitioner_id,
        clinic_id=row.clinic_id,
        weekday=row.weekday,
        start_time=row.start_time,
        end_time=row.end_time,
        effective_start_date=row.effective_start_date,
        effective_end_date=row.effective_end_date,
    )


def patient(row: Row[Any]) -> Patient:
    """Return the patient in a row."""
    return Patient(
        patient_id=row.patient_id,
        identifier=identifier(row),
        time_zone=row.time_zone,
        birth_date=row.birth_date,
        clinic_id=row.clinic_id,
        create_time=row.create_time,
    )


def identifier(row: Row[Any]) -> Identifier:
    """Return the external identifier in a row."""
    return row.identifier_system, row.identifier_value
