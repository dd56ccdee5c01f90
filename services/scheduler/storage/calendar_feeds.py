"""Calendar feeds in PostgreSQL, and the sessions that they show."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.actor import Actor
from services.scheduler.domain.calendar_feed import ENDED_STATES, CalendarFeed, Occupation
from services.scheduler.domain.interval import Interval
from services.scheduler.ports.calendar_feeds import FeedFilter, FoundFeed
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.storage import tables
from services.scheduler.storage.statements import listing, one
from services.scheduler.storage.tables import table_of

_FEED = table_of(tables.CalendarFeed)
_PRACTITIONER = table_of(tables.Practitioner)
_ROOM = table_of(tables.Room)
_SESSION = table_of(tables.Session)
_SUPERVISION = table_of(tables.Supervision)

_DAY = timedelta(days=1)
"""Sessions are within a day: lets an index on the start do the work."""
_SHOWN = (
    _SESSION.c.session_id,
    _SESSION.c.time_zone,
    _SESSION.c.state,
    _SESSION.c.revision,
    _SESSION.c.update_time,
    _ROOM.c.title,
)


async def find_feed(connection: AsyncConnection, token_digest: bytes) -> FoundFeed | None:
    """Return the feed of a token, in a worker's transaction; None where there is none or it was revoked."""
    row = (await connection.execute(select(_FEED).where(_FEED.c.token_digest == token_digest))).one_or_none()
    if row is None or row.revoke_time is not None:
        return None
    return FoundFeed(row.organization_id, _feed(row))


class PostgresCalendarFeeds:
    """`CalendarFeedRepository` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def add(self, feed: CalendarFeed) -> None:
        """See the port."""
        statement = insert(_FEED).values(
            organization_id=self._organization_id,
            calendar_feed_id=feed.calendar_feed_id,
            practitioner_id=feed.practitioner_id,
            room_id=feed.room_id,
            token_digest=feed.token_digest,
            creator=asdict(feed.creator),
            create_time=feed.create_time,
        )
        await self._connection.execute(statement)

    async def lock(self, calendar_feed_id: UUID) -> CalendarFeed:
        """See the port."""
        statement = select(_FEED).where(_FEED.c.calendar_feed_id == calendar_feed_id).with_for_update()
        return _feed(await one(self._connection, statement, "calendarFeeds", calendar_feed_id))

    async def save_revocation(self, feed: CalendarFeed) -> None:
        """See the port."""
        statement = update(_FEED).where(_FEED.c.calendar_feed_id == feed.calendar_feed_id)
        revoker = asdict(feed.revoker) if feed.revoker else None
        await self._connection.execute(statement.values(revoke_time=feed.revoke_time, revoker=revoker))

    async def page(self, page: Page, wanted: FeedFilter) -> Listing[CalendarFeed]:
        """See the port."""
        statement = select(_FEED)
        if wanted.practitioner_id is not None:
            statement = statement.where(_FEED.c.practitioner_id == wanted.practitioner_id)
        if wanted.room_id is not None:
            statement = statement.where(_FEED.c.room_id == wanted.room_id)
        if wanted.subject is not None:
            of_feed = _PRACTITIONER.c.practitioner_id == _FEED.c.practitioner_id
            statement = statement.where(exists().where(of_feed, _PRACTITIONER.c.subject == wanted.subject))
        return await listing(self._connection, statement, (_FEED.c.calendar_feed_id,), page, _feed, descending=True)

    async def supervised(self, practitioner_id: UUID, within: Interval) -> list[Occupation]:
        """See the port."""
        start, end = _SUPERVISION.c.start_time, _SUPERVISION.c.end_time
        statement = (
            select(*_SHOWN, start.label("start"), end.label("end"))
            .join_from(_SUPERVISION, _SESSION, _SUPERVISION.c.session_id == _SESSION.c.session_id)
            .join(_ROOM, _ROOM.c.room_id == _SESSION.c.room_id)
            .where(
                _SUPERVISION.c.practitioner_id == practitioner_id,
                start > within.start - _DAY,
                start < within.end + _DAY,
                _SESSION.c.end_time > within.start,
                _SESSION.c.start_time < within.end,
            )
        )
        return await self._occupations(statement)

    async def held_in_room(self, room_id: UUID, within: Interval) -> list[Occupation]:
        """See the port."""
        start, end = _SESSION.c.start_time, _SESSION.c.release_time
        statement = (
            select(*_SHOWN, start.label("start"), end.label("end"))
            .join_from(_SESSION, _ROOM, _ROOM.c.room_id == _SESSION.c.room_id)
            .where(_SESSION.c.room_id == room_id, start > within.start - _DAY, start < within.end, end > within.start)
        )
        return await self._occupations(statement)

    async def _occupations(self, statement: Select[Any]) -> list[Occupation]:
        shown = statement.where(_SESSION.c.live, _SESSION.c.state.not_in(ENDED_STATES))
        return [_occupation(row) for row in await self._connection.execute(shown)]


def _occupation(row: Row[Any]) -> Occupation:
    return Occupation(
        session_id=row.session_id,
        interval=Interval(row.start, row.end),
        time_zone=row.time_zone,
        room_title=row.title,
        state=row.state,
        revision=row.revision,
        update_time=row.update_time,
    )


def _feed(row: Row[Any]) -> CalendarFeed:
    return CalendarFeed(
        calendar_feed_id=row.calendar_feed_id,
        practitioner_id=row.practitioner_id,
        room_id=row.room_id,
        token_digest=row.token_digest,
        creator=_actor(row.creator),
        create_time=row.create_time,
        revoker=_actor(row.revoker) if row.revoker else None,
        revoke_time=row.revoke_time,
    )


def _actor(stored: dict[str, Any]) -> Actor:
    return Actor(**{**stored, "roles": tuple(stored["roles"])})
