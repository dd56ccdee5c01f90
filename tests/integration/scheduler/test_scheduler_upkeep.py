"""What happens by itself: correct with three replicas at once, and after an outage."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from kat.scheduler.v1 import session_pb2
from tests.integration.scheduler.desk import Desk

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
NINE = datetime(2026, 3, 3, 14, tzinfo=UTC)
State = session_pb2.Session.State


def replicas(desk: Desk) -> list[Desk]:
    return [Desk(desk.database, desk.clock, desk.organization_id) for _ in range(3)]


async def several(desk: Desk, patients: int = 6) -> tuple[list[str], list[str]]:
    opened = await desk.open_clinic(patients=patients, rooms=patients, ratio=patients)
    return [await desk.active_course(one.name) for one in opened.patients], [room.name for room in opened.rooms]


async def test_holds_that_lapsed_are_let_go_once(desk) -> None:
    courses, rooms = await several(desk)
    held = [await desk.hold(course, room, TUESDAY) for course, room in zip(courses, rooms, strict=True)]
    desk.clock.advance(minutes=9, seconds=59)
    await desk.upkeep.expire_holds()
    assert {(await desk.session(one.name)).state for one in held} == {State.STATE_HELD}
    desk.clock.advance(seconds=1)
    await asyncio.gather(*(replica.upkeep.expire_holds() for replica in replicas(desk)))
    ended = [await desk.session(one.name) for one in held]
    assert {(one.state, one.cancel_reason, one.etag) for one in ended} == {
        (State.STATE_CANCELLED, "hold expired", "v2")
    }
    assert await desk.execute("select count(*) from supervision where live") == [(0,)]


async def test_a_hold_is_booked_or_lapses_never_both(desk) -> None:
    courses, rooms = await several(desk)
    held = [await desk.hold(course, room, TUESDAY) for course, room in zip(courses, rooms, strict=True)]
    desk.clock.advance(minutes=10)
    answers = await asyncio.gather(
        *(desk.book_held(one) for one in held),
        *(replica.upkeep.expire_holds() for replica in replicas(desk)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, Exception) for answer in answers[: len(held)])
    assert {(await desk.session(one.name)).state for one in held} == {State.STATE_CANCELLED}


async def test_who_did_not_come_until_the_grace_period_was_over_is_a_no_show_once(desk) -> None:
    courses, rooms = await several(desk)
    sessions = [await desk.book(course, room, TUESDAY) for course, room in zip(courses, rooms, strict=True)]
    desk.clock.set(NINE + timedelta(minutes=59))
    come = await desk.check_in(sessions[0])
    await desk.upkeep.mark_no_shows()
    assert {(await desk.session(one.name)).state for one in sessions[1:]} == {State.STATE_BOOKED}
    desk.clock.set(NINE + timedelta(minutes=60))
    await asyncio.gather(*(replica.upkeep.mark_no_shows() for replica in replicas(desk)))
    assert {(await desk.session(one.name)).state for one in sessions[1:]} == {State.STATE_NO_SHOW}
    assert await desk.session(come.name) == come
    told = [event.aggregate for event in await desk.sent() if event.WhichOneof("payload") == "session_no_show"]
    assert sorted(told) == sorted(one.name for one in sessions[1:])


async def test_after_an_outage_of_days_everything_that_fell_due_is_done(desk) -> None:
    courses, rooms = await several(desk)
    session = await desk.book(courses[0], rooms[0], TUESDAY)
    held = await desk.hold(courses[1], rooms[1], TUESDAY)
    desk.clock.advance(days=9)
    await desk.upkeep.mark_no_shows()
    await desk.upkeep.expire_holds()
    states = [(await desk.session(one.name)).state for one in (session, held)]
    assert states == [State.STATE_NO_SHOW, State.STATE_CANCELLED]


async def test_a_dose_of_one_taken_for_a_no_show_counts_and_the_session_goes_on(desk) -> None:
    """The dose log was away: its report comes after the grace period."""
    courses, rooms = await several(desk, 1)
    session = await desk.book(courses[0], rooms[0], TUESDAY)
    desk.clock.set(NINE + timedelta(minutes=60))
    await desk.upkeep.mark_no_shows()
    await desk.give_dose(session, NINE + timedelta(minutes=31))
    assert (await desk.session(session.name)).state == State.STATE_IN_PROGRESS
    await desk.discharge(session)
    assert (await desk.session(session.name)).state == State.STATE_FULFILLED


async def test_a_dose_counts_even_where_the_no_show_s_place_was_given_away(desk) -> None:
    opened = await desk.open_clinic(patients=2, ratio=1)
    mine, other = [await desk.active_course(patient.name) for patient in opened.patients]
    room = opened.rooms[0].name
    session = await desk.book(mine, room, TUESDAY)
    desk.clock.set(NINE + timedelta(minutes=60))
    await desk.upkeep.mark_no_shows()
    await desk.book(other, room, TUESDAY, "10:45")
    await desk.give_dose(session, NINE + timedelta(minutes=31))
    assert (await desk.session(session.name)).state == State.STATE_NO_SHOW
    assert await desk.execute("select dose_date from dose") == [(TUESDAY,)]


async def test_one_bad_row_does_not_stop_the_others(desk) -> None:
    courses, rooms = await several(desk)
    sessions = [await desk.book(course, room, TUESDAY) for course, room in zip(courses, rooms, strict=True)]
    done: list[str] = []

    async def work(session_id, unit) -> None:
        name = f"sessions/{session_id}"
        if name == sessions[0].name:
            raise ZeroDivisionError
        done.append(name)

    due = [(desk.organization_id, UUID(one.name.partition("/")[2])) for one in sessions]
    with pytest.raises(ZeroDivisionError):
        await desk.upkeep._each(due, work)
    assert done == [one.name for one in sessions[1:]]
