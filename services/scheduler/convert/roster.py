"""Rosters from messages, and what they hold as messages."""

import re
from collections.abc import Iterator, Sized
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any
from uuid import UUID

from google.type.dayofweek_pb2 import DayOfWeek

from kat.scheduler.v1 import roster_pb2
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.runtime.fields import Fields
from services.scheduler.convert.common import optional_identifier
from services.scheduler.domain.roster import Identifier, OpeningHours
from services.scheduler.domain.roster_import import (
    EMPTY,
    ClinicEntry,
    PatientEntry,
    PractitionerEntry,
    Reference,
    RoomEntry,
    Roster,
    ShiftEntry,
)

_MAXIMUM = {"clinics": 100, "rooms": 1_000, "practitioners": 1_000, "shifts": 5_000, "patients": 5_000}
_MAXIMUM_RATIO = 20
_PROTOCOL_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FIRST_BIRTH_DATE = date(1900, 1, 1)
_BY_IDENTIFIER = "identifiers/"
WEEKDAYS = {number: number for number in range(DayOfWeek.MONDAY, DayOfWeek.SUNDAY + 1)}
"""google.type.DayOfWeek counts as ISO weekdays do."""


def roster(request: roster_pb2.ImportRosterRequest) -> Roster:
    """Read a roster; its faults are part of it, so that those that only the database shows are named with them."""
    fields = Fields()
    for kind, maximum in _MAXIMUM.items():
        _count(fields, kind, getattr(request, kind), maximum)
    return Roster(
        clinics=tuple(_clinic(fields, f"clinics[{n}]", one) for n, one in enumerate(request.clinics)),
        rooms=tuple(_room(fields, f"rooms[{n}]", one) for n, one in enumerate(request.rooms)),
        practitioners=tuple(
            _practitioner(fields, f"practitioners[{n}]", one) for n, one in enumerate(request.practitioners)
        ),
        shifts=tuple(_shift(fields, f"shifts[{n}]", one) for n, one in enumerate(request.shifts)),
        patients=tuple(_patient(fields, f"patients[{n}]", one) for n, one in enumerate(request.patients)),
        faults=_faults(fields),  # last: the arguments above note them
    )


def one_entry(fields: Fields, kind: str, message: Any) -> Roster:
    """Read a roster of one entry of a kind, such as "clinics"; its faults are part of it."""
    path = f"{kind}[0]"
    read = {
        "clinics": _clinic,
        "rooms": _room,
        "practitioners": _practitioner,
        "shifts": _shift,
        "patients": _patient,
    }[kind]
    changed: dict[str, Any] = {kind: (read(fields, path, message),)}
    return replace(EMPTY, **changed, faults=_faults(fields))


def _faults(fields: Fields) -> tuple[FieldViolation, ...]:
    try:
        fields.check()
    except InvalidArgumentError as error:
        return error.violations
    return ()


def _count(fields: Fields, path: str, entries: Sized, maximum: int) -> None:
    if len(entries) > maximum:
        fields.fault(path, f"send at most {maximum} at once")


def _clinic(fields: Fields, path: str, message: Any) -> ClinicEntry:
    return ClinicEntry(
        identifier=fields.identifier(f"{path}.identifier", message, "identifier"),
        title=fields.text(f"{path}.title", message.title, maximum=120),
        time_zone=fields.time_zone(f"{path}.time_zone", message.time_zone),
        opening_hours=_opening_hours(fields, f"{path}.opening_hours", message.opening_hours),
    )


def _opening_hours(fields: Fields, path: str, messages: Any) -> tuple[OpeningHours, ...]:
    if not messages:
        fields.fault(path, "write the hours of one weekday at least")
    hours = tuple(sorted(_hours(fields, f"{path}[{n}]", message) for n, message in enumerate(messages)))
    for earlier, later in pairwise(hours):
        if earlier.weekday == later.weekday and later.open_time < earlier.close_time:
            fields.fault(path, "hours of the same weekday overlap; write them as one")
            break
    return hours


def _hours(fields: Fields, path: str, message: Any) -> OpeningHours:
    read = OpeningHours(
        weekday=fields.enum(f"{path}.day_of_week", message.day_of_week, WEEKDAYS),
        open_time=fields.time_of_day(f"{path}.open_time", message, "open_time"),
        close_time=fields.time_of_day(f"{path}.close_time", message, "close_time"),
    )
    if read.open_time >= read.close_time:
        fields.fault(f"{path}.close_time", "write a time after the opening, on the same day")
    return read


def _room(fields: Fields, path: str, message: Any) -> RoomEntry:
    return RoomEntry(
        identifier=fields.identifier(f"{path}.identifier", message, "identifier"),
        clinic=_reference(fields, f"{path}.clinic", message.clinic, "clinics"),
        title=fields.text(f"{path}.title", message.title, maximum=120),
    )


def _practitioner(fields: Fields, path: str, message: Any) -> PractitionerEntry:
    return PractitionerEntry(
        identifier=fields.identifier(f"{path}.identifier", message, "identifier"),
        printed_name=fields.text(f"{path}.printed_name", message.printed_name, maximum=120),
        credential=fields.text(f"{path}.credential", message.credential, maximum=40),
        credential_expire_date=fields.optional_date(
            f"{path}.credential_expire_date", message, "credential_expire_date"
        ),
        supervision_ratio=fields.integer(f"{path}.supervision_ratio", message.supervision_ratio, 0, _MAXIMUM_RATIO),
        protocol_codes=tuple(_protocol_codes(fields, f"{path}.protocol_codes", message.protocol_codes)),
        subject=fields.text(f"{path}.subject", message.subject, minimum=0, maximum=200),
    )


def _protocol_codes(fields: Fields, path: str, codes: Any) -> Iterator[str]:
    for index, code in enumerate(codes):
        if not _PROTOCOL_CODE.fullmatch(code):
            fields.fault(f"{path}[{index}]", 'write the code of a protocol, such as "iv_racemic"')
    yield from dict.fromkeys(codes)


def _shift(fields: Fields, path: str, message: Any) -> ShiftEntry:
    read = ShiftEntry(
        practitioner=_reference(fields, f"{path}.practitioner", message.practitioner, "practitioners"),
        clinic=_reference(fields, f"{path}.clinic", message.clinic, "clinics"),
        weekday=fields.enum(f"{path}.day_of_week", message.day_of_week, WEEKDAYS),
        start_time=fields.time_of_day(f"{path}.start_time", message, "start_time"),
        end_time=fields.time_of_day(f"{path}.end_time", message, "end_time"),
        effective_start_date=fields.optional_date(f"{path}.effective_start_date", message, "effective_start_date"),
        effective_end_date=fields.optional_date(f"{path}.effective_end_date", message, "effective_end_date"),
    )
    if read.start_time >= read.end_time:
        fields.fault(f"{path}.end_time", "write a time after the start, on the same day")
    first, last = read.effective_start_date, read.effective_end_date
    if first is not None and last is not None and last < first:
        fields.fault(f"{path}.effective_end_date", "write a date that is not before the first")
    return read


def _patient(fields: Fields, path: str, message: Any) -> PatientEntry:
    read = PatientEntry(
        identifier=fields.identifier(f"{path}.identifier", message, "identifier"),
        time_zone=fields.time_zone(f"{path}.time_zone", message.time_zone),
        birth_date=fields.date(f"{path}.birth_date", message, "birth_date"),
        clinic=_reference(fields, f"{path}.clinic", message.clinic, "clinics") if message.clinic else None,
    )
    if read.birth_date < _FIRST_BIRTH_DATE:
        fields.fault(f"{path}.birth_date", f"write a date from {_FIRST_BIRTH_DATE.year} on")
    return read


def _reference(fields: Fields, path: str, value: str, collection: str) -> Reference:
    if not value.startswith(_BY_IDENTIFIER):
        return fields.name(path, value, collection)
    system, _, identifier = value.removeprefix(_BY_IDENTIFIER).partition("|")
    if not system or not identifier:
        fields.fault(path, f'write "{collection}/" and a uuid, or "identifiers/", the system, "|" and the value')
    return system, identifier


def identifier_filter(request: Any) -> Identifier | None:
    """Read the external identifier that a list is narrowed to.

    Raises:
        InvalidArgumentError: it is malformed.
    """
    fields = Fields()
    identifier = optional_identifier(fields, request)
    fields.check()
    return identifier


def clinic_filter(request: Any) -> tuple[UUID | None, Identifier | None]:
    """Read the clinic and the external identifier that a list is narrowed to.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    found = fields.optional_name("clinic", request.clinic, "clinics"), optional_identifier(fields, request)
    fields.check()
    return found


def practitioner_filter(request: roster_pb2.ListShiftsRequest) -> UUID | None:
    """Read whose shifts are asked for.

    Raises:
        InvalidArgumentError: it is not a practitioner's name.
    """
    fields = Fields()
    practitioner_id = fields.optional_name("practitioner", request.practitioner, "practitioners")
    fields.check()
    return practitioner_id
