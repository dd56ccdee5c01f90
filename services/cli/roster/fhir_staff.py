"""Practitioners and shifts from FHIR Practitioners and PractitionerRoles.

Who has an active role at one of the roster's clinics is taken in; hospital bundles hold many others.
"""

from dataclasses import dataclass, field

from services.cli.roster import values
from services.cli.roster.draft import Draft, Entry
from services.cli.roster.fhir_index import Index, Resource
from services.cli.roster.fhir_json import Node, day
from services.cli.roster.fhir_parts import EXTENSIONS, best_name, external_ids, given_names, weekly
from services.cli.roster.fhir_sites import Key, Site, Sites
from services.cli.roster.model import ExternalId, Practitioner, Shift

SUPERVISION_RATIO = f"{EXTENSIONS}/supervision-ratio"
PROTOCOL = "https://kat.example/fhir/CodeSystem/protocol"

_CREDENTIALS = ("http://terminology.hl7.org/CodeSystem/v2-0360", "http://terminology.hl7.org/CodeSystem/v2-0360/2.7")


@dataclass(slots=True)
class _Work:
    """What all roles of one practitioner say together."""

    clinics: list[ExternalId] = field(default_factory=list)
    protocols: list[str] = field(default_factory=list)
    ratio: int = 0
    roles: list[tuple[Node, list[Site]]] = field(default_factory=list)


def read_staff(index: Index, sites: Sites, draft: Draft) -> int:
    """Read practitioners and shifts into the draft; the answer is how many practitioners work elsewhere only."""
    work: dict[Key, _Work] = {}
    for role in index.of_type("PractitionerRole"):
        workplaces = _workplaces(role.node, index, sites)
        if workplaces and role.node.flag("active") is not False:
            practitioner = index.resolve(role.node.get("practitioner"), "Practitioner")
            if practitioner:
                _add_role(work.setdefault(practitioner.key, _Work()), role.node, workplaces)
    elsewhere = 0
    for practitioner in index.of_type("Practitioner"):
        if practitioner.key in work and practitioner.node.flag("active") is not False:
            _read_practitioner(practitioner, work[practitioner.key], draft)
        else:
            elsewhere += 1
    return elsewhere


def _workplaces(role: Node, index: Index, sites: Sites) -> list[Site]:
    """The clinics of a role: its locations, or else all of its organization."""
    locations = [index.resolve(reference, "Location") for reference in role.items("location")]
    if locations:
        found = [sites.by_location.get(location.key) for location in locations if location]
        return list(dict.fromkeys(site for site in found if site))
    if role.get("organization").value is None:
        return []
    organization = index.resolve(role.get("organization"), "Organization")
    return sites.by_organization.get(organization.key, []) if organization else []


def _add_role(work: _Work, role: Node, workplaces: list[Site]) -> None:
    work.clinics += [site.id for site in workplaces]
    work.roles.append((role, workplaces))
    for coding in role.codings("specialty", PROTOCOL):
        code = coding.parse("code", values.protocol)
        work.protocols += [code] if code else []
    extension = role.extension(SUPERVISION_RATIO)
    if extension:
        number = extension.whole_number("valueUnsignedInt")
        shown = "" if number is None else str(number)
        ratio = extension.get("valueUnsignedInt").place.parse(shown, values.supervision_ratio)
        work.ratio = max(work.ratio, ratio or 0)


def _read_practitioner(resource: Resource, work: _Work, draft: Draft) -> None:
    node = resource.node
    ids = external_ids(node)
    name = _printed_name(node)
    qualification = _qualification(node)
    credential = expires = None
    if qualification is None:
        node.get("qualification").place.fault(f"needs a code of {_CREDENTIALS[0]}, such as MD, NP or RN")
    else:
        coding = next(coding for system in _CREDENTIALS for coding in qualification.codings("code", system))
        credential = coding.require("code", values.text(values.SHORT_NAME_LIMIT))
        expires = qualification.get("period").parse("end", lambda text: values.calendar_date(day(text)))
    value = None
    if ids and name and credential:
        value = Practitioner(
            external_ids=ids,
            name=name,
            credential=credential,
            credential_expires=expires,
            supervision_ratio=work.ratio,
            clinics=tuple(dict.fromkeys(work.clinics)),
            protocols=tuple(dict.fromkeys(work.protocols)),
        )
    draft.practitioners.append(Entry(node.place, ids, value))
    if ids:
        unique: dict[Shift | None, Entry[Shift]] = {}  # a role has no identifier and may stand in several bundles
        for role, workplaces in work.roles:
            for entry in _shifts(role, workplaces, ids[0]):
                unique.setdefault(entry.value, entry)
        draft.shifts += unique.values()


def _qualification(node: Node) -> Node | None:
    return next(
        (item for item in node.items("qualification") for system in _CREDENTIALS if item.codings("code", system)), None
    )


def _printed_name(node: Node) -> str | None:
    name = best_name(node)
    if name is None or name.require("family", values.text()) is None:
        return None
    prefixes = [prefix for item in name.items("prefix") if (prefix := item.own_text())]
    printed = " ".join([*prefixes, *given_names(name), name.text("family") or ""])
    return name.place.parse(printed, values.text())


def _shifts(role: Node, workplaces: list[Site], practitioner: ExternalId) -> list[Entry[Shift]]:
    period = role.get("period")
    valid_from = period.parse("start", lambda text: values.calendar_date(day(text)))
    valid_until = period.parse("end", lambda text: values.calendar_date(day(text)))
    if valid_from and valid_until and valid_from > valid_until:
        period.get("end").place.fault("is before the start")
    return [
        Entry(
            item.place,
            (),
            Shift(
                practitioner=practitioner,
                clinic=site.id,
                weekday=span.weekday,
                start=span.start,
                end=span.end,
                valid_from=valid_from,
                valid_until=valid_until,
            ),
        )
        for site in workplaces
        for item in role.items("availableTime")
        for span in weekly(item, "availableStartTime", "availableEndTime")
    ]
