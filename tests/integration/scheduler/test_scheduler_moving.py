"""This and following: the rest of a course is moved or cancelled as one."""

from datetime import date, timedelta

import pytest

from kat.scheduler.v1 import session_pb2
from services.runtime.errors import FailedPreconditionError
from tests.integration.scheduler.desk import Desk

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
WEEK = timedelta(days=7)
State = session_pb2.Session.State


def starts(sessions) -> list[str]:
    return [session.interval.local_start_time for session in sessions]


async def course_in(desk: Desk, **more: int) -> tuple[str, str]:
    opened = await desk.open_clinic(**more)
    return await desk.active_course(opened.patients[0].name), opened.rooms[0].name


async def test_following_sessions_move_by_as_many_days_to_the_same_local_time_over_a_change_of_clocks(desk) -> None:
    course, room = await course_in(desk)
    sessions = await desk.book_series(course, room, TUESDAY, count=4)
    moved = await desk.move_series(sessions[1], date(2026, 3, 12), "14:00")
    assert starts(moved) == [f"2026-03-{day}T14:00:00-04:00" for day in (12, 19, 26)]
    assert [session.name for session in moved] == [session.name for session in sessions[1:]]
    assert [session.revision for session in moved] == [2, 2, 2]
    assert (await desk.session(sessions[0].name)).interval == sessions[0].interval
    told = [event for event in await desk.sent() if event.WhichOneof("payload") == "session_rescheduled"]
    assert [event.session_rescheduled.previous_interval for event in told] == [one.interval for one in sessions[1:]]


@pytest.mark.parametrize("days", [-3, -1, 1, 3, 7, 14])
async def test_they_move_past_each_other_s_old_places(desk, days) -> None:
    course, room = await course_in(desk, ratio=1)
    sessions = await desk.book_series(course, room, TUESDAY + WEEK, count=4)
    moved = await desk.move_series(sessions[0], TUESDAY + WEEK + timedelta(days=days))
    dates = [date.fromisoformat(start[:10]) for start in starts(moved)]
    assert dates == [TUESDAY + WEEK * n + timedelta(days=days) for n in range(1, 5)]


async def test_all_move_or_none_and_every_blocker_names_its_date(desk) -> None:
    opened = await desk.open_clinic(patients=2, ratio=1)
    mine, other = [await desk.active_course(patient.name) for patient in opened.patients]
    room = opened.rooms[0].name
    sessions = await desk.book_series(mine, room, TUESDAY, count=4)
    taken = [await desk.book(other, room, TUESDAY + timedelta(days=1) + WEEK * n, "10:00") for n in (1, 3)]
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.move_series(sessions[0], TUESDAY + timedelta(days=1))
    named = {(one.code, one.description[:10], one.subject) for one in refused.value.blockers}
    assert named == {
        (code, f"2026-03-{day}", session.name)
        for code in ("ROOM_BUSY", "SUPERVISION_RATIO")
        for day, session in zip((11, 25), taken, strict=True)
    }
    assert [await desk.session(one.name) for one in sessions] == sessions


async def test_following_sessions_keep_the_interval_to_those_before(desk) -> None:
    course, room = await course_in(desk)
    sessions = await desk.book_series(course, room, TUESDAY, count=3)
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.move_series(sessions[1], TUESDAY + timedelta(days=6))
    assert {(one.code, one.subject) for one in refused.value.blockers} == {("CADENCE", sessions[0].name)}


async def test_a_session_moves_to_another_clinic_and_zone(desk) -> None:
    here = await desk.open_clinic()
    there = await desk.open_clinic(zone="Australia/Lord_Howe", key="island")
    course = await desk.active_course(here.patients[0].name)
    sessions = await desk.book_series(course, here.rooms[0].name, TUESDAY, count=2)
    moved = await desk.move_series(sessions[0], date(2026, 4, 1), room=there.rooms[0].name)
    # Lord Howe Island sets its clocks back by half an hour on 5 April.
    assert starts(moved) == ["2026-04-01T09:00:00+11:00", "2026-04-08T09:00:00+10:30"]
    assert {one.clinic for one in moved} == {there.clinics[0].name}


async def test_a_session_and_all_that_follow_are_cancelled(desk) -> None:
    course, room = await course_in(desk)
    sessions = await desk.book_series(course, room, TUESDAY, count=4)
    request = session_pb2.CancelSeriesRequest
    answer = await desk.change(desk.sessions.CancelSeries, request, sessions[2], reason="moves away")
    assert [one.name for one in answer.sessions] == [one.name for one in sessions[2:]]
    assert {(one.state, one.cancel_reason) for one in answer.sessions} == {(State.STATE_CANCELLED, "moves away")}
    assert [(await desk.session(one.name)).state for one in sessions[:2]] == [State.STATE_BOOKED] * 2
    told = [event.aggregate for event in await desk.sent() if event.WhichOneof("payload") == "session_cancelled"]
    assert told == [one.name for one in sessions[2:]]
