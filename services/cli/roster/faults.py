"""Faults of a roster, collected until everything has been read."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

T = TypeVar("T")

_ECHO_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and what to do about it.

    Attributes:
        source: The file, with the line where it is CSV: "patients.csv:7".
        place: The column or the JSON path; empty where the fault is the whole line or file.
        message: What is wrong. It never repeats a value of a patient.
    """

    source: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.source} {self.place}: {self.message}" if self.place else f"{self.source}: {self.message}"


class RosterFaults(Exception):  # noqa: N818 - it carries faults, several of them
    """The roster cannot be used; `faults` lists every reason, ordered by file and place."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class UnusableValueError(ValueError):
    """A value breaks a rule; the text completes a sentence that starts with the value ("is not a date; …")."""


class FaultLog:
    """The faults found so far; the same fault counts once."""

    def __init__(self) -> None:
        self._faults: set[Fault] = set()

    def add(self, fault: Fault) -> None:
        """Note a fault."""
        self._faults.add(fault)

    def raise_if_any(self) -> None:
        """Raise RosterFaults with all faults noted."""
        if self._faults:
            raise RosterFaults(sorted(self._faults, key=_natural_order))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands. A `private` place, one of patient data, never repeats the value in a message."""

    log: FaultLog
    source: str
    path: str
    private: bool

    def at(self, path: str) -> "Place":
        """The same source at another path."""
        return replace(self, path=path)

    def fault(self, message: str) -> None:
        """Note a fault here."""
        self.log.add(Fault(self.source, self.path, message))

    def parse(self, text: str, parser: Callable[[str], T]) -> T | None:
        """What the parser makes of the text, or None after noting why it is unusable."""
        try:
            return parser(text)
        except UnusableValueError as error:
            shown = "the value" if self.private else repr(text[:_ECHO_LIMIT])
            self.fault(f"{shown} {error}")
            return None


def _natural_order(fault: Fault) -> tuple[object, ...]:
    """Orders line 9 before line 12 and entry[9] before entry[12]."""
    text = f"{fault.source}\n{fault.place}\n{fault.message}"
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", text))
