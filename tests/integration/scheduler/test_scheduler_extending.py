"""Observation runs over: every session in the way is named with a way out, and nothing is crowded."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kat.scheduler.v1 import session_pb2
from services.runtime.errors import AbortedError, FailedPreconditionError, InvalidArgumentError
from tests.integration.scheduler.desk import Desk, instant, local_time

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
NINE = datetime(2026, 3, 3, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
END = NINE + timedelta(minutes=150)


async def day(
    desk: Desk, *starts: str, rooms: int = 1, supervisors: int = 1, ratio: int = 4
) -> list[session_pb2.Session]:
    """Sessions of several patients in the first room, one after the other."""
    opened = await desk.open_clinic(rooms=rooms, supervisors=supervisors, ratio=ratio, patients=len(starts))
    return [
        await desk.book(await desk.active_course(patient.name), opened.rooms[0].name, TUESDAY, start)
        for patient, start in zip(opened.patients, starts, strict=True)
    ]


def move_of(hit: session_pb2.DownstreamHit) -> session_pb2.DownstreamMove:
    """The proposal of a hit, accepted."""
    local = hit.proposal.interval.local_start_time
    return session_pb2.DownstreamMove(
        session=hit.session.name,
        etag=hit.session.etag,
        arrival=local_time(date.fromisoformat(local[:10]), local[11:16]),
        room=hit.proposal.room,
        supervisor=hit.proposal.supervisor,
    )


async def test_a_session_with_nothing_behind_it_just_ends_later(desk) -> None:
    (session,) = await day(desk, "09:00")
    answer = await desk.extend(session, END + HOUR)
    assert (list(answer.hits), list(answer.moved_sessions)) == ([], [])
    longer = answer.session
    assert instant(longer.interval.end_time) == END + HOUR
    assert instant(longer.room_release_time) == END + HOUR + timedelta(minutes=15)
    assert [instant(one.end_time) for one in longer.supervisions] == [END + HOUR]
    assert (longer.revision, (await desk.sent())[-1].WhichOneof("payload")) == (1, "session_extended")


async def test_every_session_downstream_is_reported_with_a_proposed_move_and_nothing_is_written(desk) -> None:
    first, second, third = await day(desk, "08:00", "10:45", "13:30")
    answer = await desk.extend(first, instant(second.interval.end_time) + HOUR, validate_only=True)
    assert [hit.session for hit in answer.hits] == [second, third]
    assert {hit.code for hit in answer.hits} == {session_pb2.BLOCKER_CODE_ROOM_BUSY}
    assert instant(answer.session.interval.end_time) == instant(second.interval.end_time) + HOUR
    # The two proposals do not collide: with each other or with the longer session.
    proposed = sorted(
        (instant(hit.proposal.interval.start_time), instant(hit.proposal.interval.end_time)) for hit in answer.hits
    )
    assert proposed[0][0] >= instant(answer.session.room_release_time)
    assert proposed[1][0] >= proposed[0][1] + timedelta(minutes=15)
    assert [await desk.session(one.name) for one in (first, second, third)] == [first, second, third]


async def test_another_room_at_the_same_time_is_the_first_proposal(desk) -> None:
    first, second = await day(desk, "08:00", "10:45", rooms=2)
    answer = await desk.extend(first, instant(second.interval.start_time), validate_only=True)
    (hit,) = answer.hits
    assert hit.proposal.interval.start_time == second.interval.start_time
    assert hit.proposal.room != second.room


async def test_it_is_refused_until_each_session_in_the_way_has_a_move(desk) -> None:
    first, second, third = await day(desk, "08:00", "10:45", "13:30", rooms=2)
    later = instant(second.interval.end_time) + HOUR
    proposals = await desk.extend(first, later, validate_only=True)
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.extend(first, later, moves=[move_of(proposals.hits[0])])
    assert [(one.code, one.subject) for one in refused.value.blockers] == [
        ("ROOM_BUSY", second.name),
        ("ROOM_BUSY", third.name),
    ]
    assert await desk.session(first.name) == first
    answer = await desk.extend(first, later, moves=[move_of(hit) for hit in proposals.hits])
    assert [one.name for one in answer.moved_sessions] == [second.name, third.name]
    assert [one.interval for one in answer.moved_sessions] == [hit.proposal.interval for hit in proposals.hits]
    told = [event.WhichOneof("payload") for event in await desk.sent()][-3:]
    assert sorted(told) == ["session_extended", "session_rescheduled", "session_rescheduled"]


async def test_a_session_hit_because_its_supervisor_is_needed(desk) -> None:
    opened = await desk.open_clinic(rooms=2, supervisors=1, ratio=1, patients=2)
    courses = [await desk.active_course(patient.name) for patient in opened.patients]
    first = await desk.book(courses[0], opened.rooms[0].name, TUESDAY, "08:00")
    second = await desk.book(courses[1], opened.rooms[1].name, TUESDAY, "10:30")
    answer = await desk.extend(first, instant(first.interval.end_time) + HOUR, validate_only=True)
    assert [(hit.session.name, hit.code) for hit in answer.hits] == [
        (second.name, session_pb2.BLOCKER_CODE_SUPERVISION_RATIO)
    ]
    assert instant(answer.hits[0].proposal.interval.start_time) == instant(first.interval.end_time) + HOUR


async def test_another_clinician_takes_the_longer_time_where_the_first_cannot(desk) -> None:
    opened = await desk.open_clinic(rooms=2, supervisors=2, ratio=1, patients=2)
    courses = [await desk.active_course(patient.name) for patient in opened.patients]
    one, other = (practitioner.name for practitioner in opened.practitioners)
    first = await desk.book(courses[0], opened.rooms[0].name, TUESDAY, "08:00", supervisor=one)
    await desk.book(courses[1], opened.rooms[1].name, TUESDAY, "10:30", supervisor=one)
    answer = await desk.extend(first, instant(first.interval.end_time) + HOUR)
    assert [period.practitioner for period in answer.session.supervisions] == [one, other]


async def test_past_closing_it_needs_a_clinician_not_opening_hours(desk) -> None:
    (session,) = await day(desk, "15:30")
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.extend(session, instant(session.interval.end_time) + HOUR)
    assert [one.code for one in refused.value.blockers] == ["NO_SUPERVISOR"]


async def test_moves_are_of_sessions_in_the_way_as_they_were_read(desk) -> None:
    first, second, third = await day(desk, "08:00", "10:45", "13:30", rooms=2)
    proposals = await desk.extend(first, instant(second.interval.start_time), validate_only=True)
    move = move_of(proposals.hits[0])
    stray = session_pb2.DownstreamMove(session=third.name, etag=third.etag, arrival=move.arrival)
    with pytest.raises(InvalidArgumentError) as faulty:
        await desk.extend(first, instant(second.interval.start_time), moves=[move, stray])
    assert [fault.path for fault in faulty.value.violations] == ["moves[1].session"]
    await desk.confirm(second)
    with pytest.raises(AbortedError):
        await desk.extend(first, instant(second.interval.start_time), moves=[move])


@pytest.mark.parametrize("by", [timedelta(), -HOUR, timedelta(hours=10)], ids=["same", "earlier", "half a day"])
async def test_the_end_is_later_and_not_much_too_late(desk, by) -> None:
    (session,) = await day(desk, "09:00")
    with pytest.raises(InvalidArgumentError) as faulty:
        await desk.extend(session, END + by)
    assert [fault.path for fault in faulty.value.violations] == ["end_time"]
