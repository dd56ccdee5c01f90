"""Clinics, rooms, practitioners, shifts and patients: what a schedule is made of."""

from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

Identifier = tuple[str, str]
"""(system, value): what another system calls it, as in FHIR R4 Identifier."""


@dataclass(frozen=True, slots=True, order=True)
class OpeningHours:
    """Hours on one ISO weekday (Monday is 1), on the clinic's clock."""

    weekday: int
    open_time: time
    close_time: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """A place of treatment; all its calendar rules count in its IANA zone."""

    clinic_id: UUID
    identifier: Identifier
    title: str
    time_zone: str
    opening_hours: tuple[OpeningHours, ...]
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room in which one session at a time takes place."""

    room_id: UUID
    identifier: Identifier
    clinic_id: UUID
    title: str
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Practitioner:
    """A clinician. `supervision_ratio` is how many sessions they may supervise at once, 0 for none.

    `credential_expire_date` is the last clinic-local date on which the credential is valid, `leave_date` the last one
    on which they work.
    """

    practitioner_id: UUID
    identifier: Identifier
    printed_name: str
    credential: str
    credential_expire_date: date | None
    supervision_ratio: int
    protocol_codes: tuple[str, ...]
    subject: str
    leave_date: date | None
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Weekly working hours of a practitioner at one clinic, on that clinic's clock; both dates are included."""

    shift_id: UUID
    practitioner_id: UUID
    clinic_id: UUID
    weekday: int
    start_time: time
    end_time: time
    effective_start_date: date | None
    effective_end_date: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A person who is treated. The date of birth is personal data: it is in no error and no log."""

    patient_id: UUID
    identifier: Identifier
    time_zone: str
    birth_date: date
    clinic_id: UUID | None
    create_time: datetime

    @property
    def name(self) -> str:
        """Their resource name."""
        return f"patients/{self.patient_id}"


def anniversary(birth_date: date, years: int) -> date:
    """Return the date on which a person reaches that age; born on 29 February, on 1 March of a common year."""
    try:
        return birth_date.replace(year=birth_date.year + years)
    except ValueError:
        return date(birth_date.year + years, 3, 1)
