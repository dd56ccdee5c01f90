"""Patients who did not come, who come after all, and sessions that should never have been there."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kat.scheduler.v1 import session_pb2
from services.runtime.errors import FailedPreconditionError
from tests.integration.scheduler.desk import Desk

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
NINE = datetime(2026, 3, 3, 14, tzinfo=UTC)
State = session_pb2.Session.State


async def booked(desk: Desk, **more: int) -> tuple[session_pb2.Session, str, str]:
    opened = await desk.open_clinic(**more)
    course = await desk.active_course(opened.patients[0].name)
    room = opened.rooms[0].name
    return await desk.book(course, room, TUESDAY), course, room


async def withdraw(desk: Desk, session: session_pb2.Session) -> session_pb2.Session:
    request = session_pb2.MarkEnteredInErrorRequest
    return await desk.change(desk.sessions.MarkEnteredInError, request, session, reason="booked for the wrong patient")


async def test_a_no_show_is_recorded_from_the_start_on(desk) -> None:
    session, course, room = await booked(desk, ratio=1)
    desk.clock.set(NINE - timedelta(seconds=1))
    with pytest.raises(FailedPreconditionError) as early:
        await desk.miss(session)
    assert early.value.reason == "NOT_YET_DUE"
    desk.clock.set(NINE)
    missed = await desk.miss(session)
    assert missed.state == State.STATE_NO_SHOW
    assert (await desk.sent())[-1].WhichOneof("payload") == "session_no_show"
    # It holds nothing: the patient may come two days later, and the course has its place back.
    again = await desk.book(course, room, TUESDAY + timedelta(days=2))
    assert again.ordinal == 1


async def test_whether_a_no_show_takes_a_place_is_the_protocol_s_to_say(desk) -> None:
    session, _, _ = await booked(desk)
    desk.clock.set(NINE)
    await desk.miss(session)
    counts = "select no_show_counts, counted, live from session"
    assert await desk.execute(counts) == [(False, False, False)]
    # Plain SQL cannot claim otherwise.
    await desk.execute("update session set no_show_counts = true")
    assert await desk.execute(counts) == [(False, False, False)]


async def test_one_who_comes_after_all_takes_a_place_that_is_free(desk) -> None:
    session, course, room = await booked(desk)
    desk.clock.set(NINE + timedelta(minutes=61))
    missed = await desk.miss(session)
    later = await desk.book(course, room, TUESDAY + timedelta(days=7))
    await desk.check_in(missed)
    assert await desk.execute("select place from session order by start_time") == [(2,), (1,)]
    assert (await desk.session(later.name)).ordinal == 2


async def test_who_was_taken_for_a_no_show_may_still_come(desk) -> None:
    session, _, _ = await booked(desk)
    desk.clock.set(NINE + timedelta(minutes=61))
    arrived = await desk.check_in(await desk.miss(session))
    assert (arrived.state, arrived.interval) == (State.STATE_CHECKED_IN, session.interval)
    assert await desk.execute("select count(*) from supervision where live") == [(1,)]


async def test_but_not_into_a_place_that_was_given_away(desk) -> None:
    opened = await desk.open_clinic(patients=2, ratio=1)
    mine, other = [await desk.active_course(patient.name) for patient in opened.patients]
    room = opened.rooms[0].name
    session = await desk.book(mine, room, TUESDAY)
    desk.clock.set(NINE + timedelta(minutes=61))
    missed = await desk.miss(session)
    await desk.book(other, room, TUESDAY, "11:00")
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.check_in(missed)
    assert {one.code for one in refused.value.blockers} == {"ROOM_BUSY", "SUPERVISION_RATIO"}
    assert (await desk.session(missed.name)).state == State.STATE_NO_SHOW


async def test_a_session_entered_in_error_holds_nothing_and_stays_readable(desk) -> None:
    session, course, room = await booked(desk)
    withdrawn = await withdraw(desk, session)
    assert (withdrawn.state, withdrawn.revision) == (State.STATE_ENTERED_IN_ERROR, 2)
    assert (await desk.sent())[-1].WhichOneof("payload") == "session_cancelled"
    assert (await desk.book(course, room, TUESDAY)).state == State.STATE_BOOKED
    with pytest.raises(FailedPreconditionError):
        await withdraw(desk, withdrawn)


async def test_a_session_with_a_dose_took_place(desk) -> None:
    session, _, _ = await booked(desk)
    desk.clock.set(NINE)
    await desk.give_dose(await desk.check_in(session), NINE + timedelta(minutes=30))
    with pytest.raises(FailedPreconditionError) as refused:
        await withdraw(desk, await desk.session(session.name))
    assert refused.value.reason == "DOSE_RECORDED"
