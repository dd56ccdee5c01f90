"""Closures, exceptions of shifts, departures and stranded sessions: from messages, and as messages."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from kat.scheduler.v1 import roster_pb2
from services.runtime.fields import Fields, date_message, time_message, timestamp
from services.runtime.names import etag_of, format_name
from services.runtime.paging import decode_token, page_size
from services.scheduler.convert.common import (
    calendar_date,
    interval_message,
    local_time,
    next_token,
    optional_instant,
)
from services.scheduler.convert.roster_messages import practitioner_message
from services.scheduler.domain.availability import Closure, ExceptionKind, ShiftException
from services.scheduler.domain.local_time import LocalTime
from services.scheduler.domain.slots import Slot
from services.scheduler.domain.stranded import NeededHandOver, StrandedSession
from services.scheduler.ports.availability import StrandedFilter
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.use_cases.availability import NewClosure, NewException
from services.scheduler.use_cases.departures import Departed, Departure, Reoffered

_DEFAULT_STRANDED, _MAXIMUM_STRANDED = 20, 50
_LONGEST_EXTRA = timedelta(days=7)
_LONGEST_CLOSURE = timedelta(days=731)
_KINDS: dict[int, ExceptionKind] = {
    roster_pb2.ShiftException.KIND_ABSENCE: ExceptionKind.ABSENCE,
    roster_pb2.ShiftException.KIND_EXTRA: ExceptionKind.EXTRA,
}


def closure(message: roster_pb2.Closure) -> NewClosure:
    """Read a closure to add.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    new = NewClosure(
        clinic_id=fields.name("closure.clinic", message.clinic, "clinics"),
        room_id=fields.optional_name("closure.room", message.room, "rooms"),
        start=local_time(fields, "closure.start", message, "start"),
        end=local_time(fields, "closure.end", message, "end"),
        reason=fields.text("closure.reason", message.reason, maximum=200),
    )
    _bound(fields, "closure.end", new.start, new.end, _LONGEST_CLOSURE)
    fields.check()
    return new


def shift_exception(message: roster_pb2.ShiftException) -> NewException:
    """Read an absence or an extra shift to add.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields, path = Fields(), "shift_exception"
    clinic_id = fields.optional_name(f"{path}.clinic", message.clinic, "clinics")
    kind = fields.enum(f"{path}.kind", message.kind, _KINDS)
    if kind is ExceptionKind.EXTRA and not message.clinic:
        fields.fault(f"{path}.clinic", "write the clinic of the extra shift")
    everywhere = kind is ExceptionKind.ABSENCE and not message.clinic
    new = NewException(
        practitioner_id=fields.name(f"{path}.practitioner", message.practitioner, "practitioners"),
        clinic_id=clinic_id,
        kind=kind,
        time_zone=fields.time_zone(f"{path}.time_zone", message.time_zone) if everywhere else "",
        start=local_time(fields, f"{path}.start", message, "start"),
        end=local_time(fields, f"{path}.end", message, "end"),
    )
    longest = _LONGEST_EXTRA if kind is ExceptionKind.EXTRA else _LONGEST_CLOSURE
    _bound(fields, f"{path}.end", new.start, new.end, longest)
    fields.check()
    return new


def _bound(fields: Fields, path: str, start: LocalTime, end: LocalTime, longest: timedelta) -> None:
    """Keep a range to a length that every later look at it can afford."""
    if end.date - start.date > longest:
        fields.fault(path, f"write a date at most {longest.days} days after the start; add another for what is longer")


def departure(request: roster_pb2.DepartPractitionerRequest) -> Departure:
    """Read who leaves, and when.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    read = Departure(
        practitioner_id=fields.name("name", request.name, "practitioners"),
        etag=fields.text("etag", request.etag, maximum=100),
        last_date=calendar_date(fields, "last_date", request, "last_date"),
    )
    fields.check()
    return read


def closure_filter(request: roster_pb2.ListClosuresRequest) -> tuple[UUID | None, datetime | None]:
    """Read which clinic's closures are asked for, and from when.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    found = (
        fields.optional_name("clinic", request.clinic, "clinics"),
        optional_instant(fields, "start_time", request),
    )
    fields.check()
    return found


def exception_filter(
    request: roster_pb2.ListShiftExceptionsRequest,
) -> tuple[UUID | None, UUID | None, datetime | None]:
    """Read whose exceptions are asked for, at which clinic, and from when.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    found = (
        fields.optional_name("practitioner", request.practitioner, "practitioners"),
        fields.optional_name("clinic", request.clinic, "clinics"),
        optional_instant(fields, "start_time", request),
    )
    fields.check()
    return found


def stranded_question(request: roster_pb2.ListStrandedSessionsRequest) -> tuple[StrandedFilter, Page]:
    """Read which stranded sessions are asked for.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    wanted = StrandedFilter(
        clinic_id=fields.optional_name("clinic", request.clinic, "clinics"),
        practitioner_id=fields.optional_name("practitioner", request.practitioner, "practitioners"),
    )
    fields.check()
    size = page_size(request.page_size, default=_DEFAULT_STRANDED, maximum=_MAXIMUM_STRANDED)
    return wanted, Page(size, decode_token(request))


def closure_message(one: Closure) -> roster_pb2.Closure:
    """Return a closure."""
    return roster_pb2.Closure(
        name=format_name("closures", one.closure_id),
        clinic=format_name("clinics", one.clinic_id),
        room=format_name("rooms", one.room_id) if one.room_id else "",
        start=_clock_time(one.interval.start, one.time_zone),
        end=_clock_time(one.interval.end, one.time_zone),
        reason=one.reason,
        time_zone=one.time_zone,
        etag=etag_of(one),
        create_time=timestamp(one.create_time),
    )


def exception_message(one: ShiftException) -> roster_pb2.ShiftException:
    """Return an absence or an extra shift."""
    return roster_pb2.ShiftException(
        name=format_name("shiftExceptions", one.shift_exception_id),
        practitioner=format_name("practitioners", one.practitioner_id),
        clinic=format_name("clinics", one.clinic_id) if one.clinic_id else "",
        kind=roster_pb2.ShiftException.Kind.Value(f"KIND_{one.kind.name}"),
        start=_clock_time(one.interval.start, one.time_zone),
        end=_clock_time(one.interval.end, one.time_zone),
        time_zone=one.time_zone,
        etag=etag_of(one),
        create_time=timestamp(one.create_time),
    )


def excepted_message(
    one: ShiftException, stranded: Iterable[StrandedSession]
) -> roster_pb2.CreateShiftExceptionResponse:
    """Return an absence or extra shift that was added, and the sessions that it strands."""
    return roster_pb2.CreateShiftExceptionResponse(
        shift_exception=exception_message(one), stranded_sessions=stranded_messages(stranded)
    )


def closed_message(
    one: Closure, stranded: Iterable[StrandedSession], *, validate_only: bool
) -> roster_pb2.CreateClosureResponse:
    """Return a closure that was, or would be, added, and the sessions that stand in it."""
    message = closure_message(one)
    if validate_only:
        message.ClearField("name")
    return roster_pb2.CreateClosureResponse(closure=message, stranded_sessions=stranded_messages(stranded))


def closures_message(
    request: roster_pb2.ListClosuresRequest, listing: Listing[Closure]
) -> roster_pb2.ListClosuresResponse:
    """Return a page of closures."""
    return roster_pb2.ListClosuresResponse(
        closures=[closure_message(one) for one in listing.items], next_page_token=next_token(request, listing)
    )


def exceptions_message(
    request: roster_pb2.ListShiftExceptionsRequest, listing: Listing[ShiftException]
) -> roster_pb2.ListShiftExceptionsResponse:
    """Return a page of absences and extra shifts."""
    return roster_pb2.ListShiftExceptionsResponse(
        shift_exceptions=[exception_message(one) for one in listing.items],
        next_page_token=next_token(request, listing),
    )


def stranded_page_message(
    request: roster_pb2.ListStrandedSessionsRequest, listing: Listing[StrandedSession]
) -> roster_pb2.ListStrandedSessionsResponse:
    """Return a page of stranded sessions."""
    return roster_pb2.ListStrandedSessionsResponse(
        stranded_sessions=stranded_messages(listing.items), next_page_token=next_token(request, listing)
    )


def stranded_messages(found: Iterable[StrandedSession]) -> list[roster_pb2.StrandedSession]:
    """Return stranded sessions."""
    return [
        roster_pb2.StrandedSession(
            session=format_name("sessions", one.session_id),
            patient=format_name("patients", one.patient_id),
            clinic=format_name("clinics", one.clinic_id),
            room=format_name("rooms", one.room_id),
            interval=interval_message(one.interval, one.time_zone),
            reasons=one.reasons,
            proposals=_proposals(one.proposals),
            hand_over=_hand_over(one.hand_over),
        )
        for one in found
    ]


def departed_message(departed: Departed) -> roster_pb2.DepartPractitionerResponse:
    """Return who leaves, and what becomes of their sessions."""
    return roster_pb2.DepartPractitionerResponse(
        practitioner=practitioner_message(departed.practitioner),
        sessions=[_reoffered_message(one) for one in departed.sessions],
    )


def _reoffered_message(one: Reoffered) -> roster_pb2.ReofferedSession:
    handed_over = one.supervisor_id is not None
    return roster_pb2.ReofferedSession(
        session=format_name("sessions", one.session.session_id),
        patient=format_name("patients", one.session.patient_id),
        clinic=format_name("clinics", one.session.clinic_id),
        interval=interval_message(one.session.plan.interval, one.session.time_zone),
        outcome=roster_pb2.ReofferedSession.Outcome.Value(f"OUTCOME_{'REASSIGNED' if handed_over else 'STRANDED'}"),
        supervisor=format_name("practitioners", one.supervisor_id) if one.supervisor_id else "",
        proposals=_proposals(one.proposals),
        hand_over=_hand_over(one.hand_over),
    )


def _hand_over(needed: NeededHandOver | None) -> roster_pb2.NeededHandOver | None:
    if needed is None:
        return None
    return roster_pb2.NeededHandOver(
        hand_over_time=timestamp(needed.hand_over_time),
        supervisor=format_name("practitioners", needed.supervisor_id) if needed.supervisor_id else "",
    )


def _proposals(slots: Iterable[Slot]) -> list[roster_pb2.ProposedMove]:
    return [
        roster_pb2.ProposedMove(
            room=format_name("rooms", slot.room_id),
            supervisor=format_name("practitioners", slot.supervisor_id),
            interval=interval_message(slot.interval, slot.time_zone),
        )
        for slot in slots
    ]


def _clock_time(instant: datetime, time_zone: str) -> roster_pb2.ClockTime:
    local: Any = instant.astimezone(ZoneInfo(time_zone))
    return roster_pb2.ClockTime(
        date=date_message(local.date()), time=time_message(local.time()), utc_offset=local.isoformat()[-6:]
    )
