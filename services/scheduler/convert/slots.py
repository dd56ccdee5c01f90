"""Searches for slots from messages, and slots as messages."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from kat.scheduler.v1 import session_pb2
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.runtime.fields import Fields, date_message
from services.runtime.names import format_name
from services.runtime.paging import decode_token, encode_token, page_size
from services.scheduler.convert.common import calendar_date, interval_message
from services.scheduler.convert.roster import WEEKDAYS
from services.scheduler.domain.slots import DateWithoutSlot, Slot, SlotPosition, Wishes
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
    course_id, suits = fields.name("course", request.course, "courses"), wishes(fields, "", request)
    question = SlotQuestion(
        course_id=course_id,
        clinic_ids=suits.clinic_ids,
        dates=suits.dates,
        earliest_time=suits.earliest_time,
        latest_time=suits.latest_time,
        preferred_supervisor=suits.preferred_supervisor,
        size=page_size(request.page_size, default=_DEFAULT_SLOTS, maximum=_MAXIMUM_SLOTS),
        after=_position(decode_token(request)),
    )
    fields.check()
    return question


def wishes(fields: Fields, path: str, message: Any) -> Wishes:
    """Read which clinics and times suit; `path` ends in a point where the message is a field of the request."""
    days = (fields.enum(f"{path}days_of_week[{n}]", value, WEEKDAYS) for n, value in enumerate(message.days_of_week))
    first, last = _span(fields, path, message)
    read = Wishes(
        clinic_ids=_clinics(fields, path, message),
        start_date=first,
        end_date=last,
        weekdays=tuple(sorted(set(days))),
        earliest_time=fields.optional_time_of_day(f"{path}earliest_time", message, "earliest_time"),
        latest_time=fields.optional_time_of_day(f"{path}latest_time", message, "latest_time"),
        preferred_supervisor=fields.optional_name(
            f"{path}preferred_supervisor", message.preferred_supervisor, "practitioners"
        ),
    )
    if (read.latest_time or time.max) < (read.earliest_time or time.min):
        fields.fault(f"{path}latest_time", "write a time that is not before earliest_time")
    return read


def slots_message(request: session_pb2.FindSlotsRequest, answer: SlotAnswer) -> session_pb2.FindSlotsResponse:
    """Return a page of slots, and the dates without one."""
    last = answer.next_position
    position = (str(int(last.preferred)), last.start_time.isoformat(), str(last.clinic_id)) if last else ()
    return session_pb2.FindSlotsResponse(
        slots=[slot_message(slot) for slot in answer.slots],
        dates_without_slot=[_date_message(one) for one in answer.dates_without_slot],
        next_page_token=encode_token(request, *position) if position else "",
    )


def _clinics(fields: Fields, path: str, message: Any) -> tuple[UUID, ...]:
    if not 1 <= len(message.clinics) <= _MAXIMUM_CLINICS:
        fields.fault(f"{path}clinics", f"write 1 to {_MAXIMUM_CLINICS} clinics")
    names = (fields.name(f"{path}clinics[{n}]", name, "clinics") for n, name in enumerate(message.clinics))
    return tuple(dict.fromkeys(names))


def _span(fields: Fields, path: str, message: Any) -> tuple[date, date]:
    first = calendar_date(fields, f"{path}start_date", message, "start_date")
    last = calendar_date(fields, f"{path}end_date", message, "end_date")
    if not 0 <= (last - first).days <= _MAXIMUM_DAYS:
        fields.fault(f"{path}end_date", f"write a date from start_date to {_MAXIMUM_DAYS} days after it")
        return first, first
    return first, last


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
