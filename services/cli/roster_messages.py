"""A roster as the requests that take it in."""

from collections.abc import Callable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from google.type.dayofweek_pb2 import DayOfWeek

from kat.common.v1.common_pb2 import Identifier
from kat.notifications.v1 import notifications_pb2 as notifications
from kat.scheduler.v1 import roster_pb2 as scheduler
from services.cli.roster import ContactPoint, ExternalId, OpeningHours, Patient, Practitioner, Roster, Shift
from services.runtime.fields import date_message, time_message, timestamp
from services.runtime.identifiers import new_id

CONSENT_SOURCE = "roster import"


def roster_request(roster: Roster, *, validate_only: bool) -> scheduler.ImportRosterRequest:
    """Return what the scheduler takes in: everything but names and contact data."""
    return scheduler.ImportRosterRequest(
        request_id=str(new_id()),
        validate_only=validate_only,
        clinics=[
            scheduler.Clinic(
                identifier=_identifier(clinic.external_id),
                title=clinic.name,
                time_zone=clinic.zone,
                opening_hours=[_hours(hours) for hours in clinic.opening_hours],
            )
            for clinic in roster.clinics
        ],
        rooms=[
            scheduler.Room(identifier=_identifier(room.external_id), clinic=_reference(room.clinic), title=room.name)
            for room in roster.rooms
        ],
        practitioners=[_practitioner(practitioner) for practitioner in roster.practitioners],
        shifts=[_shift(shift) for shift in roster.shifts],
        patients=[
            scheduler.Patient(
                identifier=_identifier(patient.external_ids[0]),
                time_zone=patient.zone,
                birth_date=date_message(patient.birth_date),
                clinic=_reference(patient.clinic),
            )
            for patient in roster.patients
        ],
    )


def recipients_request(
    roster: Roster,
    *,
    validate_only: bool,
    patient_name: Callable[[int], str],
    clinic_name: Callable[[int], str],
) -> notifications.ImportRecipientsRequest:
    """Return what notifications take in: how to reach people, and how clinics name themselves.

    Args:
        roster: the roster.
        validate_only: check and write nothing.
        patient_name: the "patients/…" of the patient at an index of the roster.
        clinic_name: the "clinics/…" of the clinic at an index of the roster.
    """
    return notifications.ImportRecipientsRequest(
        request_id=str(new_id()),
        validate_only=validate_only,
        recipients=[
            _recipient(patient, patient_name(index).removeprefix("patients/"))
            for index, patient in enumerate(roster.patients)
        ],
        sender_profiles=[
            notifications.SenderProfile(
                name=f"senderProfiles/{clinic_name(index).removeprefix('clinics/')}",
                short_name=clinic.short_name,
                phone=clinic.phone,
            )
            for index, clinic in enumerate(roster.clinics)
        ],
    )


def _identifier(external_id: ExternalId) -> Identifier:
    return Identifier(system=external_id.system, value=external_id.value)


def _reference(external_id: ExternalId) -> str:
    return f"identifiers/{external_id.system}|{external_id.value}"


def _hours(hours: OpeningHours) -> scheduler.OpeningHours:
    return scheduler.OpeningHours(
        day_of_week=DayOfWeek.Name(int(hours.weekday)),
        open_time=time_message(hours.opens),
        close_time=time_message(hours.closes),
    )


def _practitioner(practitioner: Practitioner) -> scheduler.Practitioner:
    message = scheduler.Practitioner(
        identifier=_identifier(practitioner.external_ids[0]),
        printed_name=practitioner.name,
        credential=practitioner.credential,
        supervision_ratio=practitioner.supervision_ratio,
        protocol_codes=practitioner.protocols,
        subject=subject_of(practitioner),
    )
    if practitioner.credential_expires is not None:
        message.credential_expire_date.CopyFrom(date_message(practitioner.credential_expires))
    return message


def subject_of(practitioner: Practitioner) -> str:
    """Return the `sub` by which a practitioner signs in: their main identifier, as "system|value"."""
    return f"{practitioner.external_ids[0].system}|{practitioner.external_ids[0].value}"


def _shift(shift: Shift) -> scheduler.Shift:
    message = scheduler.Shift(
        practitioner=_reference(shift.practitioner),
        clinic=_reference(shift.clinic),
        day_of_week=DayOfWeek.Name(int(shift.weekday)),
        start_time=time_message(shift.start),
        end_time=time_message(shift.end),
    )
    if shift.valid_from is not None:
        message.effective_start_date.CopyFrom(date_message(shift.valid_from))
    if shift.valid_until is not None:
        message.effective_end_date.CopyFrom(date_message(shift.valid_until))
    return message


def _recipient(patient: Patient, identifier: str) -> notifications.Recipient:
    points = [
        (channel, point)
        for channel, point in (
            (notifications.CHANNEL_EMAIL, patient.email),
            (notifications.CHANNEL_SMS, patient.phone),
        )
        if point is not None
    ]
    return notifications.Recipient(
        name=f"recipients/{identifier}",
        display_name=patient.given_name,
        language_code=patient.language,
        time_zone=patient.zone,
        contact_points=[_contact_point(channel, point, patient.zone) for channel, point in points],
        consents=[consent for channel, point in points for consent in _consents(channel, point, patient.zone)],
    )


def _contact_point(
    channel: notifications.Channel.ValueType, point: ContactPoint, zone: str
) -> notifications.ContactPoint:
    message = notifications.ContactPoint(channel=channel, value=point.value)
    if point.verified_on is not None:
        message.verify_time.CopyFrom(timestamp(_start_of(point.verified_on, zone)))
    return message


def _consents(channel: notifications.Channel.ValueType, point: ContactPoint, zone: str) -> list[notifications.Consent]:
    if point.consented_on is None:
        return []
    return [
        notifications.Consent(
            channel=channel,
            purpose=purpose,
            granted=True,
            source=CONSENT_SOURCE,
            decision_time=timestamp(_start_of(point.consented_on, zone)),
        )
        for purpose in (notifications.CONSENT_PURPOSE_APPOINTMENTS, notifications.CONSENT_PURPOSE_AFTERCARE)
    ]


def _start_of(day: date, zone: str) -> datetime:
    # A roster knows the day alone; its first moment is never in the future.
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone))
