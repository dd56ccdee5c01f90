"""Watchers of sessions: one reader for each organization that is watched, however many watch it.

The reader looks into the database again and again, and keeps the last batches that it read in memory. Each watcher goes
through them at its own pace; one that is further back, since it comes back after a break or reads slowly, reads by
itself what it missed. So no watcher slows another or makes anything grow, and none holds a connection while it waits.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.runtime.errors import DomainError
from services.scheduler.domain.changes import EVERYTHING, Batch, Position, Teller, Watched
from services.scheduler.domain.session import Session
from services.scheduler.errors import PositionExpiredError, TooManyWatchersError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.watching import read_changes

READS_AT_ONCE = 2
"""Connections that all readers and watchers together use at most, of the few that there are."""
BATCHES_KEPT = 16

Reading = Callable[[UUID], AbstractAsyncContextManager[UnitOfWork]]
_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """What a watcher is told: that everything up to a position was told, and the session that this was the last of."""

    position: Position
    session: Session | None = None


class _Feed:
    """The last that was read of one organization's changes; `position` is None until the first look."""

    reader: asyncio.Task[None]

    def __init__(self) -> None:
        self.watchers = 0
        self.position: Position | None = None
        self._batches: deque[Batch] = deque(maxlen=BATCHES_KEPT)
        self._news = asyncio.Event()
        self._fault: Exception | None = None
        self._abandoned = asyncio.Event()

    def begin(self, position: Position) -> None:
        """Note from where on changes are read here; a watcher who is further back has to read what lies between."""
        self.position = position
        self._wake()

    def add(self, batch: Batch) -> None:
        """Take in what was read, and wake the watchers."""
        self.position = batch.until
        if batch.until != batch.after:
            self._batches.append(batch)
            self._wake()

    def fail(self, fault: Exception) -> None:
        """End every watcher with this error."""
        self._fault = fault
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def reaches(self, position: Position) -> bool:
        """Say whether all that follows a position is here or still to come."""
        first = self._batches[0].after if self._batches else self.position
        return first is None or first.place <= position.place

    def following(self, position: Position) -> Batch | None:
        """Return the batch that goes on from a position."""
        return next((batch for batch in self._batches if position.place < batch.until.place), None)

    async def wait(self, seconds: float) -> None:
        """Wait for news, so long at most. Raises what the reader ended with."""
        if self._fault is None:
            # Not wait_for, which before Python 3.12 loses a cancellation that comes together with the news.
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        if self._fault is not None:
            raise self._fault

    def leave(self) -> None:
        """Count a watcher out; without one the reader ends."""
        self.watchers -= 1
        if not self.watchers:
            self._abandoned.set()

    async def rest(self, seconds: float) -> None:
        """Wait between two looks, or until nobody watches any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._abandoned.wait()


class SessionFeeds:
    """Tells watchers of changes of sessions.

    Args:
        reading: opens a unit of work of an organization.
        watch_seconds: how long the readers rest between two looks.
        heartbeat_seconds: after so long without news a watcher is told its position.
        maximum_watchers: at once.
    """

    def __init__(
        self, reading: Reading, *, watch_seconds: float, heartbeat_seconds: float, maximum_watchers: int
    ) -> None:
        self._reading = reading
        self._watch_seconds = watch_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._maximum_watchers = maximum_watchers
        self._watchers = 0
        self._feeds: dict[UUID, _Feed] = {}
        self._reads = asyncio.Semaphore(READS_AT_ONCE)

    async def watch(
        self, organization_id: UUID, watched: Watched, position: Position | None
    ) -> AsyncGenerator[Told, None]:
        """Tell of what follows a position, or of what comes from now on; the position first, then without an end.

        Raises:
            PositionExpiredError: it is not known any more what followed the position.
            TooManyWatchersError: no more can watch at once.
            DomainError: the database was away for longer than a heartbeat.
        """
        with self._admitted():
            missed = await self._read(organization_id, position, watched) if position else None
            teller = Teller(watched, position or await self._latest(organization_id))
            yield Told(teller.position)
            async with self._joined(organization_id) as feed:
                async for told in self._tell(organization_id, feed, teller, missed):
                    yield told

    async def _tell(
        self, organization_id: UUID, feed: _Feed, teller: Teller, batch: Batch | None
    ) -> AsyncGenerator[Told, None]:
        now = asyncio.get_running_loop().time
        due = now() + self._heartbeat_seconds
        while True:
            for session in teller.tell(batch) if batch else ():
                yield Told(teller.position, session)
                due = now() + self._heartbeat_seconds
            if now() >= due:
                yield Told(teller.position)
                due = now() + self._heartbeat_seconds
            if feed.reaches(teller.position):
                batch = feed.following(teller.position)
                if batch is None:
                    await feed.wait(due - now())
            else:
                batch = await self._read(organization_id, teller.position, teller.watched)

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._watchers >= self._maximum_watchers:
            raise TooManyWatchersError
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    @asynccontextmanager
    async def _joined(self, organization_id: UUID) -> AsyncIterator[_Feed]:
        """Take part in the feed of an organization, which begins with its first watcher and ends with its last."""
        feed = self._feeds.get(organization_id)
        if feed is None:
            feed = self._feeds[organization_id] = _Feed()
            feed.reader = asyncio.create_task(self._keep_reading(organization_id, feed))
        feed.watchers += 1
        try:
            yield feed
        finally:
            feed.leave()
            if not feed.watchers:
                self._remove(organization_id, feed)
                # Its last look ends in a moment; nothing may use the database after those who watch have left.
                await asyncio.wait({feed.reader})

    def _remove(self, organization_id: UUID, feed: _Feed) -> None:
        if self._feeds.get(organization_id) is feed:
            del self._feeds[organization_id]

    async def _keep_reading(self, organization_id: UUID, feed: _Feed) -> None:
        """Read what is new until nobody watches; where the database stays away, end those who do."""
        now = asyncio.get_running_loop().time
        read_at = now()
        while feed.watchers:
            full = False
            try:
                full = await self._look(organization_id, feed)
                read_at = now()
            except Exception as error:  # noqa: BLE001 - whatever it is, those who watch must not wait for ever
                passes = isinstance(error, DomainError) and not isinstance(error, PositionExpiredError)
                if not passes or now() - read_at > self._heartbeat_seconds:
                    self._remove(organization_id, feed)
                    feed.fail(error)
                    return
                _LOG.warning("watch_delayed", organization_id=organization_id, exc_info=True)
            if not full:
                await feed.rest(self._watch_seconds)

    async def _look(self, organization_id: UUID, feed: _Feed) -> bool:
        """Read what is new; say whether there may be more."""
        if feed.position is None:
            feed.begin(await self._latest(organization_id))
            return True
        batch = await self._read(organization_id, feed.position, EVERYTHING)
        feed.add(batch)
        return batch.full

    async def _latest(self, organization_id: UUID) -> Position:
        async with self._reads, self._reading(organization_id) as unit:
            return await unit.changes.latest()

    async def _read(self, organization_id: UUID, after: Position, watched: Watched) -> Batch:
        async with self._reads, self._reading(organization_id) as unit:
            return await read_changes(after, watched, unit)
