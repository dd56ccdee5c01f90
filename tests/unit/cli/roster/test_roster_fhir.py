from copy import deepcopy
from datetime import date, time

import pytest

from services.cli.roster import ContactPoint, ExternalId, Weekday

SYNTHEA = "https://github.com/synthetichealth/synthea"
NPI = "http://hl7.org/fhir/sid/us-npi"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
KAT = "https://kat.example/fhir"


def entry(resource):
    return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}


def bundle(*resources: dict, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": [entry(resource) for resource in resources]}


def by_identifier(system, value):
    return {"identifier": {"system": system, "value": value}, "display": "as Synthea writes them"}


def hospital():
    organization = {
        "resourceType": "Organization",
        "id": "org-1",
        "identifier": [{"system": SYNTHEA, "value": "org-1"}],
        "name": "PIER HOSPITAL",
    }
    clinic = {
        "resourceType": "Location",
        "id": "loc-1",
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "Europe/Berlin"}],
        "identifier": [{"system": SYNTHEA, "value": "loc-1"}],
        "status": "active",
        "name": "Pier Clinic",
        "alias": ["Pier"],
        "telecom": [{"system": "phone", "value": "030 23125 100"}],
        "address": {"country": "DE"},
        "hoursOfOperation": [{"daysOfWeek": ["mon", "tue"], "openingTime": "08:00:00", "closingTime": "18:00:00"}],
        "managingOrganization": by_identifier(SYNTHEA, "org-1"),
    }
    room = {
        "resourceType": "Location",
        "id": "room-1",
        "identifier": [{"system": SYNTHEA, "value": "room-1"}],
        "name": "Room 1",
        "physicalType": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "ro"}]
        },
        "partOf": {"reference": "Location/loc-1"},
    }
    return [organization, clinic, room]


def staff():
    practitioner = {
        "resourceType": "Practitioner",
        "id": "prac-1",
        "identifier": [{"system": NPI, "value": "9999900201"}],
        "name": [{"family": "Venkat", "given": ["Priya", "Asha"], "prefix": ["Dr."]}],
        "qualification": [
            {
                "code": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0360", "code": "MD"}]},
                "period": {"end": "2030-12-31T23:59:59+01:00"},
            }
        ],
    }
    role = {
        "resourceType": "PractitionerRole",
        "id": "role-1",
        "extension": [{"url": f"{KAT}/StructureDefinition/supervision-ratio", "valueUnsignedInt": 2}],
        "period": {"start": "2026-01-01"},
        "practitioner": by_identifier(NPI, "9999900201"),
        "organization": by_identifier(SYNTHEA, "org-1"),
        "specialty": [{"coding": [{"system": f"{KAT}/CodeSystem/protocol", "code": "iv_racemic"}]}],
        "location": [by_identifier(SYNTHEA, "loc-1")],
        "availableTime": [
            {"daysOfWeek": ["mon", "wed"], "availableStartTime": "08:00:00", "availableEndTime": "18:00:00"}
        ],
    }
    return [practitioner, role]


def patient(number=1, **changes):
    base = {
        "resourceType": "Patient",
        "id": f"pat-{number}",
        "extension": [
            {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": []},
            {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": "F"},
        ],
        "identifier": [
            {"system": SYNTHEA, "value": f"pat-{number}"},
            {
                "type": {"coding": [{"system": V2, "code": "SS"}]},
                "system": "http://hl7.org/fhir/sid/us-ssn",
                "value": "999-12-3038",
            },
        ],
        "name": [
            {"use": "maiden", "family": "Ostrander", "given": ["Zenobia"]},
            {"use": "official", "family": "Quillfeather", "given": ["Zenobia", "May"]},
        ],
        "telecom": [{"system": "phone", "use": "home", "value": "555-282-8307"}],
        "birthDate": "1982-02-14",
        "address": [{"country": "US"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en-US"}]}}],
    }
    return {key: value for key, value in (base | changes).items() if value is not None}


def encounter():
    return {
        "resourceType": "Encounter",
        "id": "enc-1",
        "participant": [{"individual": {"reference": f"Practitioner?identifier={NPI}|9999999779"}}],
    }


def files(*patients: dict):
    return {
        # In an order in which every reference points at a later file.
        "a-patient.json": bundle(*(patients or [patient()]), encounter()),
        "b-practitioner.json": bundle(*staff(), kind="batch"),
        "c-hospital.json": bundle(*hospital(), kind="collection"),
    }


def test_references_hold_across_bundles(roster_of):
    roster = roster_of(files())
    clinic = ExternalId(SYNTHEA, "loc-1")
    assert (roster.clinics[0].external_id, roster.clinics[0].zone) == (clinic, "Europe/Berlin")
    assert (roster.clinics[0].short_name, roster.clinics[0].phone) == ("Pier", "+493023125100")
    assert (roster.rooms[0].clinic, roster.rooms[0].name) == (clinic, "Room 1")
    doctor = roster.practitioners[0]
    assert (doctor.name, doctor.credential, doctor.credential_expires) == (
        "Dr. Priya Asha Venkat",
        "MD",
        date(2030, 12, 31),
    )
    assert (doctor.supervision_ratio, doctor.protocols, doctor.clinics) == (2, ("iv_racemic",), (clinic,))
    assert [(s.weekday, s.start, s.end, s.valid_from) for s in roster.shifts] == [
        (Weekday.MONDAY, time(8), time(18), date(2026, 1, 1)),
        (Weekday.WEDNESDAY, time(8), time(18), date(2026, 1, 1)),
    ]


def test_a_synthea_patient_with_a_phone_and_no_email(roster_of):
    roster = roster_of(files())
    one = roster.patients[0]
    assert (one.given_name, one.family_name, one.language, one.zone) == (
        "Zenobia",
        "Quillfeather",
        "en",
        "Europe/Berlin",
    )
    assert (one.email, one.phone) == (None, ContactPoint(value="+15552828307"))
    assert one.external_ids == (ExternalId(SYNTHEA, "pat-1"),)  # not the social security number
    assert roster.notices == ("left out as no part of a roster: 1 Encounter",)


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": f"Organization?identifier={SYNTHEA}|org-1"},
        {"reference": f"Organization?identifier={SYNTHEA.replace(':', '%3A')}%7Corg-1"},
        {"reference": "Organization/org-1"},
        {"reference": "Organization/org-1/_history/3"},
        {"reference": "urn:uuid:org-1"},
        by_identifier(SYNTHEA, "org-1"),
    ],
    ids=["conditional", "percent-encoded", "relative", "versioned", "urn", "identifier"],
)
def test_every_form_of_reference(roster_of, reference):
    roster = roster_of(files(patient(managingOrganization=reference)))
    assert roster.patients[0].clinic == ExternalId(SYNTHEA, "loc-1")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"reference": "Organization/gone"}, "points at no Organization in the files; add the bundle that holds it"),
        ({"reference": "Location/loc-1"}, "points at a resource of type Location, where Organization is meant"),
        ({"display": "somewhere"}, "has neither a reference nor an identifier"),
        ({"reference": 7}, "has neither a reference nor an identifier"),
    ],
)
def test_references_that_lead_nowhere(faults_of, reference, message):
    listed = faults_of(files(patient(managingOrganization=reference)))
    assert any(f"entry[0].resource.managingOrganization: {message}" in line for line in listed)


def test_contact_points_go_by_rank_and_use(roster_of):
    dates = [
        {"url": f"{KAT}/StructureDefinition/contact-consent", "valueDate": "2025-01-15"},
        {"url": f"{KAT}/StructureDefinition/contact-verified", "valueDate": "2025-01-16"},
    ]
    telecom = [
        {"system": "phone", "use": "old", "rank": 1, "value": "+12125550101"},
        {"system": "phone", "use": "home", "value": "+12125550102"},
        {"system": "phone", "use": "mobile", "value": "+12125550103"},
        {"system": "email", "use": "home", "rank": 2, "value": "second@example.org"},
        {"system": "email", "use": "work", "rank": 1, "value": "first@example.org", "extension": dates},
    ]
    one = roster_of(files(patient(telecom=telecom))).patients[0]
    assert one.phone == ContactPoint(value="+12125550103")
    assert one.email == ContactPoint(
        value="first@example.org", consented_on=date(2025, 1, 15), verified_on=date(2025, 1, 16)
    )


def test_who_is_never_scheduled_is_left_out_with_a_notice(roster_of):
    roster = roster_of(
        files(
            patient(1),
            patient(2, deceasedDateTime="2024-08-19T04:12:00-07:00"),
            patient(3, deceasedBoolean=True),
            patient(4, active=False),
            patient(5, deceasedBoolean=False),
        )
    )
    assert [one.external_ids[0].value for one in roster.patients] == ["pat-1", "pat-5"]
    assert roster.notices[1:] == (
        "left out 1 patient(s) marked inactive",
        "left out 2 patient(s) recorded as deceased",
    )


def test_a_language_without_messages_falls_back_to_english_with_a_notice(roster_of):
    roster = roster_of(files(patient(communication=[{"language": {"coding": [{"code": "zh"}]}}])))
    assert roster.patients[0].language == "en"
    assert roster.notices[-1] == "a-patient.json entry[0].resource: no language of messages; English is used"


def test_resources_repeated_in_several_bundles_count_once(roster_of):
    expected = roster_of(files())
    repeated = files() | {"d-again.json": bundle(*hospital(), *staff(), patient(), kind="collection")}
    repeated["d-again.json"]["entry"][4]["resource"]["id"] = "role-of-another-export"
    assert roster_of(repeated) == expected


def test_a_patient_told_in_two_ways_is_a_fault(faults_of):
    twice = files() | {"d-again.json": bundle(patient(birthDate="1982-02-15"))}
    assert faults_of(twice) == [
        "d-again.json entry[0].resource: differs from the same patient at a-patient.json; keep one of the two"
    ]


def test_locations_and_practitioners_of_others_are_left_out(roster_of):
    elsewhere, practice = deepcopy(hospital()[1]), deepcopy(staff())
    elsewhere |= {"id": "loc-2", "identifier": [{"system": SYNTHEA, "value": "loc-2"}], "extension": []}
    practice[0] |= {"id": "prac-2", "identifier": [{"system": NPI, "value": "9999900202"}], "qualification": []}
    practice[1] |= {
        "id": "role-2",
        "practitioner": by_identifier(NPI, "9999900202"),
        "location": [by_identifier(SYNTHEA, "loc-2")],
    }
    roster = roster_of(files() | {"d-other.json": bundle(elsewhere, *practice)})
    assert (len(roster.clinics), len(roster.practitioners)) == (1, 1)
    assert roster.notices[1:] == (
        "left out 1 Location(s) without a time zone, inactive, or rooms of these",
        "left out 1 Practitioner(s) without an active role at a clinic of the roster",
    )


def test_synthea_patients_go_with_a_csv_roster_of_one_clinic(roster_of, csv_files):
    roster = roster_of(csv_files | {"patient.json": bundle(patient(), encounter())})
    assert (roster.patients[-1].clinic.value, roster.patients[-1].zone) == ("mill", "America/New_York")


def test_every_fault_of_broken_bundles_is_listed_at_once(faults_of):
    broken = files(
        patient(1, birthDate="1982-02-30", name=[{"use": "maiden", "family": "Ostrander"}], identifier=[]),
        patient(2, birthDate="1982", telecom=[{"system": "phone", "value": "12"}, {"system": "email", "value": "x"}]),
        patient(3, birthDate=None, active="yes", name=[{"family": 3, "given": []}]),
    )
    location = broken["c-hospital.json"]["entry"][1]["resource"]
    location["extension"][0]["valueCode"] = "Mars/Base"
    location["hoursOfOperation"][0] |= {"allDay": True}
    del location["alias"]
    role = broken["b-practitioner.json"]["entry"][1]["resource"]
    role["availableTime"][0] |= {"daysOfWeek": ["mon", "someday"], "availableEndTime": "07:00:00"}
    role["extension"][0]["valueUnsignedInt"] = 99
    broken["b-practitioner.json"]["entry"][0]["resource"]["qualification"] = [{"code": {"text": "MD"}}]
    broken |= {
        "d-syntax.json": '{"resourceType": "Bundle",\n "type": }',
        "e-single.json": patient(9),
        "f-history.json": {"resourceType": "Bundle", "type": "history", "entry": []},
        "g-list.json": "[]",
        "h-entries.json": {"resourceType": "Bundle", "type": "batch", "entry": [{}, 7, {"resource": {"id": "x"}}]},
    }
    listed = faults_of(broken)
    assert listed == EVERY_FAULT.strip().splitlines()
    assert not any(private in "\n".join(listed) for private in ("1982", "Ostrander", "Zenobia", "pat-"))


EVERY_FAULT = """
a-patient.json entry[0].resource.birthDate: the value is not a day of the calendar; write YYYY-MM-DD
a-patient.json entry[0].resource.identifier: needs an identifier with a system and a value
a-patient.json entry[0].resource.name: needs an official or a usual name
a-patient.json entry[1].resource.birthDate: the value is not a date; write YYYY-MM-DD
a-patient.json entry[1].resource.telecom[0].value: the value is not a phone number; write the international form, such as +12125550123
a-patient.json entry[1].resource.telecom[1].value: the value is not an e-mail address; write one such as name@example.org
a-patient.json entry[2].resource.active: must be true or false
a-patient.json entry[2].resource.birthDate: is missing
a-patient.json entry[2].resource.name[0].family: must be a string
a-patient.json entry[2].resource.name[0].given: is missing
b-practitioner.json entry[0].resource.qualification: needs a code of http://terminology.hl7.org/CodeSystem/v2-0360, such as MD, NP or RN
b-practitioner.json entry[1].resource.availableTime[0].availableEndTime: is not after availableStartTime; sessions do not run past midnight
b-practitioner.json entry[1].resource.availableTime[0].daysOfWeek[1]: 'someday' is not a weekday; write monday, tuesday, … or mon, tue, …
b-practitioner.json entry[1].resource.extension[0].valueUnsignedInt: '99' is not a number of sessions; write 0 to 20
c-hospital.json entry[1].resource.alias: is missing; give the short neutral name for messages as the first alias
c-hospital.json entry[1].resource.extension[0].valueCode: 'Mars/Base' is not an IANA time zone; write one such as America/New_York
c-hospital.json entry[1].resource.hoursOfOperation[0].allDay: is not supported; give openingTime and closingTime
d-syntax.json line 2 column 10: is not JSON: Expecting value
e-single.json resourceType: must be 'Bundle'
f-history.json type: must be one of: transaction, batch, collection
g-list.json resourceType: must be 'Bundle'
h-entries.json entry[0].resource: is missing
h-entries.json entry[1]: must be an object
h-entries.json entry[1].resource: is missing
h-entries.json entry[2].resource.resourceType: is missing
"""  # noqa: E501 - the messages as the user sees them
