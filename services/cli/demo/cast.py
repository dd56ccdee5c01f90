"""Who acts in the demo, and where: taken from the imported roster."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path

from kat.common.v1.common_pb2 import Identifier
from kat.common.v1.protocol_pb2 import Protocol
from kat.notifications.v1 import notifications_pb2
from kat.scheduler.v1 import course_pb2, roster_pb2
from services.cli.demo.account import Account
from services.cli.demo.stage import DemoError, Person, Stage
from services.cli.importing import import_roster
from services.cli.roster import Roster, read
from services.cli.roster_messages import subject_of
from services.runtime.fields import date_message, timestamp
from services.runtime.identifiers import new_id

PROTOCOL_CODE = "iv_racemic"
ROSTERS = ("riverside", "harbour")


@dataclass(frozen=True, slots=True)
class Cast:
    """The people and things of the day at one clinic."""

    clinic: roster_pb2.Clinic
    protocol: Protocol
    front_desk: Person
    supervisor: Person
    nurse: Person
    witness: Person
    pharmacist: Person
    auditor: Person


async def gather(stage: Stage, account: Account) -> Cast:
    """Import both shipped rosters, take the shipped protocols into use, and give everybody a token."""
    front_desk = stage.person("front-desk", "Front desk", "clinic_system")
    rosters: dict[str, Roster] = {}
    clinics: dict[str, roster_pb2.Clinic] = {}
    for name in ROSTERS:
        with resources.as_file(resources.files("services.cli") / "demo_data" / name) as folder:
            roster = rosters[name] = read([Path(folder)])
        imported = await import_roster(
            stage.channels["scheduler"], stage.channels["notifications"], front_desk.token, roster, dry_run=False
        )
        clinics[name] = imported.answer.clinics[0]
        kind = "CSV" if name == "riverside" else "FHIR R4 bundles"
        counts = f"{len(roster.rooms)} rooms, {len(roster.practitioners)} clinicians, {len(roster.patients)} patients"
        account.done(stage.now(), f"{clinics[name].title} imported from {kind}: {counts}, {clinics[name].time_zone}")
        for notice in roster.notices:
            account.detail(notice)
    protocols = await stage.call(
        stage.protocols.InstallDefaultProtocols, course_pb2.InstallDefaultProtocolsRequest(), front_desk
    )
    account.done(stage.now(), f"{len(protocols.protocols)} protocols in use, each limit with its source")
    protocol = next(each for each in protocols.protocols if each.code == PROTOCOL_CODE)
    return _cast(stage, clinics["riverside"], rosters["riverside"], protocol, front_desk)


def _cast(stage: Stage, clinic: roster_pb2.Clinic, roster: Roster, protocol: Protocol, front_desk: Person) -> Cast:
    supervisors = [each for each in roster.practitioners if each.may_supervise and PROTOCOL_CODE in each.protocols]
    others = [each for each in roster.practitioners if each not in supervisors[:1]]
    if not supervisors or len(others) < 2:  # noqa: PLR2004 - one gives the dose, the other is the witness
        raise DemoError("the demo's roster needs a supervisor and two more clinicians")
    lead, nurse, witness = supervisors[0], others[-1], others[0]
    return Cast(
        clinic=clinic,
        protocol=protocol,
        front_desk=front_desk,
        supervisor=stage.person(subject_of(lead), lead.name, "supervisor", credential=lead.credential),
        nurse=stage.person(subject_of(nurse), nurse.name, "clinician", credential=nurse.credential),
        witness=stage.person(subject_of(witness), witness.name, "clinician", credential=witness.credential),
        pharmacist=stage.person("pharmacist", "Pat Quill", "pharmacist", credential="PharmD"),
        auditor=stage.person("auditor", "Alex Reyes", "auditor"),
    )


async def new_patients(stage: Stage, cast: Cast, count: int) -> Sequence[roster_pb2.Patient]:
    """Return so many patients of the clinic without a course who can be written to; add some where too few are."""
    found: list[roster_pb2.Patient] = []
    listed = await stage.call(
        stage.roster.ListPatients,
        roster_pb2.ListPatientsRequest(clinic=cast.clinic.name, page_size=1000),
        cast.front_desk,
    )
    for patient in listed.patients:
        courses = await stage.call(
            stage.courses.ListCourses, course_pb2.ListCoursesRequest(patient=patient.name), cast.front_desk
        )
        if not courses.courses and await _can_be_written_to(stage, cast, patient):
            found.append(patient)
        if len(found) == count:
            return found
    return [*found, *[await _add_patient(stage, cast) for _ in range(count - len(found))]]


async def _can_be_written_to(stage: Stage, cast: Cast, patient: roster_pb2.Patient) -> bool:
    recipient = await stage.call(
        stage.recipients.GetRecipient,
        notifications_pb2.GetRecipientRequest(name=patient.name.replace("patients/", "recipients/")),
        cast.front_desk,
    )
    verified = any(
        point.channel == notifications_pb2.CHANNEL_EMAIL and point.HasField("verify_time")
        for point in recipient.contact_points
    )
    return verified and any(
        consent.channel == notifications_pb2.CHANNEL_EMAIL and consent.granted for consent in recipient.consents
    )


async def _add_patient(stage: Stage, cast: Cast) -> roster_pb2.Patient:
    """Add a patient by the RPCs that a clinic's system would use for one person."""
    imported = await stage.call(
        stage.roster.ImportRoster,
        roster_pb2.ImportRosterRequest(
            patients=[
                roster_pb2.Patient(
                    identifier=Identifier(system="https://kat.example/demo", value=str(new_id())),
                    time_zone=cast.clinic.time_zone,
                    birth_date=date_message(date(1984, 5, 17)),
                    clinic=f"identifiers/{cast.clinic.identifier.system}|{cast.clinic.identifier.value}",
                )
            ]
        ),
        cast.front_desk,
    )
    patient: roster_pb2.Patient = imported.patients[0]
    await _make_reachable(stage, cast, patient.name.replace("patients/", "recipients/"))
    return patient


async def _make_reachable(stage: Stage, cast: Cast, name: str) -> None:
    """Add a recipient with a verified e-mail address and consent for everything."""
    await stage.call(
        stage.recipients.UpsertRecipient,
        notifications_pb2.UpsertRecipientRequest(
            recipient=notifications_pb2.Recipient(
                name=name, display_name="Robin", language_code="en", time_zone=cast.clinic.time_zone
            )
        ),
        cast.front_desk,
    )
    point = notifications_pb2.ContactPoint(channel=notifications_pb2.CHANNEL_EMAIL, value="robin@example.org")
    recipient = await stage.call(
        stage.recipients.AddContactPoint,
        notifications_pb2.AddContactPointRequest(name=name, contact_point=point),
        cast.front_desk,
    )
    await stage.call(
        stage.recipients.VerifyContactPoint,
        notifications_pb2.VerifyContactPointRequest(name=recipient.contact_points[0].name),
        cast.front_desk,
    )
    for purpose in (
        notifications_pb2.CONSENT_PURPOSE_APPOINTMENTS,
        notifications_pb2.CONSENT_PURPOSE_AFTERCARE,
    ):
        consent = notifications_pb2.Consent(
            channel=notifications_pb2.CHANNEL_EMAIL,
            purpose=purpose,
            granted=True,
            source="intake form",
            decision_time=timestamp(stage.now()),
        )
        await stage.call(
            stage.recipients.RecordConsent,
            notifications_pb2.RecordConsentRequest(name=name, consent=consent),
            cast.front_desk,
        )
