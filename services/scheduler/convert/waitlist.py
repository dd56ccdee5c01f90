"""The waiting list from and as messages."""

from datetime import timedelta
from typing import Any

from google.type.dayofweek_pb2 import DayOfWeek

from kat.scheduler.v1 import waitlist_pb2
from services.runtime.fields import Fields, date_message, time_message, timestamp
from services.runtime.names import format_name
from services.scheduler.convert.common import next_token
from services.scheduler.convert.slots import wishes
from services.scheduler.domain.waitlist import WaitlistEntry, WaitlistState, Wish
from services.scheduler.ports.paging import Listing
from services.scheduler.ports.waitlist import WaitlistFilter
from services.scheduler.use_cases.waitlist import EntryChange

_DEFAULT_NOTICE_MINUTES = 120
_MAXIMUM_NOTICE_MINUTES = 20_160
_STATES: dict[int, WaitlistState] = {
    waitlist_pb2.WaitlistEntry.State.Value(f"STATE_{state.name}"): state for state in WaitlistState
}


def wish(request: waitlist_pb2.JoinWaitlistRequest) -> Wish:
    """Read what suits a course.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields, message = Fields(), request.waitlist_entry
    notice = fields.integer("waitlist_entry.notice_minutes", message.notice_minutes, 0, _MAXIMUM_NOTICE_MINUTES)
    read = Wish(
        course_id=fields.name("waitlist_entry.course", message.course, "courses"),
        suits=wishes(fields, "waitlist_entry.", message),
        notice=timedelta(minutes=notice or _DEFAULT_NOTICE_MINUTES),
    )
    fields.check()
    return read


def entry_change(request: Any) -> EntryChange:
    """Read which entry is to be changed.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    read = EntryChange(
        fields.name("name", request.name, "waitlistEntries"), fields.text("etag", request.etag, maximum=100)
    )
    fields.check()
    return read


def waitlist_filter(request: waitlist_pb2.ListWaitlistEntriesRequest) -> WaitlistFilter:
    """Read which entries are asked for.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    wanted = WaitlistFilter(
        clinic_id=fields.optional_name("clinic", request.clinic, "clinics"),
        course_id=fields.optional_name("course", request.course, "courses"),
        states=tuple(fields.enum(f"states[{n}]", state, _STATES) for n, state in enumerate(request.states)),
    )
    fields.check()
    return wanted


def entry_message(entry: WaitlistEntry) -> waitlist_pb2.WaitlistEntry:
    """Return an entry."""
    suits = entry.wish.suits
    return waitlist_pb2.WaitlistEntry(
        name=entry.name,
        course=format_name("courses", entry.wish.course_id),
        patient=format_name("patients", entry.patient_id),
        clinics=[format_name("clinics", clinic_id) for clinic_id in suits.clinic_ids],
        start_date=date_message(suits.start_date),
        end_date=date_message(suits.end_date),
        days_of_week=[DayOfWeek.ValueType(weekday) for weekday in suits.weekdays],
        earliest_time=time_message(suits.earliest_time) if suits.earliest_time else None,
        latest_time=time_message(suits.latest_time) if suits.latest_time else None,
        preferred_supervisor=(
            format_name("practitioners", suits.preferred_supervisor) if suits.preferred_supervisor else ""
        ),
        notice_minutes=entry.wish.notice // timedelta(minutes=1),
        state=waitlist_pb2.WaitlistEntry.State.Value(f"STATE_{entry.state.name}"),
        offered_session=format_name("sessions", entry.offered_session_id) if entry.offered_session_id else "",
        offer_expire_time=timestamp(entry.offer_expire_time) if entry.offer_expire_time else None,
        etag=entry.etag,
        create_time=timestamp(entry.create_time),
    )


def entries_message(
    request: waitlist_pb2.ListWaitlistEntriesRequest, listing: Listing[WaitlistEntry]
) -> waitlist_pb2.ListWaitlistEntriesResponse:
    """Return a page of entries."""
    return waitlist_pb2.ListWaitlistEntriesResponse(
        waitlist_entries=[entry_message(entry) for entry in listing.items],
        next_page_token=next_token(request, listing),
    )
