"""Searches for slots from messages, and slots as messages."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from kat.scheduler.v1 import session_pb2
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.runtime.fields import Fields, date_message
from services.runtime.names import format_name
from services.runtime.paging import decode_token, encode_token, page_size
from services.scheduler.convert.common import calendar_date, interval_message
from services.scheduler.convert.roster import WEEKDAYS
from services.scheduler.domain.slots import DateWithoutSlot, Slot, SlotPosition
from services.scheduler.use_cases.slots import SlotAnswer, SlotQuestion

_DEFAULT_SLOTS, _MAXIMUM_SLOTS = 20, 200
_MAXIMUM_DAYS = 92
_MAXIMUM_CLINICS = 20


def slot_question(request: Any) -> SlotQuestion:
    """Read a search for slots.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    question = SlotQuestion(
        course_id=fields.name("course", request.course, "courses"),
        clinic_ids=_clinics(fields, request),
        dates=_dates(fields, request),
        earliest_time=fields.optional_time_of_day("earliest_time", request, "earliest_time"),
        latest_time=fields.optional_time_of_day("latest_time", request, "latest_time"),
        preferred_supervisor=fields.optional_name(
            "preferred_supervisor", request.preferred_supervisor, "practitioners"
        ),
        size=page_size(request.page_size, default=_DEFAULT_SLOTS, maximum=_MAXIMUM_SLOTS),
        after=_position(decode_token(request)),
    )
    if (question.latest_time or time.max) < (question.earliest_time or time.min):
        fields.fault("latest_time", "write a time that is not before earliest_time")
    fields.check()
    return question


def slots_message(request: session_pb2.FindSlotsRequest, answer: SlotAnswer) -> session_pb2.FindSlotsResponse:
    """Return a page of slots, and the dates without one."""
    last = answer.next_position
    position = (str(int(last.preferred)), last.start_time.isoformat(), str(last.clinic_id)) if last else ()
    return session_pb2.FindSlotsResponse(
        slots=[slot_message(slot) for slot in answer.slots],
        dates_without_slot=[_date_message(one) for one in answer.dates_without_slot],
        next_page_token=encode_token(request, *position) if position else "",
    )


def _clinics(fields: Fields, request: session_pb2.FindSlotsRequest) -> tuple[UUID, ...]:
    if not 1 <= len(request.clinics) <= _MAXIMUM_CLINICS:
        fields.fault("clinics", f"write 1 to {_MAXIMUM_CLINICS} clinics")
    names = (fields.name(f"clinics[{n}]", name, "clinics") for n, name in enumerate(request.clinics))
    return tuple(dict.fromkeys(names))


def _dates(fields: Fields, request: session_pb2.FindSlotsRequest) -> tuple[date, ...]:
    first = calendar_date(fields, "start_date", request, "start_date")
    last = calendar_date(fields, "end_date", request, "end_date")
    weekdays = {
        fields.enum(f"days_of_week[{n}]", value, WEEKDAYS) for n, value in enumerate(request.days_of_week)
    } or set(WEEKDAYS)
    days = (last - first).days
    if not 0 <= days <= _MAXIMUM_DAYS:
        fields.fault("end_date", f"write a date from start_date to {_MAXIMUM_DAYS} days after it")
        return ()
    dates = (first + timedelta(days=n) for n in range(days + 1))
    return tuple(day for day in dates if day.isoweekday() in weekdays)


def _position(token: tuple[str, ...] | None) -> SlotPosition | None:
    if token is None:
        return None
    try:
        preferred, start, clinic = token
        return SlotPosition(preferred == "1", datetime.fromisoformat(start).astimezone(UTC), UUID(clinic))
    except ValueError:
        fault = "send the next_page_token of the page before, or nothing"
        raise InvalidArgumentError([FieldViolation("page_token", fault)]) from None


def slot_message(slot: Slot) -> session_pb2.Slot:
    """Return a slot."""
    return session_pb2.Slot(
        clinic=format_name("clinics", slot.clinic_id),
        room=format_name("rooms", slot.room_id),
        supervisor=format_name("practitioners", slot.supervisor_id),
        interval=interval_message(slot.interval, slot.time_zone),
    )


def _date_message(without: DateWithoutSlot) -> session_pb2.DateWithoutSlot:
    return session_pb2.DateWithoutSlot(
        clinic=format_name("clinics", without.clinic_id),
        date=date_message(without.date),
        codes=[session_pb2.BlockerCode.Value(f"BLOCKER_CODE_{code}") for code in without.codes],
    )
