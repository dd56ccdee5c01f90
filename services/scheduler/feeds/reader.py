"""From a token to what its feed shows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.clock import Clock
from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.scheduler.domain.calendar_feed import FeedEntry, token_digest
from services.scheduler.ports.calendar_feeds import FoundFeed
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.calendar_feeds import read_calendar_feed

FindFeed = Callable[[AsyncConnection, bytes], Awaitable[FoundFeed | None]]
UnitMaker = Callable[[AsyncConnection, UUID], UnitOfWork]


@dataclass(frozen=True, slots=True)
class ReadFeed:
    """A feed's id and what it shows."""

    calendar_feed_id: UUID
    entries: list[FeedEntry]


class FeedReader:
    """Reads feeds.

    Args:
        find: finds the feed of a token's digest, in a worker's transaction.
        unit: makes the unit of work of a connection inside a transaction of an organization.
    """

    def __init__(self, database: Database, find: FindFeed, unit: UnitMaker, clock: Clock) -> None:
        self._database = database
        self._find = find
        self._unit = unit
        self._clock = clock

    async def read(self, token: str) -> ReadFeed | None:
        """Return what the feed of a token shows; None where there is none, or it was revoked.

        The feed is looked up in the scope of a worker, since whoever asks names no organization. Its sessions are read
        in a transaction of its organization, which sees no others.

        Raises:
            DomainError: the database is away or busy.
        """
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            found = await self._find(connection, token_digest(token))
        if found is None:
            return None
        async with self._database.transaction(found.organization_id) as connection:
            unit = self._unit(connection, found.organization_id)
            return ReadFeed(found.feed.calendar_feed_id, await read_calendar_feed(found.feed, unit, self._clock))
