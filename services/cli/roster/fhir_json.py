"""Reading of FHIR JSON by hand: a value with its path, and accessors that note what has the wrong type."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from services.cli.roster.faults import Place

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value, None where it is absent. Every accessor of an absent value answers "absent"."""

    place: Place
    value: Any  # JSON: what json.loads made of it

    def get(self, key: str) -> "Node":
        """The member `key` of an object."""
        members = self._typed(dict, "an object")
        path = f"{self.place.path}.{key}" if self.place.path else key
        return Node(self.place.at(path), members.get(key) if members else None)

    def items(self, key: str) -> list["Node"]:
        """The elements of the list `key`, each with its index in the path."""
        child = self.get(key)
        elements = child._typed(list, "a list") or []  # noqa: SLF001 - its own class
        return [Node(child.place.at(f"{child.place.path}[{i}]"), element) for i, element in enumerate(elements)]

    def text(self, key: str) -> str | None:
        """The string `key`; blank counts as absent."""
        return self.get(key).own_text()

    def own_text(self) -> str | None:
        """This value as a string; blank counts as absent."""
        value: str | None = self._typed(str, "a string")
        return value.strip() or None if value else None

    def parse(self, key: str, parser: Callable[[str], T]) -> T | None:
        """What the parser makes of the string `key`; None where it is absent or, after noting it, unusable."""
        value = self.text(key)
        return None if value is None else self.get(key).place.parse(value, parser)

    def require(self, key: str, parser: Callable[[str], T]) -> T | None:
        """As `parse`, and absence is a fault."""
        child = self.get(key)
        if child.value is None or child.value == "":
            child.place.fault("is missing")
        return self.parse(key, parser)

    def flag(self, key: str) -> bool | None:
        """The boolean `key`."""
        value: bool | None = self.get(key)._typed(bool, "true or false")  # noqa: SLF001 - its own class
        return value

    def whole_number(self, key: str) -> int | None:
        """The whole number `key`."""
        child = self.get(key)
        if isinstance(child.value, bool):
            child.place.fault("must be a whole number")
            return None
        value: int | None = child._typed(int, "a whole number")  # noqa: SLF001 - its own class
        return value

    def extension(self, url: str) -> "Node | None":
        """The first extension with this URL."""
        return next((item for item in self.items("extension") if item.text("url") == url), None)

    def codings(self, key: str, system: str) -> list["Node"]:
        """The codings of one system in `key`, a CodeableConcept or a list of them."""
        child = self.get(key)
        concepts = self.items(key) if isinstance(child.value, list) else [child]
        codings = [coding for concept in concepts for coding in concept.items("coding")]
        return [coding for coding in codings if coding.text("system") == system and coding.text("code")]

    def as_private(self) -> "Node":
        """The same value as patient data: messages below do not repeat values."""
        return replace(self, place=replace(self.place, private=True))

    def _typed(self, kind: type[Any], name: str) -> Any:
        if self.value is None:
            return None
        if not isinstance(self.value, kind):
            self.place.fault(f"must be {name}")
            return None
        return self.value


def day(value: str) -> str:
    """The date of a FHIR date or dateTime, as written there."""
    return re.split("T", value, maxsplit=1)[0]
