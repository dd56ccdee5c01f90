"""The neutral roster: what both readers produce and what the import sends.

Frozen values only. Fields that identify a patient stay out of `repr`, so that a traceback shows none of them.
Times of day are on the clinic's clock, minutes precision; dates are calendar dates there.
"""

from dataclasses import dataclass, field
from datetime import date, time
from enum import IntEnum


class Weekday(IntEnum):
    """ISO weekday: Monday is 1."""

    MONDAY = 1
    TUESDAY = 2
    WEDNESDAY = 3
    THURSDAY = 4
    FRIDAY = 5
    SATURDAY = 6
    SUNDAY = 7


@dataclass(frozen=True, slots=True)
class ExternalId:
    """An identifier that another system gave; `system` is a URI, `value` is unique within it."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Opening hours on one weekday; `closes` is after `opens`."""

    weekday: Weekday
    opens: time
    closes: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """A clinic. `short_name` is the neutral name for messages; `phone` is E.164; `zone` is an IANA name."""

    external_id: ExternalId
    name: str
    short_name: str
    zone: str
    phone: str
    opening_hours: tuple[OpeningHours, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room for one session at a time."""

    external_id: ExternalId
    clinic: ExternalId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Practitioner:
    """A clinician; the first of `external_ids` is the one that shifts refer to.

    `supervision_ratio` is how many sessions they may supervise at once, 0 for one who does not supervise.
    `credential_expires` is the last day on which the credential is valid.
    """

    external_ids: tuple[ExternalId, ...]
    name: str
    credential: str
    credential_expires: date | None
    supervision_ratio: int
    clinics: tuple[ExternalId, ...]
    protocols: tuple[str, ...]

    @property
    def may_supervise(self) -> bool:
        """Whether they may supervise a session at all."""
        return self.supervision_ratio > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A weekly shift; `valid_from` and `valid_until` are its first and last day where it has any."""

    practitioner: ExternalId
    clinic: ExternalId
    weekday: Weekday
    start: time
    end: time
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPoint:
    """An e-mail address or an E.164 phone number, with the days of consent and of verification where known."""

    value: str = field(repr=False)
    consented_on: date | None = None
    verified_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A patient; the first of `external_ids` is the main one. Contact data may be missing."""

    external_ids: tuple[ExternalId, ...] = field(repr=False)
    given_name: str = field(repr=False)
    family_name: str = field(repr=False)
    birth_date: date = field(repr=False)
    language: str
    zone: str
    clinic: ExternalId
    email: ContactPoint | None = None
    phone: ContactPoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """A whole roster without faults, in the order of its sources. `notices` say what was left out and why."""

    clinics: tuple[Clinic, ...]
    rooms: tuple[Room, ...]
    practitioners: tuple[Practitioner, ...]
    shifts: tuple[Shift, ...]
    patients: tuple[Patient, ...]
    notices: tuple[str, ...] = ()
