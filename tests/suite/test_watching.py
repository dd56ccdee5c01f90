"""Consoles that watch sessions while the scheduler is killed under them."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pytest

from kat.scheduler.v1 import roster_pb2, session_pb2
from services.cli.clients import channels
from services.cli.commands.output import OUT
from services.cli.data_folder import DataFolder
from services.cli.demo.account import Account
from services.cli.demo.booking import enroll, local_time
from services.cli.demo.cast import Cast, gather
from services.cli.demo.stage import Stage
from services.runtime.channel import bearer
from tests.support.postgres import reachable_folder
from tests.support.suite import SuiteProcess

WEEKS = 4
PATIENCE = 60


@pytest.fixture
def fresh() -> Iterator[SuiteProcess]:
    with reachable_folder() as folder:
        process = SuiteProcess(DataFolder(folder / "data"))
        process.start()
        yield process
        process.stop()


class Console:
    """Watches one clinic, and takes up again where it was, whatever ends its stream."""

    def __init__(self, stage: Stage, cast: Cast) -> None:
        self._stage = stage
        self._cast = cast
        self.position = ""
        self.breaks = 0
        self.told: list[str] = []
        self.view: dict[str, session_pb2.Session] = {}

    async def watch(self) -> None:
        while True:
            request = session_pb2.WatchSessionsRequest(clinics=[self._cast.clinic.name], position=self.position)
            metadata = bearer(self._cast.front_desk.token)
            try:
                async for message in self._stage.sessions.WatchSessions(request, timeout=600, metadata=metadata):
                    self._take(message)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            self.breaks += 1
            await asyncio.sleep(0.05)

    def _take(self, message: session_pb2.WatchSessionsResponse) -> None:
        self.position = message.position
        if message.HasField("session"):
            self.told.append(message.session.name)
            self.view[message.session.name] = message.session


async def book(stage: Stage, cast: Cast, courses: list[str], room: str, weeks: range) -> list[Any]:
    """Book a session a week in each course, each on a weekday of its own, the courses at once."""
    monday = stage.now().date() + timedelta(days=14 - stage.now().weekday())

    async def in_turn(weekday: int, course: str) -> list[Any]:
        sessions = []
        for week in weeks:
            day = monday + timedelta(days=weekday, weeks=week)
            booking = session_pb2.Booking(course=course, room=room, arrival=local_time(f"{day}T10:00:00"))
            request = session_pb2.BookSessionRequest(booking=booking)
            sessions.append(await stage.call(stage.sessions.BookSession, request, cast.front_desk))
        return sessions

    booked = await asyncio.gather(*(in_turn(weekday, course) for weekday, course in enumerate(courses)))
    return [session for sessions in booked for session in sessions]


async def test_consoles_miss_nothing_while_the_scheduler_is_killed_again_and_again(fresh: SuiteProcess) -> None:
    async with channels(fresh.data) as opened:
        stage = Stage(fresh.data, opened)
        account = Account(ZoneInfo("UTC"))
        with OUT.capture():
            cast = await gather(stage, account)
            request = roster_pb2.ListPatientsRequest(clinic=cast.clinic.name, page_size=5)
            patients = (await stage.call(stage.roster.ListPatients, request, cast.front_desk)).patients
            courses = [(await enroll(stage, account, cast, patient, "patient")).name for patient in patients]
        listed = roster_pb2.ListRoomsRequest(clinic=cast.clinic.name)
        room = (await stage.call(stage.roster.ListRooms, listed, cast.front_desk)).rooms[0].name
        consoles = [Console(stage, cast) for _ in range(3)]
        watching = [asyncio.create_task(console.watch()) for console in consoles]
        await _until(lambda: all(console.position for console in consoles))
        first = asyncio.create_task(book(stage, cast, courses, room, range(WEEKS // 2)))
        await _until(lambda: any(console.told for console in consoles))
        await _kill(fresh, consoles)
        booked = await first
        second = asyncio.create_task(book(stage, cast, courses, room, range(WEEKS // 2, WEEKS)))
        await _kill(fresh, consoles)
        booked += await second
        await _until(lambda: all(len(console.view) == len(booked) for console in consoles))
        orders = [list(console.told) for console in consoles]
        for session in booked[::2]:
            confirmation = session_pb2.ConfirmSessionRequest(name=session.name, etag=session.etag)
            await stage.call(stage.sessions.ConfirmSession, confirmation, cast.front_desk)
        stand = {session.name: await _get(stage, cast, session.name) for session in booked}
        await _until(lambda: all(console.view == stand for console in consoles))
        for task in watching:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    # Each changed once while it was watched under kills: all were told once, in one order.
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == sorted(stand)
    assert len(stand) == 5 * WEEKS


async def _kill(suite: SuiteProcess, consoles: list[Console]) -> None:
    before = [console.breaks for console in consoles]
    suite.kill_service("scheduler")
    await _until(lambda: all(console.breaks > count for console, count in zip(consoles, before, strict=True)))


async def _get(stage: Stage, cast: Cast, name: str) -> session_pb2.Session:
    return await stage.call(stage.sessions.GetSession, session_pb2.GetSessionRequest(name=name), cast.front_desk)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)
