"""One resource of the roster that is added or changed: a roster of one entry, under the rules of a whole one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from services.runtime.errors import FieldViolation
from services.scheduler.domain.roster import Clinic, Identifier, Patient, Practitioner, Room, Shift
from services.scheduler.domain.roster_import import (
    ClinicEntry,
    KnownRoster,
    PatientEntry,
    PractitionerEntry,
    RoomEntry,
    Roster,
    at_once,
    faults_of,
)

Entry = ClinicEntry | RoomEntry | PractitionerEntry | PatientEntry
Resource = Clinic | Room | Practitioner | Patient

_ONLY_ENTRY = re.compile(r"^(clinic|room|practitioner|shift|patient)s\[0\]")


class Kind(StrEnum):
    """Kinds of resources that carry an external identifier."""

    CLINIC = "clinic"
    ROOM = "room"
    PRACTITIONER = "practitioner"
    PATIENT = "patient"

    @property
    def collection(self) -> str:
        """The first part of their names."""
        return f"{self}s"


@dataclass(frozen=True, slots=True)
class Addition:
    """A resource to add: the one entry of `roster`."""

    kind: Kind
    roster: Roster

    @property
    def identifier(self) -> Identifier:
        """Its external identifier."""
        return identifier_of(self.roster)


@dataclass(frozen=True, slots=True)
class Change:
    """A resource to change, as it was read, to the one entry of `roster`."""

    kind: Kind
    roster: Roster
    resource_id: UUID
    etag: str

    @property
    def identifier(self) -> Identifier:
        """The external identifier that it is to have."""
        return identifier_of(self.roster)


@dataclass(frozen=True, slots=True)
class ShiftChange:
    """A shift to change, as it was read, to the one entry of `roster`."""

    roster: Roster
    shift_id: UUID
    etag: str


def identifier_of(roster: Roster) -> Identifier:
    """Return the external identifier of the one entry of a roster."""
    entries: tuple[Entry, ...] = (*roster.clinics, *roster.rooms, *roster.practitioners, *roster.patients)
    (entry,) = entries
    return entry.identifier


def faults_of_entry(roster: Roster, known: KnownRoster, today: date) -> list[FieldViolation]:
    """Return every fault of a roster's one entry, with the paths of a request for it: `room.clinic`."""
    return [
        FieldViolation(_ONLY_ENTRY.sub(r"\1", fault.path), fault.description)
        for fault in faults_of(roster, known, today)
    ]


def elsewhere_at_once(shift: Shift, others: Iterable[Shift]) -> Shift | None:
    """Return another shift of the same practitioner at the same time at another clinic, if there is one."""
    clashing = (
        other
        for other in others
        if other.shift_id != shift.shift_id
        and other.weekday == shift.weekday
        and other.clinic_id != shift.clinic_id
        and at_once(shift, other)
    )
    return next(clashing, None)
