"""Watchers of sessions as a test needs them: read in the background, at a replica of their own or at a shared one."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self

from kat.scheduler.v1 import session_pb2
from services.runtime.auth import calling_as
from services.runtime.database import Database
from services.runtime.writes import Writer
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.servicers.calls import Calls
from services.scheduler.servicers.session import SessionServicer
from services.scheduler.session_feed import SessionFeeds
from services.scheduler.storage.protocols import ProtocolVersions
from services.scheduler.storage.tables import RUNTIME_TABLES
from services.scheduler.storage.unit import PostgresUnit
from tests.integration.scheduler.desk import Desk

PATIENCE = 10


def replica(desk: Desk, *, database: Database | None = None, maximum_watchers: int = 100) -> SessionServicer:
    """Another replica of the service, with a reader of its own, which tells of its life all the time."""

    def unit(connection, organization_id) -> PostgresUnit:
        return PostgresUnit(connection, organization_id, desk.events(connection, organization_id), ProtocolVersions())

    used = database or desk.database
    calls = Calls(used, Writer(used, RUNTIME_TABLES), unit)
    feeds = SessionFeeds(
        calls.reading_of, watch_seconds=0.01, heartbeat_seconds=0.05, maximum_watchers=maximum_watchers
    )
    return SessionServicer(calls, desk.clock, SchedulingPolicy(), feeds)


class Watcher:
    """One stream; `told` is every message with a session, `position` the last that was told."""

    def __init__(self, desk: Desk, servicer: SessionServicer | None = None, **request: Any) -> None:
        self._desk = desk
        self._servicer = servicer or replica(desk)
        self._request = session_pb2.WatchSessionsRequest(**request)
        self._came = asyncio.Condition()
        self.positions: list[str] = []
        self.told: list[session_pb2.WatchSessionsResponse] = []

    async def __aenter__(self) -> Self:
        if (
            not self._request.position
        ):  # else another database's transaction may put earlier changes off until after this
            await settled(self._desk)
        self._task = asyncio.create_task(self._read())
        await self.until(lambda: self.positions)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _read(self) -> None:
        with calling_as(self._desk.caller):
            async for message in self._servicer.WatchSessions(self._request, None):
                async with self._came:
                    self.positions.append(message.position)
                    if message.HasField("session"):
                        self.told.append(message)
                    self._came.notify_all()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds; raise what the stream ended with."""

        async def holds() -> None:
            async with self._came:
                await self._came.wait_for(condition)

        waiting = asyncio.create_task(holds())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            self._task.result()
        await waiting

    async def heartbeats(self, count: int) -> None:
        """Wait for some messages without a session."""
        before = len(self.positions) - len(self.told)
        await self.until(lambda: len(self.positions) - len(self.told) >= before + count)

    async def caught_up(self) -> Sequence[session_pb2.Session]:
        """Wait until all that was committed is told, and return the sessions in the order in which they were."""
        newest = await settled(self._desk)
        await self.until(lambda: self.positions[-1] == newest)
        return [message.session for message in self.told]

    @property
    def position(self) -> str:
        return self.positions[-1]


async def settled(desk: Desk) -> str:
    """Wait until nothing that was committed waits for another transaction; return the newest position."""
    unsettled = """select count(*) from session_change
        where transaction_id >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint"""
    async with asyncio.timeout(PATIENCE):
        while (await desk.execute(unsettled))[0][0]:
            await asyncio.sleep(0.01)
    return await position_now(desk)


async def position_now(desk: Desk) -> str:
    """The first message of a stream: where it begins."""
    return (await first_message(desk)).position


async def first_message(
    desk: Desk, servicer: SessionServicer | None = None, **request: Any
) -> session_pb2.WatchSessionsResponse:
    with calling_as(desk.caller):
        stream = (servicer or replica(desk)).WatchSessions(session_pb2.WatchSessionsRequest(**request), None)
        message = await anext(stream)
        await stream.aclose()
        return message
