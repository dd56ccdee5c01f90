"""Requests are read with every fault named at once, by the path of the contract."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.timeofday_pb2 import TimeOfDay

from kat.events.v1.events_pb2 import DoseAdministered, PatientDischarged
from kat.scheduler.v1 import course_pb2, session_pb2
from services.runtime.errors import InvalidArgumentError
from services.runtime.identifiers import new_id
from services.scheduler.convert import course, events, series, session, slots
from services.scheduler.convert.common import interval_message
from services.scheduler.domain.blockers import Blocker, BlockerCode
from services.scheduler.domain.course import Contraindication
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.session import SessionState


def paths(read, request) -> set[str]:
    with pytest.raises(InvalidArgumentError) as faulty:
        read(request)
    return {fault.path for fault in faulty.value.violations}


def arrival(**changes) -> session_pb2.LocalTime:
    fields = {"date": Date(year=2026, month=3, day=3), "time": TimeOfDay(hours=9, minutes=30)}
    return session_pb2.LocalTime(**(fields | changes))


def booking(**changes) -> session_pb2.Booking:
    return session_pb2.Booking(
        **({"course": f"courses/{new_id()}", "room": f"rooms/{new_id()}", "arrival": arrival()} | changes)
    )


def test_a_booking_is_read() -> None:
    read = session.booking(booking(arrival=arrival(utc_offset="-05:30")))
    assert (read.arrival.date, read.arrival.time) == (date(2026, 3, 3), time(9, 30))
    assert read.arrival.utc_offset == timedelta(hours=-5, minutes=-30)
    assert read.supervisor_id is None


def test_every_fault_of_a_booking_is_named() -> None:
    faulty = session_pb2.Booking(
        course="course/1",
        room="",
        supervisor="rooms/1",
        arrival=arrival(date=Date(year=2026, month=2, day=30), time=TimeOfDay(hours=25), utc_offset="east"),
    )
    assert paths(session.booking, faulty) == {
        "booking.course",
        "booking.room",
        "booking.supervisor",
        "booking.arrival.date",
        "booking.arrival.time",
        "booking.arrival.utc_offset",
    }
    assert paths(session.booking, booking(arrival=None)) == {"booking.arrival.date", "booking.arrival.time"}


@pytest.mark.parametrize("year", [1, 1999, 2200, 9999])
def test_dates_that_nobody_plans_in_are_refused(year) -> None:
    far = booking(arrival=arrival(date=Date(year=year, month=1, day=1)))
    assert paths(session.booking, far) == {"booking.arrival.date"}


def test_seconds_are_refused_where_minutes_count() -> None:
    odd = booking(arrival=arrival(time=TimeOfDay(hours=9, seconds=1)))
    assert paths(session.booking, odd) == {"booking.arrival.time"}


def test_every_fault_of_a_series_is_named() -> None:
    request = session_pb2.BookSeriesRequest(first=booking(room="x"), interval_weeks=9, count=0)
    assert paths(series.series, request) == {"first.room", "interval_weeks", "count"}


def test_changes_need_name_etag_and_reason() -> None:
    assert paths(session.reasoned, session_pb2.CancelSessionRequest(reason=" ")) == {"name", "etag", "reason"}
    assert paths(session.change, session_pb2.ConfirmSessionRequest()) == {"name", "etag"}
    request = session_pb2.RescheduleSessionRequest(room="x", supervisor="y")
    assert paths(session.reschedule, request) == {
        "name",
        "etag",
        "arrival.date",
        "arrival.time",
        "room",
        "supervisor",
    }


def test_every_fault_of_a_filter_is_named() -> None:
    request = session_pb2.ListSessionsRequest(
        patient="x", course="y", clinic="z", states=[0, 99], start_time=Timestamp(seconds=-62_135_596_800)
    )
    assert paths(session.session_filter, request) == {
        "patient",
        "course",
        "clinic",
        "states[0]",
        "states[1]",
        "start_time",
    }


def test_every_state_and_blocker_has_its_number() -> None:
    numbers = {session_pb2.Session.State.Value(f"STATE_{state.name}") for state in SessionState}
    assert numbers == set(session_pb2.Session.State.values()) - {0}
    message = session.blockers_message([Blocker(code, "text", (new_id(),), date(2026, 3, 3)) for code in BlockerCode])
    assert {blocker.code for blocker in message.blockers} == set(session_pb2.BlockerCode.values()) - {0}
    assert {one.name for one in Contraindication} == {
        name.removeprefix("CONTRAINDICATION_") for name in course_pb2.Contraindication.keys()[1:]
    }


def test_a_search_names_its_faults() -> None:
    request = session_pb2.FindSlotsRequest(
        start_date=Date(year=2026, month=3, day=3),
        end_date=Date(year=2026, month=3, day=2),
        earliest_time=TimeOfDay(hours=12),
        latest_time=TimeOfDay(hours=11),
    )
    assert paths(slots.slot_question, request) == {"course", "clinics", "end_date", "latest_time"}


def test_a_search_has_the_dates_of_the_wanted_weekdays() -> None:
    clinic = f"clinics/{new_id()}"
    request = session_pb2.FindSlotsRequest(
        course=f"courses/{new_id()}",
        clinics=[clinic, clinic],
        start_date=Date(year=2026, month=3, day=1),
        end_date=Date(year=2026, month=3, day=15),
        days_of_week=[1, 7],
    )
    question = slots.slot_question(request)
    assert [day.day for day in question.dates] == [1, 2, 8, 9, 15]
    assert len(question.clinic_ids) == 1
    assert question.size == 20


def test_declining_needs_a_reason() -> None:
    decision = course_pb2.ReviewScreeningRequest
    assert paths(course.review_screening, decision(decision=decision.DECISION_DECLINE)) == {"name", "etag", "reason"}
    assert paths(course.review_screening, decision(reason="x" * 2_001)) == {"name", "etag", "decision", "reason"}


def test_an_interval_is_written_on_the_clinics_clock() -> None:
    start = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    message = interval_message(Interval(start, start + timedelta(hours=1)), "America/New_York")
    assert message.local_start_time == "2026-11-01T01:30:00-05:00"
    assert message.time_zone == "America/New_York"


def test_malformed_facts_are_named() -> None:
    assert paths(events.dose_given, DoseAdministered()) == {"administration", "session", "start_time"}
    assert paths(events.departed, PatientDischarged()) == {"session"}
