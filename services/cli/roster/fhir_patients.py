"""Patients from FHIR. US Core extensions and everything clinical in the resource are left alone."""

from collections import Counter
from collections.abc import Callable
from datetime import date

from services.cli.roster import values
from services.cli.roster.draft import Draft, Entry
from services.cli.roster.faults import UnusableValueError
from services.cli.roster.fhir_index import Index, Resource
from services.cli.roster.fhir_json import Node
from services.cli.roster.fhir_parts import (
    EXTENSIONS,
    TIME_ZONE,
    best_name,
    best_telecom,
    external_ids,
    given_names,
    region,
)
from services.cli.roster.fhir_sites import Site, Sites
from services.cli.roster.model import ContactPoint, Patient

CONSENT_DATE = f"{EXTENSIONS}/contact-consent"
VERIFIED_DATE = f"{EXTENSIONS}/contact-verified"

_FALLBACK_LANGUAGE = "en"


def read_patients(index: Index, sites: Sites, draft: Draft, today: date) -> None:
    """Read all living, active patients into the draft, with notices about the others."""
    left_out: Counter[str] = Counter()
    for resource in index.of_type("Patient"):
        node = resource.node
        # Not scheduled ever: not a fault, since bundles of a whole population hold them.
        if node.flag("deceasedBoolean") or node.get("deceasedDateTime").value is not None:
            left_out["recorded as deceased"] += 1
        elif node.flag("active") is False:
            left_out["marked inactive"] += 1
        else:
            _read_patient(resource, index, sites, draft, today)
    draft.notices += [f"left out {count} patient(s) {reason}" for reason, count in sorted(left_out.items())]


def _read_patient(resource: Resource, index: Index, sites: Sites, draft: Draft, today: date) -> None:
    node = resource.node
    ids = external_ids(node)
    given_name, family_name = _names(node)
    birth_date = node.require("birthDate", values.past_date(today))
    site = _site(node, index, sites, draft)
    extension = node.extension(TIME_ZONE)
    zone = extension.require("valueCode", values.zone) if extension else None
    zone = zone or (site.zone if site else None)
    addresses = node.items("address")
    country = region(addresses[0]) if addresses else None
    country = country or (site.country if site else None)
    email = _contact(node, "email", values.email, today)
    phone = _contact(node, "phone", values.phone(country), today)
    language = _language(node, draft)
    value = None
    if ids and given_name and family_name and birth_date and zone and site:
        value = Patient(
            external_ids=ids,
            given_name=given_name,
            family_name=family_name,
            birth_date=birth_date,
            language=language,
            zone=zone,
            clinic=site.id,
            email=email,
            phone=phone,
        )
    draft.patients.append(Entry(node.place, ids, value))


def _names(node: Node) -> tuple[str | None, str | None]:
    name = best_name(node)
    if name is None:
        return None, None
    family_name = name.require("family", values.text(values.PATIENT_NAME_LIMIT))
    given = given_names(name)
    if not given:
        name.get("given").place.fault("is missing")
        return None, family_name
    return name.get("given").place.parse(given[0], values.text(values.PATIENT_NAME_LIMIT)), family_name


def _site(node: Node, index: Index, sites: Sites, draft: Draft) -> Site | None:
    """The clinic of the managing organization; without one, the only clinic of the bundles, or of the roster."""
    reference = node.get("managingOrganization")
    if reference.value is not None:
        organization = index.resolve(reference, "Organization")
        if organization is None:
            return None
        found = sites.by_organization.get(organization.key, [])
        if len(found) != 1:
            reference.place.fault(f"must be an organization with one clinic of the roster; this one has {len(found)}")
        return found[0] if len(found) == 1 else None
    if len(sites.clinics) == 1:
        return sites.clinics[0]
    if len(draft.clinics) != 1:
        reference.place.fault(f"is missing; it says which of the roster's {len(draft.clinics)} clinics is meant")
        return None
    clinic = draft.clinics[0]
    return Site(clinic.ids[0], clinic.value.zone if clinic.value else None) if clinic.ids else None


def _language(node: Node, draft: Draft) -> str:
    """The preferred language, or the first; English, with a notice, where no message is written in it."""
    items = node.items("communication")
    preferred = [item for item in items if item.flag("preferred")] or items
    for coding in preferred[0].get("language").items("coding") if preferred else []:
        try:
            return values.language(coding.text("code") or "")
        except UnusableValueError:
            continue
    draft.notices.append(f"{node.place.source} {node.place.path}: no language of messages; English is used")
    return _FALLBACK_LANGUAGE


def _contact(node: Node, system: str, parser: Callable[[str], str], today: date) -> ContactPoint | None:
    telecom = best_telecom(node, system)
    if telecom is None:
        return None
    value = telecom.require("value", parser)
    consent, verified = telecom.extension(CONSENT_DATE), telecom.extension(VERIFIED_DATE)
    consented_on = consent.require("valueDate", values.past_date(today)) if consent else None
    verified_on = verified.require("valueDate", values.past_date(today)) if verified else None
    return ContactPoint(value=value, consented_on=consented_on, verified_on=verified_on) if value else None
