"""A held slot is kept for ten minutes: nobody else gets it, nobody is told, and it is free again after."""

from datetime import date, timedelta

import pytest

from kat.scheduler.v1 import session_pb2
from services.runtime.errors import AbortedError, FailedPreconditionError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.desk import Desk, booking, codes, instant

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
WEEK = timedelta(days=7)
State = session_pb2.Session.State


async def two(desk: Desk, **more: int) -> tuple[str, list[str]]:
    """A room, and a course for each of two patients."""
    opened = await desk.open_clinic(patients=2, ratio=1, **more)
    return opened.rooms[0].name, [await desk.active_course(patient.name) for patient in opened.patients]


async def refused(attempt) -> list:
    with pytest.raises(FailedPreconditionError) as error:
        await attempt
    return list(error.value.blockers)


async def test_a_held_slot_is_taken_for_everybody_else(desk) -> None:
    room, (mine, other) = await two(desk)
    held = await desk.hold(mine, room, TUESDAY)
    assert held.state == State.STATE_HELD
    assert instant(held.hold_expire_time) == desk.clock.now() + timedelta(minutes=10)
    assert codes(await desk.blockers(other, room, TUESDAY)) == {"ROOM_BUSY", "SUPERVISION_RATIO"}
    blockers = await refused(desk.book(other, room, TUESDAY))
    assert {(one.code, one.subject) for one in blockers} == {
        ("ROOM_BUSY", held.name),
        ("SUPERVISION_RATIO", held.name),
    }


async def test_nobody_is_told_of_a_hold_until_it_is_booked(desk) -> None:
    room, (mine, _) = await two(desk)
    held = await desk.hold(mine, room, TUESDAY)
    told = len(await desk.sent())
    await desk.cancel(held)
    assert len(await desk.sent()) == told
    booked = await desk.book_held(await desk.hold(mine, room, TUESDAY))
    assert [event.WhichOneof("payload") for event in (await desk.sent())[told:]] == ["session_booked"]
    assert (booked.state, booked.HasField("hold_expire_time")) == (State.STATE_BOOKED, False)


async def test_what_is_held_is_booked_where_it_stands(desk) -> None:
    opened = await desk.open_clinic(supervisors=3, rooms=2)
    course = await desk.active_course(opened.patients[0].name)
    wanted = opened.practitioners[2].name
    held = await desk.hold(course, opened.rooms[1].name, TUESDAY, "10:30", supervisor=wanted)
    booked = await desk.book_held(held)
    assert (booked.name, booked.room, booked.interval) == (held.name, held.room, held.interval)
    assert [one.practitioner for one in booked.supervisions] == [wanted]


async def test_a_hold_that_has_expired_is_free_before_any_job_runs(desk) -> None:
    room, (mine, other) = await two(desk)
    held = await desk.hold(mine, room, TUESDAY)
    desk.clock.advance(minutes=10)
    assert codes(await desk.blockers(other, room, TUESDAY)) == set()
    assert (await desk.session(held.name)).state == State.STATE_HELD  # a look writes nothing
    booked = await desk.book(other, room, TUESDAY)
    assert booked.state == State.STATE_BOOKED
    ended = await desk.session(held.name)
    assert (ended.state, ended.cancel_reason) == (State.STATE_CANCELLED, "hold expired")


@pytest.mark.parametrize("ended", [False, True], ids=["still in the table", "ended meanwhile"])
async def test_a_hold_that_has_expired_cannot_be_booked(desk, ended) -> None:
    room, (mine, other) = await two(desk)
    held = await desk.hold(mine, room, TUESDAY)
    desk.clock.advance(minutes=10)
    if ended:
        await desk.book(other, room, TUESDAY)
    assert [one.code for one in await refused(desk.book_held(held))] == ["HOLD_EXPIRED"]


async def test_a_hold_is_booked_once(desk) -> None:
    room, (mine, _) = await two(desk)
    held = await desk.hold(mine, room, TUESDAY)
    await desk.book_held(held)
    with pytest.raises(AbortedError):
        await desk.book_held(held)


async def test_a_held_session_counts_for_cadence_and_cap(desk) -> None:
    room, (mine, _) = await two(desk)
    held = await desk.hold(mine, room, TUESDAY)
    blockers = await desk.blockers(mine, room, TUESDAY + timedelta(days=6))
    assert codes(blockers) == {"CADENCE"}
    assert list(blockers[0].sessions) == [held.name]
    count = "select count(*) from session where counted"
    assert await desk.execute(count) == [(1,)]


async def test_an_own_expired_hold_does_not_stand_in_the_way(desk) -> None:
    room, (mine, _) = await two(desk)
    await desk.hold(mine, room, TUESDAY)
    desk.clock.advance(minutes=11)
    booked = await desk.book(mine, room, TUESDAY + timedelta(days=2))
    assert booked.ordinal == 1


async def test_holding_again_with_the_same_request_is_the_same_hold(desk) -> None:
    room, (mine, _) = await two(desk)
    request = session_pb2.HoldSlotRequest(request_id=str(new_id()), booking=booking(mine, room, TUESDAY))
    first = await desk.call(desk.sessions.HoldSlot, request)
    assert await desk.call(desk.sessions.HoldSlot, request) == first


async def test_a_series_goes_over_an_expired_hold(desk) -> None:
    room, (mine, other) = await two(desk)
    await desk.hold(other, room, TUESDAY + WEEK)
    desk.clock.advance(minutes=10)
    assert len(await desk.book_series(mine, room, TUESDAY, count=3)) == 3
