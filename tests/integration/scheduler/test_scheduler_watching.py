"""Watching sessions: every change is told, none comes late in the order, and after a break what was missed is told."""

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from kat.scheduler.v1 import session_pb2
from services.runtime.database import Database
from services.runtime.errors import ResourceExhaustedError
from services.scheduler.convert.watching import watched
from tests.integration.scheduler.course_desk import CONTINUE, CourseDesk
from tests.integration.scheduler.desk import Desk
from tests.integration.scheduler.watching import Watcher, first_message, replica, settled

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
WEEK = timedelta(days=7)


class Floor:
    """A clinic with a session booked for each patient, in a room of their own, on one morning."""

    def __init__(self, desk: Desk, opened: Any, courses: list[str], sessions: list[Any]) -> None:
        self.desk = desk
        self.opened = opened
        self.clinic: str = opened.clinics[0].name
        self.courses = courses
        self.sessions = sessions

    async def confirm_by_hand(self, connection: Any, session: str) -> None:
        """Change a session in a transaction that the test ends when it likes."""
        await connection.execute(
            text("update session set confirm_time = now(), version = version + 1 where session_id = :id"),
            {"id": session.partition("/")[2]},
        )


async def floor(desk: Desk, count: int = 3, *, key: str = "main") -> Floor:
    opened = await desk.open_clinic(rooms=count, supervisors=2, ratio=count, patients=count, key=key)
    courses = [await desk.active_course(patient.name) for patient in opened.patients]
    sessions = [await desk.book(course, room.name, TUESDAY) for course, room in zip(courses, opened.rooms, strict=True)]
    return Floor(desk, opened, courses, sessions)


def names(sessions) -> list[str]:
    return [session.name for session in sessions]


async def test_every_step_of_a_session_is_told_as_it_comes(desk) -> None:
    opened = await desk.open_clinic()
    course = await desk.active_course(opened.patients[0].name)
    async with Watcher(desk) as watcher:
        session = await desk.book(course, opened.rooms[0].name, TUESDAY)
        assert list(await watcher.caught_up()) == [session]
        session = await desk.confirm(session)
        assert (await watcher.caught_up())[1:] == [session]
        session = await desk.move(session, TUESDAY + WEEK)
        assert (await watcher.caught_up())[2:] == [session]
        session = await desk.cancel(session)
        assert (await watcher.caught_up())[3:] == [session]
        await desk.give_dose(await desk.book(course, opened.rooms[0].name, TUESDAY), desk.clock.now())
        assert (await watcher.caught_up())[-1].state == session_pb2.Session.STATE_IN_PROGRESS


async def test_what_stands_when_a_stream_begins_is_not_told(desk) -> None:
    await floor(desk)
    async with Watcher(desk) as watcher:
        await watcher.heartbeats(3)
        assert watcher.told == []
        assert set(watcher.positions) == {await settled(desk)}


async def test_whatever_is_committed_first_nothing_is_lost_and_nothing_is_early(desk, database) -> None:
    """A transaction that began first is committed last; those after it wait, and no position passes it."""
    ward = await floor(desk)
    slow, quick, third = names(ward.sessions)
    async with Watcher(desk) as watcher:
        async with database.transaction(desk.organization_id) as connection:
            await ward.confirm_by_hand(connection, slow)
            await desk.confirm(ward.sessions[1])
            await desk.cancel(ward.sessions[2])
            await watcher.heartbeats(3)
            assert watcher.told == []
            # Whoever begins now, at any replica, begins before them all.
            during = (await first_message(desk)).position
        told = await watcher.caught_up()
        assert sorted(names(told)) == sorted([slow, quick, third])
        assert names(told)[0] == slow
        async with Watcher(desk, position=during) as late:
            assert list(await late.caught_up()) == list(told)


async def test_what_is_told_stands_as_it_was_committed_even_where_another_change_waits(desk, database) -> None:
    """A session is told as it stands, ahead of the order, and its later change is not told as news again."""
    ward = await floor(desk)
    other, ours = ward.sessions[0].name, ward.sessions[1]
    begun = (await first_message(desk)).position
    confirmed = await desk.confirm(ours)
    async with database.transaction(desk.organization_id) as connection:
        await settled(desk)
        await ward.confirm_by_hand(connection, other)
        cancelled = await desk.cancel(confirmed)
        async with Watcher(desk, position=begun) as watcher:
            await watcher.until(lambda: watcher.told)
            assert watcher.told[0].session == cancelled
            await connection.commit()
            assert sorted(names(await watcher.caught_up())) == sorted([other, ours.name])


async def test_a_rolled_back_change_is_not_told(desk, database) -> None:
    ward = await floor(desk)

    class TakenBackError(Exception):
        pass

    async with Watcher(desk) as watcher:
        with pytest.raises(TakenBackError):
            async with database.transaction(desk.organization_id) as connection:
                await ward.confirm_by_hand(connection, ward.sessions[0].name)
                raise TakenBackError
        await desk.confirm(ward.sessions[1])
        assert names(await watcher.caught_up()) == [ward.sessions[1].name]


@pytest.mark.parametrize("seed", range(3))
async def test_writers_at_random_and_watchers_at_three_replicas_who_break_off_again_and_again(desk, seed) -> None:
    """Everyone ends with what stands; within a stream nothing is told twice, and positions rise."""
    ward = await floor(desk, 4)
    chance = random.Random(seed)  # noqa: S311 - repeatable, and guards nothing
    pace = [[chance.random() * 0.02 for _ in range(12)] for _ in range(4)]
    async with AsyncExitStack() as stack:
        consoles = [await stack.enter_async_context(Watcher(desk)) for _ in range(3)]
        begun = consoles[0].position
        view: dict[str, Any] = {}

        async def write(session: str, pauses: list[float]) -> None:
            for pause in pauses:
                async with desk.database.transaction(desk.organization_id) as connection:
                    await ward.confirm_by_hand(connection, session)
                    await asyncio.sleep(pause)

        async def watch_with_breaks() -> None:
            position = begun
            while not writing.done():
                async with Watcher(desk, position=position) as broken:
                    await broken.heartbeats(1)
                    position = broken.position
                    view.update({message.session.name: message.session for message in broken.told})
            async with Watcher(desk, position=position) as last:
                view.update({one.name: one for one in await last.caught_up()})

        writing = asyncio.gather(
            *(write(session.name, pauses) for session, pauses in zip(ward.sessions, pace, strict=True))
        )
        await asyncio.gather(writing, watch_with_breaks())
        stand = {session.name: await desk.session(session.name) for session in ward.sessions}
        assert view == stand
        for console in consoles:
            told = await console.caught_up()
            assert len({(one.name, one.etag) for one in told}) == len(told)
            assert {one.name: one for one in told} == stand
            places = [place_of(position) for position in console.positions]
            assert places == sorted(places)


def place_of(position: str) -> tuple[int, int]:
    _, read = watched(session_pb2.WatchSessionsRequest(position=position))
    return read.place


async def test_from_every_position_exactly_what_was_missed_is_told(desk) -> None:
    ward = await floor(desk)
    async with Watcher(desk) as watcher:
        for number in range(3):
            confirmed = await desk.confirm(ward.sessions[number])
            await watcher.caught_up()
            await desk.cancel(confirmed)
            await watcher.caught_up()
        told = watcher.told
    assert len(told) == 6
    for count, message in enumerate(told, 1):
        async with Watcher(desk, position=message.position) as again:
            missed = [each.session.name for each in told[count:]]
            # Told as they stand, each once, in the order of their last change.
            assert names(await again.caught_up()) == sorted(set(missed), key=lambda name: -missed[::-1].index(name))


async def test_a_service_that_was_started_again_goes_on_from_the_position(desk, scheduler_urls) -> None:
    ward = await floor(desk)
    before = Database(scheduler_urls.app_url)
    async with Watcher(desk, replica(desk, database=before)) as watcher:
        await desk.confirm(ward.sessions[0])
        await watcher.caught_up()
    await before.close()
    await desk.confirm(ward.sessions[1])
    after = Database(scheduler_urls.app_url)
    async with Watcher(desk, replica(desk, database=after), position=watcher.position) as watcher:
        await desk.confirm(ward.sessions[2])
        assert names(await watcher.caught_up()) == names(ward.sessions[1:])
    await after.close()


async def test_three_consoles_at_one_replica_see_the_same(desk) -> None:
    ward, service = await floor(desk), replica(desk)
    async with Watcher(desk, service) as one, Watcher(desk, service) as two, Watcher(desk, service) as three:
        for session in ward.sessions:
            await desk.cancel(await desk.confirm(session))
        expected = list(await one.caught_up())
        assert expected
        assert list(await two.caught_up()) == expected
        assert list(await three.caught_up()) == expected


async def test_a_watcher_is_told_of_what_it_asked_for(desk) -> None:
    ward = await floor(desk)
    far = await floor(desk, 1, key="far")
    first, second, _ = ward.sessions
    async with (
        Watcher(desk, clinics=[ward.clinic]) as here,
        Watcher(desk, clinics=[ward.clinic, far.clinic]) as both,
        Watcher(desk, patient=first.patient) as patient,
        Watcher(desk, course=second.course) as course,
        Watcher(desk, clinics=[far.clinic], patient=first.patient) as neither,
    ):
        for session in (first, second, far.sessions[0]):
            await desk.confirm(session)
        assert names(await here.caught_up()) == [first.name, second.name]
        assert names(await both.caught_up()) == [first.name, second.name, far.sessions[0].name]
        assert names(await patient.caught_up()) == [first.name]
        assert names(await course.caught_up()) == [second.name]
        assert names(await neither.caught_up()) == []


async def test_a_session_that_moves_to_another_clinic_is_told_at_both(desk) -> None:
    ward = await floor(desk)
    far = await desk.open_clinic(rooms=1, key="far")
    session = ward.sessions[0]
    here = {"clinics": [ward.clinic]}
    async with Watcher(desk, **here) as left, Watcher(desk, clinics=[far.clinics[0].name]) as entered:
        begun = left.position
        moved = await desk.move(session, TUESDAY + WEEK, room=far.rooms[0].name)
        assert list(await left.caught_up()) == list(await entered.caught_up()) == [moved]
        assert moved.clinic == far.clinics[0].name
        confirmed = await desk.confirm(moved)
        assert (await entered.caught_up())[1:] == [confirmed]
        assert list(await left.caught_up()) == [moved]
    # Who comes back later is told that it left, although only later changes of it can be read together.
    async with Watcher(desk, position=begun, **here) as left:
        assert list(await left.caught_up()) == [confirmed]


async def test_a_supervisor_handed_over_by_plain_sql_is_told(desk) -> None:
    ward = await floor(desk, 1)
    supervisors = {one.name for one in ward.opened.practitioners}
    now = ward.sessions[0].supervisions[0].practitioner
    (other,) = supervisors - {now}
    async with Watcher(desk) as watcher:
        await desk.execute("update supervision set practitioner_id = :other", other=UUID(other.partition("/")[2]))
        (told,) = await watcher.caught_up()
        assert [one.practitioner for one in told.supervisions] == [other]


async def test_those_that_come_later_in_the_course_are_told_that_their_place_changed(desk) -> None:
    opened = await desk.open_clinic()
    course = await desk.active_course(opened.patients[0].name)
    series = await desk.book_series(course, opened.rooms[0].name, TUESDAY, count=4)
    async with Watcher(desk) as watcher:
        await desk.cancel(series[1])
        told = await watcher.caught_up()
        assert {one.name: one.ordinal for one in told[1:]} == {series[2].name: 2, series[3].name: 3}
        assert told[0].name == series[1].name


async def test_an_update_that_changes_nothing_is_not_told(desk) -> None:
    await floor(desk)
    async with Watcher(desk) as watcher:
        assert await desk.execute("update session set state = state, update_time = update_time") == 3
        assert await desk.execute("update supervision set practitioner_id = practitioner_id, lane = lane") == 3
        await watcher.caught_up()
        await watcher.heartbeats(2)
        assert watcher.told == []
    noted = await desk.execute("select session_id from session_change")
    assert len(noted) == 3  # a booking is noted once, with its supervision


async def test_another_organization_is_told_nothing(desk, database, clock) -> None:
    stranger = Desk(database, clock)
    ward, theirs = await floor(desk), await floor(stranger)
    async with Watcher(stranger) as watcher, Watcher(stranger, clinics=[ward.clinic]) as curious:
        await desk.confirm(ward.sessions[0])
        confirmed = await stranger.confirm(theirs.sessions[0])
        assert list(await watcher.caught_up()) == [confirmed]
        assert list(await curious.caught_up()) == []


async def test_one_watcher_too_many_is_refused_until_another_leaves(desk) -> None:
    service = replica(desk, maximum_watchers=2)
    async with Watcher(desk, service):
        async with Watcher(desk, service):
            with pytest.raises(ResourceExhaustedError) as refusal:
                await first_message(desk, service)
            assert refusal.value.reason == "TOO_MANY_WATCHERS"
        await first_message(desk, service)


async def test_a_review_tells_that_later_sessions_are_tentative_no_more(desk) -> None:
    course = await CourseDesk.open(desk)
    series = await course.series(5)
    for session in series[:3]:
        await course.take(session)
    async with Watcher(desk) as watcher:
        await course.review(CONTINUE, reason="steady")
        told = await watcher.caught_up()
        assert {one.name: one.tentative for one in told} == {series[3].name: False, series[4].name: False}
