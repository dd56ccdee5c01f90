"""Booking, moving and cancelling through the public calls, on a real PostgreSQL."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kat.scheduler.v1 import session_pb2
from services.runtime.errors import AbortedError, FailedPreconditionError, NotFoundError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.desk import Desk, booking, codes, instant

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
State = session_pb2.Session.State


async def one_course(desk: Desk, **clinic) -> tuple[str, str]:
    opened = await desk.open_clinic(**clinic)
    return await desk.active_course(opened.patients[0].name), opened.rooms[0].name


async def test_a_session_has_its_phases_in_the_clinics_zone(desk) -> None:
    course, room = await one_course(desk)
    session = await desk.book(course, room, TUESDAY, "15:00")
    assert session.interval.local_start_time == "2026-03-03T15:00:00-05:00"
    assert instant(session.dose_time) - instant(session.interval.start_time) == timedelta(minutes=30)
    assert instant(session.interval.end_time) - instant(session.dose_time) == timedelta(minutes=120)
    assert instant(session.room_release_time) - instant(session.interval.end_time) == timedelta(minutes=15)
    assert [one.start_time for one in session.supervisions] == [session.interval.start_time]
    assert [one.end_time for one in session.supervisions] == [session.interval.end_time]
    assert (session.ordinal, session.state, session.revision) == (1, State.STATE_BOOKED, 1)
    assert await desk.session(session.name) == session


async def test_calendar_days_count_not_hours(desk) -> None:
    course, room = await one_course(desk)
    await desk.book(course, room, TUESDAY, "15:00")
    # 162 hours later, over the day on which clocks are set forward.
    assert await desk.blockers(course, room, TUESDAY + timedelta(days=7), "09:00") == []
    six_days = await desk.blockers(course, room, TUESDAY + timedelta(days=6), "15:15")
    assert codes(six_days) == {"CADENCE"}
    assert (six_days[0].earliest_date.month, six_days[0].earliest_date.day) == (3, 10)


async def test_every_blocker_is_named_at_once_in_the_error_as_in_the_dry_run(desk) -> None:
    opened = await desk.open_clinic(patients=2, ratio=1)
    room = opened.rooms[0].name
    first = await desk.active_course(opened.patients[0].name)
    second = await desk.active_course(opened.patients[1].name)
    own = await desk.book(first, room, TUESDAY + timedelta(days=1))
    other = await desk.book(second, room, TUESDAY)
    listed = await desk.blockers(first, room, TUESDAY, "09:30")
    assert codes(listed) == {"CADENCE", "ROOM_BUSY", "SUPERVISION_RATIO"}
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.book(first, room, TUESDAY, "09:30")
    named = {(blocker.code, blocker.subject) for blocker in refused.value.blockers}
    assert named == {("CADENCE", own.name), ("ROOM_BUSY", other.name), ("SUPERVISION_RATIO", other.name)}
    assert "2026-03-11" in refused.value.message


async def test_turnover_keeps_the_room(desk) -> None:
    opened = await desk.open_clinic(patients=2)
    room = opened.rooms[0].name
    await desk.book(await desk.active_course(opened.patients[0].name), room, TUESDAY, "09:00")
    other = await desk.active_course(opened.patients[1].name)
    assert codes(await desk.blockers(other, room, TUESDAY, "11:30")) == {"ROOM_BUSY"}
    assert await desk.blockers(other, room, TUESDAY, "11:45") == []


async def test_hours_past_and_supervision(desk, clock) -> None:
    course, room = await one_course(desk, days=(2,))
    assert codes(await desk.blockers(course, room, TUESDAY, "07:45")) == {"OUTSIDE_HOURS", "NO_SUPERVISOR"}
    assert codes(await desk.blockers(course, room, TUESDAY, "15:45")) == {"OUTSIDE_HOURS", "NO_SUPERVISOR"}
    assert codes(await desk.blockers(course, room, TUESDAY, "23:00")) == {"OUTSIDE_HOURS", "NO_SUPERVISOR"}
    assert codes(await desk.blockers(course, room, date(2026, 3, 4))) == {"CLINIC_CLOSED", "NO_SUPERVISOR"}
    clock.set(datetime(2026, 3, 3, 15, tzinfo=UTC))
    assert codes(await desk.blockers(course, room, TUESDAY, "10:00")) == {"PAST"}
    assert await desk.blockers(course, room, TUESDAY, "10:01") == []


async def test_a_wanted_supervisor_is_taken_or_named_as_missing(desk) -> None:
    opened = await desk.open_clinic(supervisors=2)
    course, room = await desk.active_course(opened.patients[0].name), opened.rooms[0].name
    wanted = opened.practitioners[1].name
    session = await desk.book(course, room, TUESDAY, supervisor=wanted)
    assert session.supervisions[0].practitioner == wanted
    unknown = f"practitioners/{new_id()}"
    assert codes(await desk.blockers(course, room, TUESDAY + timedelta(days=7), supervisor=unknown)) == {
        "NO_SUPERVISOR"
    }


async def test_a_course_that_is_not_active_books_nothing(desk) -> None:
    opened = await desk.open_clinic()
    draft = await desk.enroll(opened.patients[0].name)
    assert codes(await desk.blockers(draft.name, opened.rooms[0].name, TUESDAY)) == {"COURSE_NOT_ACTIVE"}


async def test_the_consent_must_be_valid_on_the_date(desk) -> None:
    course, room = await one_course(desk)
    assert await desk.blockers(course, room, date(2026, 8, 1)) == []
    assert codes(await desk.blockers(course, room, date(2026, 8, 2))) == {"CONSENT_MISSING"}


async def test_the_course_cap_counts_live_sessions(desk) -> None:
    course, room = await one_course(desk)
    booked = [await desk.book(course, room, TUESDAY + timedelta(weeks=week)) for week in range(6)]
    assert [session.ordinal for session in booked] == list(range(1, 7))
    assert [session.tentative for session in booked] == [False] * 3 + [True] * 3
    next_date = TUESDAY + timedelta(weeks=6)
    assert codes(await desk.blockers(course, room, next_date)) == {"COURSE_CAP"}
    await desk.cancel(booked[4])
    assert await desk.blockers(course, room, next_date) == []
    await desk.book(course, room, next_date)
    assert (await desk.session(booked[5].name)).ordinal == 5


async def test_moving_keeps_the_name_ignores_its_own_place_and_never_counts_twice(desk) -> None:
    course, room = await one_course(desk)
    booked = [await desk.book(course, room, TUESDAY + timedelta(weeks=week)) for week in range(6)]
    confirmed = await desk.confirm(booked[0])
    moved = await desk.move(confirmed, TUESDAY, "09:30")
    assert (moved.name, moved.revision) == (confirmed.name, 2)
    assert not moved.HasField("confirm_time")
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.move(moved, TUESDAY + timedelta(days=2))
    assert {blocker.subject for blocker in refused.value.blockers} == {booked[1].name}
    event = (await desk.sent())[-1].session_rescheduled
    assert event.session.interval == moved.interval
    assert event.previous_interval == confirmed.interval


async def test_moving_to_another_clinic_changes_the_zone(desk) -> None:
    course, room = await one_course(desk)
    west = await desk.open_clinic(zone="America/Los_Angeles", key="west")
    session = await desk.book(course, room, TUESDAY, "15:00")
    moved = await desk.move(session, TUESDAY, "15:00", room=west.rooms[0].name)
    assert moved.clinic == west.clinics[0].name
    assert moved.interval.local_start_time == "2026-03-03T15:00:00-08:00"
    event = (await desk.sent())[-1].session_rescheduled
    assert event.previous_interval.local_start_time == "2026-03-03T15:00:00-05:00"


async def test_a_cancelled_session_frees_everything(desk) -> None:
    course, room = await one_course(desk, ratio=1)
    session = await desk.book(course, room, TUESDAY)
    cancelled = await desk.cancel(session)
    assert (cancelled.state, cancelled.revision) == (State.STATE_CANCELLED, 2)
    assert cancelled.cancel_reason == "patient asked"
    again = await desk.book(course, room, TUESDAY)
    assert again.ordinal == 1
    with pytest.raises(FailedPreconditionError, match="cancelled"):
        await desk.cancel(cancelled)


async def test_a_stale_etag_is_aborted(desk) -> None:
    course, room = await one_course(desk)
    session = await desk.book(course, room, TUESDAY)
    await desk.move(session, TUESDAY, "10:00")
    for act in (desk.cancel, desk.check_in, desk.confirm):
        with pytest.raises(AbortedError, match="changed"):
            await act(session)


async def test_confirming_twice_is_confirming_once(desk) -> None:
    course, room = await one_course(desk)
    session = await desk.book(course, room, TUESDAY)
    confirmed = await desk.confirm(session)
    assert await desk.confirm(session) == confirmed
    assert sum(event.HasField("session_confirmed") for event in await desk.sent()) == 1


async def test_check_in_only_on_the_day_and_not_once_a_review_is_waited_for(desk, clock) -> None:
    course, room = await one_course(desk)
    booked = [await desk.book(course, room, TUESDAY + timedelta(weeks=week)) for week in range(5)]
    with pytest.raises(FailedPreconditionError) as early:
        await desk.check_in(booked[0])
    assert [blocker.code for blocker in early.value.blockers] == ["OTHER_DATE"]
    clock.set(datetime(2026, 3, 3, 13, 50, tzinfo=UTC))
    arrived = await desk.check_in(booked[0])
    assert arrived.state == State.STATE_CHECKED_IN
    assert instant(arrived.check_in_time) == clock.now()
    with pytest.raises(FailedPreconditionError) as due:
        await desk.check_in(booked[4])
    assert {blocker.code for blocker in due.value.blockers} == {"OTHER_DATE", "REVIEW_DUE"}


async def test_the_same_request_books_once_and_what_is_not_there_is_not_found(desk) -> None:
    course, room = await one_course(desk)
    request = session_pb2.BookSessionRequest(request_id=str(new_id()), booking=booking(course, room, TUESDAY))
    first = await desk.call(desk.sessions.BookSession, request)
    assert await desk.call(desk.sessions.BookSession, request) == first
    with pytest.raises(NotFoundError, match="rooms/"):
        await desk.book(course, f"rooms/{new_id()}", TUESDAY + timedelta(days=7))
    with pytest.raises(NotFoundError, match="courses/"):
        await desk.book(f"courses/{new_id()}", room, TUESDAY + timedelta(days=7))


async def test_sessions_are_listed_by_start_in_pages(desk) -> None:
    course, room = await one_course(desk)
    booked = [await desk.book(course, room, TUESDAY + timedelta(weeks=week)) for week in range(5)]
    await desk.cancel(booked[1])
    request = session_pb2.ListSessionsRequest(course=course, page_size=2, states=[State.STATE_BOOKED])
    names = []
    while True:
        page = await desk.call(desk.sessions.ListSessions, request)
        names += [session.name for session in page.sessions]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == [booked[n].name for n in (0, 2, 3, 4)]
    within = session_pb2.ListSessionsRequest(
        start_time=booked[2].interval.start_time, end_time=booked[3].interval.start_time
    )
    assert [one.name for one in (await desk.call(desk.sessions.ListSessions, within)).sessions] == [booked[2].name]
