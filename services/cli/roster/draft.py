"""A roster in the making, and the rules that hold between its records."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from typing import Generic, TypeVar

from services.cli.roster.faults import Place
from services.cli.roster.model import Clinic, ExternalId, Patient, Practitioner, Room, Roster, Shift

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A record that was read: its ids, where it stands, and its value unless it has faults of its own."""

    place: Place
    ids: tuple[ExternalId, ...]
    value: T | None


@dataclass(slots=True)
class Draft:
    """Everything read so far. A record with faults is kept by its ids, so that it is not also called unknown."""

    clinics: list[Entry[Clinic]] = field(default_factory=list)
    rooms: list[Entry[Room]] = field(default_factory=list)
    practitioners: list[Entry[Practitioner]] = field(default_factory=list)
    shifts: list[Entry[Shift]] = field(default_factory=list)
    patients: list[Entry[Patient]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Note the faults between records: repeated ids, unknown references, times that overlap."""
        _check_unique(self.clinics)
        _check_unique(self.rooms)
        _check_unique(self.practitioners)
        _check_unique(self.patients)
        self._check_references()
        self._check_workplaces()
        self._check_hours()
        self._check_shifts()

    def roster(self) -> Roster:
        """The finished roster; to be asked for only once no fault was noted.

        Raises:
            RuntimeError: A record was dropped without a fault, so the roster would be partial.
        """
        return Roster(
            clinics=_whole(self.clinics),
            rooms=_whole(self.rooms),
            practitioners=_whole(self.practitioners),
            shifts=_whole(self.shifts),
            patients=_whole(self.patients),
            notices=tuple(self.notices),
        )

    def _check_references(self) -> None:
        clinics = {known for entry in self.clinics for known in entry.ids}
        practitioners = {known for entry in self.practitioners for known in entry.ids}
        for place, value in _placed(self.rooms):
            _check_known(place, "clinic", value.clinic, clinics)
        for place, clinician in _placed(self.practitioners):
            for clinic in clinician.clinics:
                _check_known(place, "clinics", clinic, clinics)
        for place, shift in _placed(self.shifts):
            _check_known(place, "practitioner", shift.practitioner, practitioners)
            _check_known(place, "clinic", shift.clinic, clinics)
        for place, patient in _placed(self.patients):
            _check_known(place, "clinic", patient.clinic, clinics)

    def _check_workplaces(self) -> None:
        workplaces = {known: entry.value for entry in self.practitioners if entry.value for known in entry.ids}
        clinics = {known for entry in self.clinics for known in entry.ids}
        for place, shift in _placed(self.shifts):
            practitioner = workplaces.get(shift.practitioner)
            if practitioner and shift.clinic in clinics and shift.clinic not in practitioner.clinics:
                place.fault("the practitioner does not work at this clinic; add it to their clinics")

    def _check_hours(self) -> None:
        for place, clinic in _placed(self.clinics):
            for one, other in combinations(clinic.opening_hours, 2):
                if one.weekday == other.weekday and one.opens < other.closes and other.opens < one.closes:
                    place.fault(f"opening hours on {one.weekday.name.lower()} overlap")

    def _check_shifts(self) -> None:
        seen: dict[tuple[ExternalId, int], list[tuple[Place, Shift]]] = {}
        for place, shift in _placed(self.shifts):
            earlier = seen.setdefault((shift.practitioner, shift.weekday), [])
            for where, other in earlier:
                if _overlap(shift, other):
                    place.fault(f"overlaps the shift of the same practitioner at {where.source} {where.path}".rstrip())
            earlier.append((place, shift))


def _placed(entries: Iterable[Entry[T]]) -> Iterator[tuple[Place, T]]:
    return ((entry.place, entry.value) for entry in entries if entry.value is not None)


def _whole(entries: Sequence[Entry[T]]) -> tuple[T, ...]:
    values = tuple(value for _, value in _placed(entries))
    if len(values) < len(entries):
        raise RuntimeError("a record of the roster was dropped without a fault")
    return values


def _check_unique(entries: Iterable[Entry[T]]) -> None:
    first: dict[ExternalId, Place] = {}
    for entry in entries:
        for known in entry.ids:
            if known in first:
                where = f"{first[known].source} {first[known].path}".rstrip()
                entry.place.fault(f"has the same id as {where}; give each its own")
            else:
                first[known] = entry.place


def _check_known(place: Place, column: str, reference: ExternalId, known: set[ExternalId]) -> None:
    if reference not in known:
        shown = "the value" if place.private else repr(reference.value)
        place.at(f"{place.path} {column}".strip()).fault(f"{shown} is not the id of any that the roster holds")


def _overlap(one: Shift, other: Shift) -> bool:
    return (
        one.start < other.end
        and other.start < one.end
        and (one.valid_from or date.min) <= (other.valid_until or date.max)
        and (other.valid_from or date.min) <= (one.valid_until or date.max)
    )
