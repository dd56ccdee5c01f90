"""Clinics and rooms from FHIR Locations.

A Location with the time-zone extension is a clinic; one of physical type "ro" is a room of the clinic that it is
part of. A hospital bundle holds many Locations, and the time zone, which Synthea does not write, marks ours.
"""

from dataclasses import dataclass, field

from services.cli.roster import values
from services.cli.roster.draft import Draft, Entry
from services.cli.roster.fhir_index import Index, Resource
from services.cli.roster.fhir_json import Node
from services.cli.roster.fhir_parts import TIME_ZONE, best_telecom, external_ids, region, weekly
from services.cli.roster.model import Clinic, ExternalId, OpeningHours, Room

_PHYSICAL_TYPE = "http://terminology.hl7.org/CodeSystem/location-physical-type"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Site:
    """What others take over from a clinic: its id, its zone unless faulty, and the country of phone numbers."""

    id: ExternalId
    zone: str | None
    country: str | None = None


@dataclass(slots=True)
class Sites:
    """The clinics, also by Location and by managing Organization; `outside` counts Locations that are not ours."""

    clinics: list[Site] = field(default_factory=list)
    by_location: dict[Key, Site] = field(default_factory=dict)
    by_organization: dict[Key, list[Site]] = field(default_factory=dict)
    outside: int = 0


def read_sites(index: Index, draft: Draft) -> Sites:
    """Read all clinics, then all rooms, into the draft."""
    sites = Sites()
    rooms = []
    for location in index.of_type("Location"):
        codes = {coding.text("code") for coding in location.node.codings("physicalType", _PHYSICAL_TYPE)}
        if location.node.text("status") == "inactive":
            sites.outside += 1
        elif "ro" in codes:
            rooms.append(location)
        elif location.node.extension(TIME_ZONE) is None:
            sites.outside += 1
        else:
            _read_clinic(location, index, sites, draft)
    for room in rooms:
        _read_room(room, index, sites, draft)
    return sites


def _read_clinic(location: Resource, index: Index, sites: Sites, draft: Draft) -> None:
    node = location.node
    extension = node.extension(TIME_ZONE)
    ids = external_ids(node)
    name = node.require("name", values.text())
    short_name = _short_name(node)
    zone = extension.require("valueCode", values.zone) if extension else None
    country = region(node.get("address"))
    phone = _phone(node, country)
    opening_hours = tuple(
        OpeningHours(span.weekday, span.start, span.end)
        for item in node.items("hoursOfOperation")
        for span in weekly(item, "openingTime", "closingTime")
    )
    value = None
    if ids and name and short_name and zone and phone:
        value = Clinic(
            external_id=ids[0], name=name, short_name=short_name, zone=zone, phone=phone, opening_hours=opening_hours
        )
    draft.clinics.append(Entry(node.place, ids, value))
    if ids:
        site = Site(ids[0], zone, country)
        sites.clinics.append(site)
        sites.by_location[location.key] = site
        if node.get("managingOrganization").value is not None:
            organization = index.resolve(node.get("managingOrganization"), "Organization")
            if organization:
                sites.by_organization.setdefault(organization.key, []).append(site)


def _short_name(node: Node) -> str | None:
    aliases = node.items("alias")
    text = aliases[0].own_text() if aliases else None
    if text is None:
        node.get("alias").place.fault("is missing; give the short neutral name for messages as the first alias")
        return None
    return aliases[0].place.parse(text, values.text(values.SHORT_NAME_LIMIT))


def _phone(node: Node, country: str | None) -> str | None:
    telecom = best_telecom(node, "phone")
    if telecom is None:
        node.get("telecom").place.fault("needs a phone number, for patients who have questions")
        return None
    return telecom.require("value", values.phone(country))


def _read_room(location: Resource, index: Index, sites: Sites, draft: Draft) -> None:
    node = location.node
    parent = index.resolve(node.get("partOf"), "Location")
    clinic = sites.by_location.get(parent.key) if parent else None
    if clinic is None:
        sites.outside += 1
        return
    ids = external_ids(node)
    name = node.require("name", values.text())
    value = Room(external_id=ids[0], clinic=clinic.id, name=name) if ids and name else None
    draft.rooms.append(Entry(node.place, ids[:1], value))
    sites.by_location[location.key] = clinic
