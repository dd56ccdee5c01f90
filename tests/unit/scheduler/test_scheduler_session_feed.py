"""One reader for all who watch an organization: what it holds, what it costs, and how it fails."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from services.runtime.errors import UnavailableError
from services.runtime.identifiers import new_id
from services.scheduler.domain.changes import EVERYTHING, Position, SessionChange
from services.scheduler.session_feed import BATCHES_KEPT, SessionFeeds, Told
from services.scheduler.use_cases.watching import BATCH

ORGANIZATION, FEED, SOMETHING = new_id(), new_id(), new_id()


@dataclass(frozen=True)
class Standing:
    session_id: UUID
    version: int


class Book:
    """Changes in memory, each of a session of its own, behind the ports that reading them needs."""

    def __init__(self) -> None:
        self.changes: list[SessionChange] = []
        self.opened = self.open = self.most_open = 0
        self.fault: Exception | None = None
        self.sessions = self.unit = self

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            place = len(self.changes) + 1
            self.changes.append(
                SessionChange(
                    position=Position(FEED, place, place, place),
                    session_id=UUID(int=place),
                    patient_id=SOMETHING,
                    course_id=SOMETHING,
                    clinic_ids=frozenset({SOMETHING}),
                )
            )

    @asynccontextmanager
    async def reading(self, organization_id: UUID) -> AsyncIterator[Any]:
        assert organization_id == ORGANIZATION
        self.opened, self.open = self.opened + 1, self.open + 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(0)
            if self.fault is not None:
                raise self.fault
            yield _Unit(self)
        finally:
            self.open -= 1


class _Unit:
    def __init__(self, book: Book) -> None:
        self._book = book
        self.changes = self.sessions = self

    async def latest(self) -> Position:
        return self._book.changes[-1].position if self._book.changes else Position.before_all(FEED)

    async def after(self, position: Position, limit: int) -> list[SessionChange]:
        return self._book.changes[position.change_id :][:limit]

    async def standing(self, session_ids: Collection[UUID]) -> list[Standing]:
        return [Standing(session_id, 1) for session_id in session_ids]

    async def pending(self, session_ids: Collection[UUID], position: Position) -> frozenset[UUID]:
        return frozenset()


def feeds_of(book: Book, *, heartbeat_seconds: float = 30, watch_seconds: float = 0.001) -> SessionFeeds:
    return SessionFeeds(
        book.reading, watch_seconds=watch_seconds, heartbeat_seconds=heartbeat_seconds, maximum_watchers=100
    )


async def told_until(stream: AsyncIterator[Told], place: int) -> list[int]:
    """The places of the sessions told, up to this one."""
    found: list[int] = []
    async with asyncio.timeout(20):
        async for told in stream:
            found += [told.session.session_id.int] if told.session else []
            if told.position.change_id == place:
                return found
    raise AssertionError("the stream ended")


async def test_many_watchers_cost_the_database_as_much_as_one() -> None:
    book = Book()
    feeds = feeds_of(book)
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(aclosing(feeds.watch(ORGANIZATION, EVERYTHING, None))) for _ in range(50)
        ]
        for stream in streams:
            await anext(stream)
        waiting = [asyncio.create_task(told_until(stream, 3)) for stream in streams]
        while ORGANIZATION not in feeds._feeds or feeds._feeds[ORGANIZATION].position is None:
            await asyncio.sleep(0)
        joined = book.opened
        book.write(3)
        assert await asyncio.gather(*waiting) == [[1, 2, 3]] * 50
        assert book.opened - joined < 10
        assert book.most_open <= 2


async def test_the_reader_ends_with_the_last_watcher_and_begins_with_the_next() -> None:
    book = Book()
    feeds = feeds_of(book)
    for _ in range(2):
        async with aclosing(feeds.watch(ORGANIZATION, EVERYTHING, None)) as stream:
            await anext(stream)
            waiting = asyncio.create_task(anext(stream))
            await asyncio.sleep(0.01)
            feed = feeds._feeds[ORGANIZATION]
            book.write()
            await waiting
        assert feeds._feeds == {}
        assert feed.reader.done()
        assert book.open == 0


async def test_a_watcher_who_waits_holds_no_unit_of_work() -> None:
    book = Book()
    async with aclosing(feeds_of(book, watch_seconds=60).watch(ORGANIZATION, EVERYTHING, None)) as stream:
        await anext(stream)
        waiting = asyncio.create_task(anext(stream))
        async with asyncio.timeout(5):
            while book.opened < 3 or book.open:
                await asyncio.sleep(0.001)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_slow_watcher_misses_nothing_slows_nobody_and_makes_nothing_grow() -> None:
    book = Book()
    feeds = feeds_of(book)
    async with (
        aclosing(feeds.watch(ORGANIZATION, EVERYTHING, None)) as slow,
        aclosing(feeds.watch(ORGANIZATION, EVERYTHING, None)) as quick,
    ):
        await anext(slow)
        await anext(quick)
        told: list[int] = []
        for place in range(1, 5 * BATCHES_KEPT + 1):
            book.write()
            told += await told_until(quick, place)
        assert told == list(range(1, len(book.changes) + 1))
        assert len(feeds._feeds[ORGANIZATION]._batches) <= BATCHES_KEPT
        assert await told_until(slow, len(book.changes)) == told
        book.write()
        assert await told_until(slow, len(book.changes)) == [len(book.changes)]


async def test_what_was_missed_in_a_long_break_is_read_in_parts() -> None:
    book = Book()
    book.write(3 * BATCH + 7)
    begin = Position.before_all(FEED)
    async with aclosing(feeds_of(book).watch(ORGANIZATION, EVERYTHING, begin)) as stream:
        assert (await anext(stream)).position == begin
        assert await told_until(stream, len(book.changes)) == list(range(1, len(book.changes) + 1))


async def test_a_short_absence_of_the_database_is_waited_out() -> None:
    book = Book()
    async with aclosing(feeds_of(book).watch(ORGANIZATION, EVERYTHING, None)) as stream:
        await anext(stream)
        book.fault = UnavailableError("away", reason="DATABASE_AWAY")
        book.write()
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.02)
        book.fault = None
        assert (await asyncio.wait_for(waiting, 5)).session == Standing(UUID(int=1), 1)


@pytest.mark.parametrize(
    ("fault", "heartbeat_seconds"), [(UnavailableError("away", reason="DATABASE_AWAY"), 0.05), (ValueError("x"), 30)]
)
async def test_a_long_absence_and_any_defect_end_all_who_watch(fault: Exception, heartbeat_seconds: float) -> None:
    book = Book()
    feeds = feeds_of(book, heartbeat_seconds=heartbeat_seconds)

    async def watch() -> None:
        async for _ in feeds.watch(ORGANIZATION, EVERYTHING, None):
            watching.release()

    watching = asyncio.Semaphore(0)
    streams = [asyncio.create_task(watch()) for _ in range(3)]
    for _ in streams:
        await watching.acquire()
    book.fault = fault
    ended = await asyncio.wait_for(asyncio.gather(*streams, return_exceptions=True), 10)
    assert ended == [fault] * 3
    assert feeds._feeds == {}
    book.fault = None
    async with aclosing(feeds.watch(ORGANIZATION, EVERYTHING, None)) as stream:
        await anext(stream)
        book.write()
        assert await told_until(stream, 1) == [1]


async def test_a_quiet_stream_tells_that_it_lives() -> None:
    book = Book()
    async with aclosing(feeds_of(book, heartbeat_seconds=0.01).watch(ORGANIZATION, EVERYTHING, None)) as stream:
        heartbeats = [await asyncio.wait_for(anext(stream), 5) for _ in range(3)]
    assert heartbeats == [Told(Position.before_all(FEED))] * 3


@pytest.mark.parametrize("ticks", range(6))
async def test_a_watcher_who_leaves_at_the_moment_of_news_has_left(ticks: int) -> None:
    book = Book()
    feeds = feeds_of(book, watch_seconds=60)
    async with aclosing(feeds.watch(ORGANIZATION, EVERYTHING, None)) as stream:
        begun = (await anext(stream)).position
        waiting = asyncio.create_task(anext(stream))
        async with asyncio.timeout(5):
            while book.opened < 3 or book.open:
                await asyncio.sleep(0.001)
        feeds._feeds[ORGANIZATION].begin(begun)  # wakes the watcher, who finds nothing and waits again
        for _ in range(ticks):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 5)
    assert feeds._feeds == {}
