"""The FHIR data types that several resources share: identifiers, names, contact points, weekly times."""

from dataclasses import dataclass
from datetime import time

import phonenumbers

from services.cli.roster import values
from services.cli.roster.fhir_json import Node
from services.cli.roster.model import ExternalId, Weekday

TIME_ZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
EXTENSIONS = "https://kat.example/fhir/StructureDefinition"
"""Base of our own extensions; `services/cli/demo_data/README.md` describes them."""

_IDENTIFIER_LIMIT = 255
_IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
# Social security number, driver's license, passport: the suite has no use for them, so it does not take them.
_UNWANTED_IDENTIFIERS = {"SS", "DL", "PPN"}

_NAME_USES = {"official": 0, "usual": 1, None: 2}
_TELECOM_USES = {"mobile": 0, "home": 1, "work": 2, None: 3, "temp": 4}


@dataclass(frozen=True, slots=True)
class Span:
    """A weekly stretch of time and where it was read."""

    node: Node
    weekday: Weekday
    start: time
    end: time


def external_ids(node: Node) -> tuple[ExternalId, ...]:
    """The identifiers of a resource, without those that the suite has no use for; having none is a fault."""
    found = []
    for item in node.items("identifier"):
        if {coding.text("code") for coding in item.codings("type", _IDENTIFIER_TYPE)} & _UNWANTED_IDENTIFIERS:
            continue
        system = item.parse("system", values.text(_IDENTIFIER_LIMIT))
        value = item.parse("value", values.text(_IDENTIFIER_LIMIT))
        if system and value:
            found.append(ExternalId(system, value))
    if not found:
        node.get("identifier").place.fault("needs an identifier with a system and a value")
    return tuple(dict.fromkeys(found))


def best_name(node: Node) -> Node | None:
    """The name to use: official before usual before unmarked. Maiden, old and nicknames do not count."""
    names = [item for item in node.items("name") if item.text("use") in _NAME_USES]
    if not names:
        node.get("name").place.fault("needs an official or a usual name")
        return None
    return min(names, key=lambda item: _NAME_USES[item.text("use")])


def given_names(name: Node) -> list[str]:
    """The given names, first name first."""
    return [given for item in name.items("given") if (given := item.own_text())]


def best_telecom(node: Node, system: str) -> Node | None:
    """The contact point to use: the lowest rank, then mobile, home, work. Old ones do not count."""
    usable = [
        item for item in node.items("telecom") if item.text("system") == system and item.text("use") in _TELECOM_USES
    ]
    unranked = len(usable) + 1_000
    return min(
        usable,
        key=lambda item: (item.whole_number("rank") or unranked, _TELECOM_USES[item.text("use")]),
        default=None,
    )


def region(address: Node) -> str | None:
    """The country whose national form of phone numbers is understood, where the address names it by code."""
    country = (address.text("country") or "").upper()
    return country if country in phonenumbers.SUPPORTED_REGIONS else None


def weekly(node: Node, start_key: str, end_key: str) -> list[Span]:
    """One span for each of `daysOfWeek`, from `start_key` to `end_key`."""
    if node.flag("allDay"):
        node.get("allDay").place.fault(f"is not supported; give {start_key} and {end_key}")
        return []
    if not node.items("daysOfWeek"):
        node.get("daysOfWeek").place.fault("is missing")
    start = node.require(start_key, values.time_of_day)
    end = node.require(end_key, values.time_of_day)
    if start is None or end is None:
        return []
    if start >= end:
        node.get(end_key).place.fault(f"is not after {start_key}; sessions do not run past midnight")
    spans = []
    for item in node.items("daysOfWeek"):
        name = item.own_text()
        day = item.place.parse(name or "", values.weekday)
        if day:
            spans.append(Span(node, day, start, end))
    return spans
