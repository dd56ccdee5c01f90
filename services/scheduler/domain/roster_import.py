"""A roster as another system gives it: references go by external identifier, and every fault is named at once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from uuid import UUID

from services.runtime.errors import FieldViolation
from services.scheduler.domain.roster import Identifier, OpeningHours, Shift

Reference = UUID | Identifier
"""A resource by its id, or by what the other system calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicEntry:
    """A clinic to add or change."""

    identifier: Identifier
    title: str
    time_zone: str
    opening_hours: tuple[OpeningHours, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomEntry:
    """A room to add or change."""

    identifier: Identifier
    clinic: Reference
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PractitionerEntry:
    """A practitioner to add or change."""

    identifier: Identifier
    printed_name: str
    credential: str
    credential_expire_date: date | None
    supervision_ratio: int
    protocol_codes: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftEntry:
    """A shift; all shifts of the practitioners that an import names are replaced by those that it gives."""

    practitioner: Reference
    clinic: Reference
    weekday: int
    start_time: time
    end_time: time
    effective_start_date: date | None
    effective_end_date: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientEntry:
    """A patient to add or change."""

    identifier: Identifier
    time_zone: str
    birth_date: date
    clinic: Reference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """A whole roster, with the faults that were found while it was read."""

    clinics: tuple[ClinicEntry, ...]
    rooms: tuple[RoomEntry, ...]
    practitioners: tuple[PractitionerEntry, ...]
    shifts: tuple[ShiftEntry, ...]
    patients: tuple[PatientEntry, ...]
    faults: tuple[FieldViolation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRoster:
    """What the organization already has of what an import names.

    Attributes:
        clinics: ids by identifier, and each id by itself.
        practitioners: likewise.
        room_clinics: the clinic of each known room.
        scheduled_zones: the zone of each clinic that has sessions.
        subjects: whose token subject is already whose, by the practitioner's identifier.
    """

    clinics: Mapping[Reference, UUID]
    practitioners: Mapping[Reference, UUID]
    room_clinics: Mapping[Identifier, UUID]
    scheduled_zones: Mapping[Identifier, str]
    subjects: Mapping[str, Identifier]

    def renamed(self, old: Identifier, new: Identifier) -> "KnownRoster":
        """Return the same, with the resource that is to be changed under the identifier that it is to have."""
        return replace(
            self,
            room_clinics={new if key == old else key: clinic for key, clinic in self.room_clinics.items()},
            scheduled_zones={new if key == old else key: zone for key, zone in self.scheduled_zones.items()},
            subjects={subject: new if owner == old else owner for subject, owner in self.subjects.items()},
        )


EMPTY = Roster(clinics=(), rooms=(), practitioners=(), shifts=(), patients=())
"""A roster without entries."""


def faults_of(roster: Roster, known: KnownRoster, today: date) -> list[FieldViolation]:
    """Return every fault of a roster: what was read wrongly, stands twice, refers to nothing or must not change."""
    return [
        *roster.faults,
        *_repeated("clinics", [entry.identifier for entry in roster.clinics]),
        *_repeated("rooms", [entry.identifier for entry in roster.rooms]),
        *_repeated("practitioners", [entry.identifier for entry in roster.practitioners]),
        *_repeated("patients", [entry.identifier for entry in roster.patients]),
        *_dangling(roster, known),
        *_moved(roster, known),
        *_shared_subjects(roster, known),
        *_two_places(roster),
        *_unborn(roster, today),
    ]


def _repeated(kind: str, identifiers: Sequence[Identifier]) -> Iterable[FieldViolation]:
    first: dict[Identifier, int] = {}
    for index, identifier in enumerate(identifiers):
        if all(identifier) and first.setdefault(identifier, index) != index:
            yield FieldViolation(f"{kind}[{index}].identifier", f"the same as of {kind}[{first[identifier]}]")


def _dangling(roster: Roster, known: KnownRoster) -> Iterable[FieldViolation]:
    clinics = {*known.clinics, *(entry.identifier for entry in roster.clinics)}
    practitioners = {*known.practitioners, *(entry.identifier for entry in roster.practitioners)}
    references: list[tuple[str, Reference | None, set[Reference]]] = [
        *((f"rooms[{n}].clinic", entry.clinic, clinics) for n, entry in enumerate(roster.rooms)),
        *((f"shifts[{n}].practitioner", entry.practitioner, practitioners) for n, entry in enumerate(roster.shifts)),
        *((f"shifts[{n}].clinic", entry.clinic, clinics) for n, entry in enumerate(roster.shifts)),
        *((f"patients[{n}].clinic", entry.clinic, clinics) for n, entry in enumerate(roster.patients)),
    ]
    already = {fault.path for fault in roster.faults}
    for path, reference, there in references:
        if reference is not None and reference not in there and path not in already:
            yield FieldViolation(path, "refers to nothing that is in this roster or already known")


def _moved(roster: Roster, known: KnownRoster) -> Iterable[FieldViolation]:
    for index, clinic in enumerate(roster.clinics):
        if known.scheduled_zones.get(clinic.identifier, clinic.time_zone) != clinic.time_zone:
            fault = "the clinic has sessions, whose local dates count in its zone: keep the zone"
            yield FieldViolation(f"clinics[{index}].time_zone", fault)
    for index, room in enumerate(roster.rooms):
        stands_in = known.room_clinics.get(room.identifier)
        if stands_in is not None and known.clinics.get(room.clinic) != stands_in:
            yield FieldViolation(f"rooms[{index}].clinic", "a room stays in its clinic; add it there as a new room")


def _shared_subjects(roster: Roster, known: KnownRoster) -> Iterable[FieldViolation]:
    changing = {entry.identifier for entry in roster.practitioners}
    owners = {subject: owner for subject, owner in known.subjects.items() if owner not in changing}
    counts = Counter(entry.subject for entry in roster.practitioners if entry.subject)
    for index, entry in enumerate(roster.practitioners):
        if counts[entry.subject] > 1 or entry.subject in owners:
            yield FieldViolation(f"practitioners[{index}].subject", "another practitioner has it; each has their own")


def _two_places(roster: Roster) -> Iterable[FieldViolation]:
    of_one_day: dict[tuple[Reference, int], list[tuple[int, ShiftEntry]]] = defaultdict(list)
    for index, shift in enumerate(roster.shifts):
        others = of_one_day[shift.practitioner, shift.weekday]
        clashing = (n for n, other in others if other.clinic != shift.clinic and at_once(shift, other))
        if (other := next(clashing, None)) is not None:
            yield FieldViolation(f"shifts[{index}]", f"at the time of shifts[{other}], which is at another clinic")
        others.append((index, shift))


def _unborn(roster: Roster, today: date) -> Iterable[FieldViolation]:
    for index, patient in enumerate(roster.patients):
        if patient.birth_date > today:
            yield FieldViolation(f"patients[{index}].birth_date", "write a date that is not in the future")


def at_once(one: ShiftEntry | Shift, other: ShiftEntry | Shift) -> bool:
    """Say whether two shifts on one weekday meet on any date."""
    return (
        one.start_time < other.end_time
        and other.start_time < one.end_time
        and (one.effective_start_date or date.min) <= (other.effective_end_date or date.max)
        and (other.effective_start_date or date.min) <= (one.effective_end_date or date.max)
    )
