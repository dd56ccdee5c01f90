"""Corners where courses, the roster and events meet."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from kat.scheduler.v1 import roster_pb2, session_pb2
from services.runtime.errors import AbortedError, FailedPreconditionError, InvalidArgumentError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.course_desk import CONTINUE, TUESDAY, CourseDesk, create, shipped
from tests.integration.scheduler.desk import Desk
from tests.integration.scheduler.test_scheduler_availability import except_for
from tests.integration.scheduler.test_scheduler_departures import (
    NEXT_TUESDAY,
    depart,
    patients_booked,
)

SessionState = session_pb2.Session.State
ABSENCE, EXTRA = roster_pb2.ShiftException.KIND_ABSENCE, roster_pb2.ShiftException.KIND_EXTRA


@pytest.fixture
async def course(desk) -> CourseDesk:
    return await CourseDesk.open(desk)


def start_of(session):
    return session.interval.start_time.ToDatetime(tzinfo=UTC)


async def test_who_was_missed_may_come_after_the_course_was_moved(course) -> None:
    session = await course.book(0)
    course.desk.clock.set(start_of(session) + timedelta(minutes=1))
    await course.desk.miss(session)
    version = await create(course.desk, await shipped(course.desk))
    await course.change("MoveCourseProtocol", protocol=version.name)
    arrived = await course.desk.check_in(await course.desk.session(session.name))
    assert arrived.state == SessionState.STATE_CHECKED_IN


async def test_a_dose_in_a_missed_session_is_taken_in_after_an_amendment(course) -> None:
    first, second = await course.series(2)
    record = new_id()
    # Mistaken: two days later than it was, so that the second is too early.
    await course.desk.give_dose(first, start_of(first) + timedelta(days=2), record=record)
    assert (await course.desk.session(second.name)).too_early
    course.desk.clock.set(start_of(second) + timedelta(minutes=1))
    await course.desk.miss(await course.desk.session(second.name))
    await course.desk.give_dose(first, start_of(first) + timedelta(minutes=30), record=record)
    verdict = await course.desk.give_dose(second, start_of(second) + timedelta(minutes=40))
    assert verdict == 1, f"the fact was not taken in: verdict {verdict}"


async def test_a_review_is_signed_by_the_scores_that_were_read(course) -> None:
    session = await course.book(0)
    await course.score(session, 20)
    await course.score(session, 10, at=start_of(session) + timedelta(hours=1))
    await course.take(session)
    read = await course.read()
    await course.score(session, 27, at=start_of(session) + timedelta(hours=2))
    assert (await course.read()).etag != read.etag
    with pytest.raises(AbortedError):
        await course.review(CONTINUE, reason="PHQ-9 fell by half", etag=read.etag)


async def test_a_version_of_another_length_moves_no_session_that_is_booked_for_less(course) -> None:
    (session,) = await course.series(1)
    version = await create(
        course.desk, await shipped(course.desk), phase__observation="240", observation__minimum="240"
    )
    with pytest.raises(FailedPreconditionError) as refused:
        await course.change("MoveCourseProtocol", protocol=version.name)
    assert [(one.code, one.subject) for one in refused.value.blockers] == [("SESSION_LENGTH", session.name)]
    await course.desk.cancel(session)
    await course.change("MoveCourseProtocol", protocol=version.name)


@pytest.mark.parametrize("begun", ["checked in", "in progress"])
async def test_a_course_is_not_moved_during_a_visit(course, begun) -> None:
    session = await course.book(0)
    arrived = await course.arrive(session)
    if begun == "in progress":
        await course.desk.give_dose(session, start_of(session) + timedelta(minutes=30))
    version = await create(course.desk, await shipped(course.desk))
    with pytest.raises(FailedPreconditionError, match="discharged, or cancel") as refused:
        await course.change("MoveCourseProtocol", protocol=version.name)
    assert refused.value.reason == "COURSE_CHANGE_REFUSED"
    assert [(one.code, one.subject) for one in refused.value.blockers] == [("SESSION_UNDER_WAY", session.name)]
    assert (await course.read()).protocol == session.protocol
    if begun == "in progress":
        await course.desk.discharge(session)
    else:
        await course.desk.cancel(arrived)
    assert (await course.change("MoveCourseProtocol", protocol=version.name)).protocol == version.name


async def test_the_visit_of_another_course_is_in_nobody_s_way(course, desk) -> None:
    other = CourseDesk(desk, await desk.active_course((await course.read()).patient, code="im_racemic"), course.room, 0)
    await course.arrive(await course.book(0))
    version = await create(desk, await shipped(desk, "im_racemic"))
    assert (await other.change("MoveCourseProtocol", protocol=version.name)).protocol == version.name


async def one_after_the_other(desk: Desk, *calls: Awaitable[Any]) -> list[Any]:
    """Let calls that lock the patient queue for it, in this order, and then go on all at once."""
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    tasks = []
    async with desk.database.transaction(desk.organization_id) as connection, asyncio.timeout(4):
        await connection.execute(text("select from patient for no key update"))
        for number, call in enumerate(calls, 1):
            tasks.append(asyncio.ensure_future(call))
            while await desk.execute(waiting) != [(number,)]:
                await asyncio.sleep(0.005)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_course_that_is_moved_just_after_an_arrival_is_not(course) -> None:
    session = await course.book(0)
    course.desk.clock.set(start_of(session))
    version = await create(course.desk, await shipped(course.desk))
    arrived, refused = await one_after_the_other(
        course.desk, course.desk.check_in(session), course.change("MoveCourseProtocol", protocol=version.name)
    )
    assert (arrived.state, arrived.protocol) == (SessionState.STATE_CHECKED_IN, session.protocol)
    assert [(one.code, one.subject) for one in refused.blockers] == [("SESSION_UNDER_WAY", session.name)]
    assert await course.desk.session(session.name) == arrived


async def test_who_arrives_just_after_a_course_was_moved_is_looked_at_anew(course) -> None:
    session = await course.book(0)
    course.desk.clock.set(start_of(session))
    version = await create(course.desk, await shipped(course.desk))
    moved, refused = await one_after_the_other(
        course.desk, course.change("MoveCourseProtocol", protocol=version.name), course.desk.check_in(session)
    )
    assert moved.protocol == version.name
    assert refused.reason == "STALE_ETAG"
    arrived = await course.desk.check_in(await course.desk.session(session.name))
    assert (arrived.state, arrived.protocol) == (SessionState.STATE_CHECKED_IN, version.name)


async def test_a_part_that_is_handed_over_is_told_of(desk) -> None:
    opened = await desk.open_clinic(supervisors=2, hours=("08:00", "18:00"))
    leaver, second = opened.practitioners
    (session,) = await patients_booked(desk, opened, (0, NEXT_TUESDAY, "09:00"), supervisor=leaver)
    # Leaver, second, leaver again; the second is away in the last part.
    await desk.execute(
        """with first as (update supervision set end_time = start_time + interval '1 hour' returning *),
           mid as (insert into supervision select f.organization_id, f.session_id, f.end_time,
               f.end_time + interval '30 minutes', cast(:second as uuid), 1, true from first f)
           insert into supervision select f.organization_id, f.session_id, f.end_time + interval '30 minutes',
               s.end_time, f.practitioner_id, 1, true from first f join session s using (session_id)""",
        second=second.name.partition("/")[2],
    )
    await except_for(
        desk, second.name, ABSENCE, (NEXT_TUESDAY, "10:30"), (NEXT_TUESDAY, "18:00"), clinic=opened.clinics[0].name
    )
    sent = len(await desk.sent())
    (reoffered,) = (await depart(desk, leaver, TUESDAY)).sessions
    now = await desk.session(session.name)
    told = [event.WhichOneof("payload") for event in (await desk.sent())[sent:]]
    assert now.supervisions[0].practitioner == second.name
    assert told == ["session_supervision_changed"]
    assert reoffered.session == now.name


async def test_a_paused_course_has_no_no_shows_by_themselves(course, clock) -> None:
    session = await course.book(0)
    await course.change("Pause", reason="ill")
    clock.set(start_of(session) + timedelta(hours=2))
    await course.desk.upkeep.do_due()
    assert (await course.desk.session(session.name)).state != SessionState.STATE_NO_SHOW


async def test_who_came_and_was_turned_away_did_not_stay_away(course, clock) -> None:
    sessions = await course.series(5)
    for session in sessions[:4]:
        await course.take(session)
    clock.set(start_of(sessions[4]))
    with pytest.raises(FailedPreconditionError):
        await course.desk.check_in(await course.desk.session(sessions[4].name))
    clock.set(start_of(sessions[4]) + timedelta(hours=2))
    await course.desk.upkeep.do_due()
    assert (await course.desk.session(sessions[4].name)).state != SessionState.STATE_NO_SHOW


async def test_nobody_is_told_of_a_held_session_by_a_move(course, desk) -> None:
    await desk.hold(course.name, course.room, TUESDAY)
    version = await create(desk, await shipped(desk))
    await course.change("MoveCourseProtocol", protocol=version.name)
    assert await course.told("session_protocol_changed") == []


async def test_nobody_is_told_of_a_held_session_by_a_departure(desk) -> None:
    opened = await desk.open_clinic(supervisors=2)
    held = await desk.hold(
        await desk.active_course(opened.patients[0].name),
        opened.rooms[0].name,
        NEXT_TUESDAY,
        supervisor=opened.practitioners[0].name,
    )
    await depart(desk, opened.practitioners[0], TUESDAY)
    told = [e.WhichOneof("payload") for e in await desk.sent() if e.aggregate == held.name]
    assert told == []


async def test_an_extra_shift_is_bounded(desk) -> None:
    opened = await desk.open_clinic()
    who, clinic = opened.practitioners[0].name, opened.clinics[0].name
    week = timedelta(days=7)
    with pytest.raises(InvalidArgumentError) as faulty:
        await except_for(desk, who, EXTRA, (TUESDAY, "08:00"), (TUESDAY + week * 2, "09:00"), clinic=clinic)
    assert [fault.path for fault in faulty.value.violations] == ["shift_exception.end"]
    await except_for(desk, who, EXTRA, (TUESDAY, "08:00"), (TUESDAY + week, "09:00"), clinic=clinic)
