"""Bookings from messages, and sessions as messages."""

from collections.abc import Iterable
from typing import Any

from kat.scheduler.v1 import session_pb2
from services.runtime.fields import Fields, date_message, timestamp
from services.runtime.names import format_name
from services.scheduler.convert.common import interval_message, local_time, next_token, optional_instant
from services.scheduler.domain.blockers import Blocker
from services.scheduler.domain.session import Session, SessionState, Supervision
from services.scheduler.ports.paging import Listing
from services.scheduler.ports.sessions import SessionFilter
from services.scheduler.use_cases.booking import Booking
from services.scheduler.use_cases.holding import HeldBooking
from services.scheduler.use_cases.rescheduling import Reschedule
from services.scheduler.use_cases.sessions import SessionChange

_STATES: dict[int, SessionState] = {
    session_pb2.Session.State.Value(f"STATE_{state.name}"): state for state in SessionState
}


def booking(message: session_pb2.Booking) -> Booking:
    """Read a booking.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    read = read_booking(fields, "booking", message)
    fields.check()
    return read


def held_or_new(request: session_pb2.BookSessionRequest) -> Booking | HeldBooking:
    """Read a booking, or which held session is to be booked.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    if request.HasField("booking") == bool(request.hold):
        fields.fault("booking", "send a booking or a hold, one of them")
        fields.check()
    read = (
        HeldBooking(
            fields.name("hold", request.hold, "sessions"),
            fields.text("etag", request.etag, maximum=100),
        )
        if request.hold
        else read_booking(fields, "booking", request.booking)
    )
    fields.check()
    return read


def reschedule(request: session_pb2.RescheduleSessionRequest | session_pb2.RescheduleSeriesRequest) -> Reschedule:
    """Read where a session is to be moved.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = Reschedule(
        session_id=fields.name("name", request.name, "sessions"),
        etag=fields.text("etag", request.etag, maximum=100),
        arrival=local_time(fields, "arrival", request, "arrival"),
        room_id=fields.optional_name("room", request.room, "rooms"),
        supervisor_id=fields.optional_name("supervisor", request.supervisor, "practitioners"),
    )
    fields.check()
    return command


def reasoned(request: Any) -> SessionChange:
    """Read which session is to be cancelled or withdrawn, and why.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    change = SessionChange(
        fields.name("name", request.name, "sessions"),
        fields.text("etag", request.etag, maximum=100),
        fields.text("reason", request.reason, maximum=500),
    )
    fields.check()
    return change


def change(request: Any) -> SessionChange:
    """Read which session is to be changed.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    read = SessionChange(fields.name("name", request.name, "sessions"), fields.text("etag", request.etag, maximum=100))
    fields.check()
    return read


def session_filter(request: session_pb2.ListSessionsRequest) -> SessionFilter:
    """Read which sessions are asked for.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    wanted = SessionFilter(
        patient_id=fields.optional_name("patient", request.patient, "patients"),
        course_id=fields.optional_name("course", request.course, "courses"),
        clinic_id=fields.optional_name("clinic", request.clinic, "clinics"),
        ends_after=optional_instant(fields, "start_time", request),
        starts_before=optional_instant(fields, "end_time", request),
        states=tuple(fields.enum(f"states[{n}]", state, _STATES) for n, state in enumerate(request.states)),
    )
    fields.check()
    return wanted


def session_message(session: Session) -> session_pb2.Session:
    """Return a session."""
    plan = session.plan
    return session_pb2.Session(
        name=format_name("sessions", session.session_id),
        patient=format_name("patients", session.patient_id),
        course=format_name("courses", session.course_id),
        protocol=format_name("protocols", session.protocol_id),
        clinic=format_name("clinics", session.clinic_id),
        room=format_name("rooms", session.room_id),
        interval=interval_message(plan.interval, session.time_zone),
        dose_time=timestamp(plan.dose_time),
        room_release_time=timestamp(plan.release_time),
        supervisions=[_supervision_message(one) for one in session.supervisions],
        ordinal=session.ordinal,
        state=session_pb2.Session.State.Value(f"STATE_{session.state.name}"),
        tentative=session.tentative,
        revision=session.revision,
        too_early=session.too_early,
        confirm_time=timestamp(session.confirm_time) if session.confirm_time else None,
        check_in_time=timestamp(session.check_in_time) if session.check_in_time else None,
        cancel_reason=session.cancel_reason,
        etag=session.etag,
        create_time=timestamp(session.create_time),
        update_time=timestamp(session.update_time),
        hold_expire_time=timestamp(session.hold_expire_time) if session.hold_expire_time else None,
    )


def sessions_message(
    request: session_pb2.ListSessionsRequest, listing: Listing[Session]
) -> session_pb2.ListSessionsResponse:
    """Return a page of sessions."""
    return session_pb2.ListSessionsResponse(
        sessions=[session_message(session) for session in listing.items], next_page_token=next_token(request, listing)
    )


def blockers_message(blockers: Iterable[Blocker]) -> session_pb2.ValidateBookingResponse:
    """Return what stands in the way of a booking."""
    return session_pb2.ValidateBookingResponse(blockers=[blocker_message(blocker) for blocker in blockers])


def read_booking(fields: Fields, path: str, message: session_pb2.Booking) -> Booking:
    """Read what is to be booked."""
    return Booking(
        course_id=fields.name(f"{path}.course", message.course, "courses"),
        room_id=fields.name(f"{path}.room", message.room, "rooms"),
        arrival=local_time(fields, f"{path}.arrival", message, "arrival"),
        supervisor_id=fields.optional_name(f"{path}.supervisor", message.supervisor, "practitioners"),
    )


def _supervision_message(supervision: Supervision) -> session_pb2.Supervision:
    return session_pb2.Supervision(
        practitioner=format_name("practitioners", supervision.practitioner_id),
        start_time=timestamp(supervision.interval.start),
        end_time=timestamp(supervision.interval.end),
    )


def blocker_message(blocker: Blocker) -> session_pb2.Blocker:
    """Return one thing that stands in the way."""
    return session_pb2.Blocker(
        code=session_pb2.BlockerCode.Value(f"BLOCKER_CODE_{blocker.code}"),
        description=blocker.description,
        sessions=[format_name("sessions", session_id) for session_id in blocker.sessions],
        earliest_date=date_message(blocker.earliest_date) if blocker.earliest_date else None,
    )
