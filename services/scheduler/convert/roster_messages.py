"""What a roster holds as messages."""

from google.type.dayofweek_pb2 import DayOfWeek

from kat.scheduler.v1 import roster_pb2
from services.runtime.fields import date_message, time_message, timestamp
from services.runtime.names import etag_of, format_name
from services.scheduler.convert.common import identifier_message, next_token
from services.scheduler.domain.roster import Clinic, OpeningHours, Patient, Practitioner, Room, Shift
from services.scheduler.ports.paging import Listing
from services.scheduler.ports.roster import SavedRoster


def clinic_message(clinic: Clinic) -> roster_pb2.Clinic:
    """Return a clinic."""
    return roster_pb2.Clinic(
        name=format_name("clinics", clinic.clinic_id),
        identifier=identifier_message(clinic.identifier),
        title=clinic.title,
        time_zone=clinic.time_zone,
        opening_hours=[_hours_message(hours) for hours in clinic.opening_hours],
        etag=etag_of(clinic),
        create_time=timestamp(clinic.create_time),
    )


def _hours_message(hours: OpeningHours) -> roster_pb2.OpeningHours:
    return roster_pb2.OpeningHours(
        day_of_week=DayOfWeek.ValueType(hours.weekday),
        open_time=time_message(hours.open_time),
        close_time=time_message(hours.close_time),
    )


def room_message(room: Room) -> roster_pb2.Room:
    """Return a room."""
    return roster_pb2.Room(
        name=format_name("rooms", room.room_id),
        identifier=identifier_message(room.identifier),
        clinic=format_name("clinics", room.clinic_id),
        title=room.title,
        etag=etag_of(room),
        create_time=timestamp(room.create_time),
    )


def practitioner_message(practitioner: Practitioner) -> roster_pb2.Practitioner:
    """Return a practitioner."""
    expires, leaves = practitioner.credential_expire_date, practitioner.leave_date
    return roster_pb2.Practitioner(
        name=format_name("practitioners", practitioner.practitioner_id),
        identifier=identifier_message(practitioner.identifier),
        printed_name=practitioner.printed_name,
        credential=practitioner.credential,
        credential_expire_date=date_message(expires) if expires else None,
        supervision_ratio=practitioner.supervision_ratio,
        protocol_codes=practitioner.protocol_codes,
        subject=practitioner.subject,
        etag=etag_of(practitioner),
        create_time=timestamp(practitioner.create_time),
        leave_date=date_message(leaves) if leaves else None,
    )


def shift_message(shift: Shift) -> roster_pb2.Shift:
    """Return a shift."""
    first, last = shift.effective_start_date, shift.effective_end_date
    return roster_pb2.Shift(
        name=format_name("shifts", shift.shift_id),
        practitioner=format_name("practitioners", shift.practitioner_id),
        clinic=format_name("clinics", shift.clinic_id),
        day_of_week=DayOfWeek.ValueType(shift.weekday),
        start_time=time_message(shift.start_time),
        end_time=time_message(shift.end_time),
        effective_start_date=date_message(first) if first else None,
        effective_end_date=date_message(last) if last else None,
        etag=etag_of(shift),
    )


def patient_message(patient: Patient) -> roster_pb2.Patient:
    """Return a patient."""
    return roster_pb2.Patient(
        name=format_name("patients", patient.patient_id),
        identifier=identifier_message(patient.identifier),
        time_zone=patient.time_zone,
        birth_date=date_message(patient.birth_date),
        clinic=format_name("clinics", patient.clinic_id) if patient.clinic_id else "",
        etag=etag_of(patient),
        create_time=timestamp(patient.create_time),
    )


def saved_message(saved: SavedRoster) -> roster_pb2.ImportRosterResponse:
    """Return what an import added or changed."""
    return roster_pb2.ImportRosterResponse(
        clinics=[clinic_message(one) for one in saved.clinics],
        rooms=[room_message(one) for one in saved.rooms],
        practitioners=[practitioner_message(one) for one in saved.practitioners],
        shifts=[shift_message(one) for one in saved.shifts],
        patients=[patient_message(one) for one in saved.patients],
    )


def checked_message(request: roster_pb2.ImportRosterRequest) -> roster_pb2.ImportRosterResponse:
    """Return what an import would add or change, without names."""
    checked = roster_pb2.ImportRosterResponse(
        clinics=request.clinics,
        rooms=request.rooms,
        practitioners=request.practitioners,
        shifts=request.shifts,
        patients=request.patients,
    )
    for kind in (checked.clinics, checked.rooms, checked.practitioners, checked.shifts, checked.patients):
        for resource in kind:
            resource.ClearField("name")
    return checked


def clinics_message(request: roster_pb2.ListClinicsRequest, listing: Listing[Clinic]) -> roster_pb2.ListClinicsResponse:
    """Return a page of clinics."""
    return roster_pb2.ListClinicsResponse(
        clinics=[clinic_message(one) for one in listing.items], next_page_token=next_token(request, listing)
    )


def rooms_message(request: roster_pb2.ListRoomsRequest, listing: Listing[Room]) -> roster_pb2.ListRoomsResponse:
    """Return a page of rooms."""
    return roster_pb2.ListRoomsResponse(
        rooms=[room_message(one) for one in listing.items], next_page_token=next_token(request, listing)
    )


def practitioners_message(
    request: roster_pb2.ListPractitionersRequest, listing: Listing[Practitioner]
) -> roster_pb2.ListPractitionersResponse:
    """Return a page of practitioners."""
    return roster_pb2.ListPractitionersResponse(
        practitioners=[practitioner_message(one) for one in listing.items],
        next_page_token=next_token(request, listing),
    )


def shifts_message(request: roster_pb2.ListShiftsRequest, listing: Listing[Shift]) -> roster_pb2.ListShiftsResponse:
    """Return a page of shifts."""
    return roster_pb2.ListShiftsResponse(
        shifts=[shift_message(one) for one in listing.items], next_page_token=next_token(request, listing)
    )


def patients_message(
    request: roster_pb2.ListPatientsRequest, listing: Listing[Patient]
) -> roster_pb2.ListPatientsResponse:
    """Return a page of patients."""
    return roster_pb2.ListPatientsResponse(
        patients=[patient_message(one) for one in listing.items], next_page_token=next_token(request, listing)
    )
