"""The CSV roster: five files that a clinic manager can fill in a spreadsheet.

Its shape is described in `services/cli/demo_data/README.md`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from services.cli.roster import values
from services.cli.roster.csv_table import Row, read_rows
from services.cli.roster.draft import Draft, Entry
from services.cli.roster.faults import Fault, FaultLog
from services.cli.roster.files import SourceFile
from services.cli.roster.model import (
    Clinic,
    ContactPoint,
    ExternalId,
    OpeningHours,
    Patient,
    Practitioner,
    Room,
    Shift,
    Weekday,
)

SYSTEM = "https://kat.example/roster"
"""The system of the ids in the `id` columns; they are unique in the organization."""

NPI_SYSTEM = "http://hl7.org/fhir/sid/us-npi"

_DAYS = tuple(day.name.lower() for day in Weekday)

COLUMNS = {
    "clinics.csv": ("id", "name", "short_name", "time_zone", "country", "phone", *_DAYS),
    "rooms.csv": ("id", "clinic", "name"),
    "practitioners.csv": (
        "id",
        "npi",
        "name",
        "credential",
        "credential_expires",
        "supervises",
        "clinics",
        "protocols",
    ),
    "shifts.csv": ("practitioner", "clinic", "weekday", "start", "end", "valid_from", "valid_until"),
    "patients.csv": (
        "id",
        "given_name",
        "family_name",
        "birth_date",
        "language",
        "time_zone",
        "clinic",
        "email",
        "email_consent",
        "email_verified",
        "phone",
        "phone_consent",
        "phone_verified",
    ),
}


@dataclass(slots=True)
class _Defaults:
    """What a patient's row takes over from its clinic: its zone, and the country of phone numbers."""

    zones: dict[ExternalId, str | None] = field(default_factory=dict)
    countries: dict[ExternalId, str | None] = field(default_factory=dict)


def read_csv(files: Mapping[str, SourceFile], draft: Draft, log: FaultLog, today: date) -> None:
    """Read the five files of one roster, keyed by name, into the draft."""
    prefix = next((file.label.removesuffix(file.name) for file in files.values()), "")
    tables: dict[str, list[Row]] = {}
    for name, columns in COLUMNS.items():
        if name in files:
            tables[name] = read_rows(files[name], columns, log, private=name == "patients.csv")
        else:
            log.add(Fault(f"{prefix}{name}", "", "is missing; where there is nothing to say, keep its header line"))
    for name in sorted(files.keys() - COLUMNS.keys()):
        log.add(Fault(files[name].label, "", f"is not one of: {', '.join(COLUMNS)}"))
    defaults = _Defaults()
    draft.clinics += [_clinic(row, defaults) for row in tables.get("clinics.csv", [])]
    draft.rooms += [_room(row) for row in tables.get("rooms.csv", [])]
    draft.practitioners += [_practitioner(row) for row in tables.get("practitioners.csv", [])]
    draft.shifts += [_shift(row) for row in tables.get("shifts.csv", [])]
    draft.patients += [_patient(row, defaults, today) for row in tables.get("patients.csv", [])]


def _reference(value: str) -> ExternalId:
    return ExternalId(SYSTEM, values.identifier(value))


def _clinic(row: Row, defaults: _Defaults) -> Entry[Clinic]:
    known = row.required("id", _reference)
    name = row.required("name", values.text())
    short_name = row.required("short_name", values.text(values.SHORT_NAME_LIMIT))
    zone = row.required("time_zone", values.zone)
    country = row.required("country", values.country)
    phone = row.required("phone", values.phone(country))
    opening_hours = tuple(
        OpeningHours(Weekday[day.upper()], opens, closes)
        for day in _DAYS
        for opens, closes in row.optional(day, values.hours) or ()
    )
    if known:
        defaults.zones[known], defaults.countries[known] = zone, country
    value = None
    if known and name and short_name and zone and phone:
        value = Clinic(
            external_id=known, name=name, short_name=short_name, zone=zone, phone=phone, opening_hours=opening_hours
        )
    return Entry(row.place, (known,) if known else (), value)


def _room(row: Row) -> Entry[Room]:
    known = row.required("id", _reference)
    clinic = row.required("clinic", _reference)
    name = row.required("name", values.text())
    value = Room(external_id=known, clinic=clinic, name=name) if known and clinic and name else None
    return Entry(row.place, (known,) if known else (), value)


def _practitioner(row: Row) -> Entry[Practitioner]:
    known = row.required("id", _reference)
    npi = row.optional("npi", lambda text: ExternalId(NPI_SYSTEM, values.npi(text)))
    ids = tuple(one for one in (known, npi) if one)
    name = row.required("name", values.text())
    credential = row.required("credential", values.text(values.SHORT_NAME_LIMIT))
    expires = row.optional("credential_expires", values.calendar_date)
    ratio = row.optional("supervises", values.supervision_ratio) or 0
    clinics = row.required("clinics", values.identifiers)
    protocols = row.optional("protocols", values.protocols) or ()
    value = None
    if known and name and credential and clinics:
        value = Practitioner(
            external_ids=ids,
            name=name,
            credential=credential,
            credential_expires=expires,
            supervision_ratio=ratio,
            clinics=tuple(ExternalId(SYSTEM, clinic) for clinic in clinics),
            protocols=protocols,
        )
    return Entry(row.place, ids, value)


def _shift(row: Row) -> Entry[Shift]:
    practitioner = row.required("practitioner", _reference)
    clinic = row.required("clinic", _reference)
    weekday = row.required("weekday", values.weekday)
    start = row.required("start", values.time_of_day)
    end = row.required("end", values.time_of_day)
    valid_from = row.optional("valid_from", values.calendar_date)
    valid_until = row.optional("valid_until", values.calendar_date)
    if start is not None and end is not None and start >= end:
        row.place.at("end").fault("is not after the start; shifts do not run past midnight")
    if valid_from and valid_until and valid_from > valid_until:
        row.place.at("valid_until").fault("is before valid_from")
    value = None
    if practitioner and clinic and weekday and start is not None and end is not None:
        value = Shift(
            practitioner=practitioner,
            clinic=clinic,
            weekday=weekday,
            start=start,
            end=end,
            valid_from=valid_from,
            valid_until=valid_until,
        )
    return Entry(row.place, (), value)


def _patient(row: Row, defaults: _Defaults, today: date) -> Entry[Patient]:
    known = row.required("id", _reference)
    given_name = row.required("given_name", values.text(values.PATIENT_NAME_LIMIT))
    family_name = row.required("family_name", values.text(values.PATIENT_NAME_LIMIT))
    birth_date = row.required("birth_date", values.past_date(today))
    language = row.required("language", values.language)
    clinic = row.required("clinic", _reference)
    if clinic and clinic not in defaults.zones:
        row.place.at("clinic").fault("the value is not the id of a clinic in clinics.csv")
    zone = row.optional("time_zone", values.zone) or (defaults.zones.get(clinic) if clinic else None)
    region = defaults.countries.get(clinic) if clinic else None
    email = _contact(row, "email", values.email, today)
    phone = _contact(row, "phone", values.phone(region), today)
    value = None
    if known and given_name and family_name and birth_date and language and zone and clinic:
        value = Patient(
            external_ids=(known,),
            given_name=given_name,
            family_name=family_name,
            birth_date=birth_date,
            language=language,
            zone=zone,
            clinic=clinic,
            email=email,
            phone=phone,
        )
    return Entry(row.place, (known,) if known else (), value)


def _contact(row: Row, column: str, parser: Callable[[str], str], today: date) -> ContactPoint | None:
    value = row.optional(column, parser)
    consented_on = row.optional(f"{column}_consent", values.past_date(today))
    verified_on = row.optional(f"{column}_verified", values.past_date(today))
    if value is None:
        if row.cells.get(column) == "" and (consented_on or verified_on):
            row.place.at(column).fault(f"is empty, but {column}_consent or {column}_verified is given")
        return None
    return ContactPoint(value=value, consented_on=consented_on, verified_on=verified_on)
