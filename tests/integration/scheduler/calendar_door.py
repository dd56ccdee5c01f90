"""The calendar door as a calendar program meets it: real HTTP on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from kat.scheduler.v1 import calendar_pb2
from services.scheduler.feeds.door import CalendarDoor
from services.scheduler.feeds.limits import RateLimit
from services.scheduler.feeds.listener import CalendarListener
from services.scheduler.feeds.reader import FeedReader
from services.scheduler.storage.calendar_feeds import find_feed
from tests.integration.scheduler.desk import Desk
from tests.support.logs import capture_logs


class Answer:
    """What came back."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body


class Door:
    """A door that is open, and a client before it."""

    def __init__(self, client: aiohttp.ClientSession, listener: CalendarListener, registry: CollectorRegistry) -> None:
        self._client = client
        self.listener = listener
        self.port = listener.port
        self.registry = registry

    async def ask(self, path: str, *, method: str = "GET", scheme: str = "http", **options: Any) -> Answer:
        """Ask for a path, or for the path of an address."""
        path = path.removeprefix("http://127.0.0.1")
        address = f"{scheme}://127.0.0.1:{self.port}{path}"
        async with self._client.request(method, address, allow_redirects=False, **options) as response:
            return Answer(response, await response.read())


@asynccontextmanager
async def open_door(
    desk: Desk, *, clients: int = 10_000, tokens: int = 10_000, reader: Any = None, **options: Any
) -> AsyncIterator[Door]:
    capture_logs()
    registry = CollectorRegistry()
    door = CalendarDoor(
        reader or FeedReader(desk.database, find_feed, desk.unit, desk.clock),
        registry,
        clients=RateLimit(clients, standing_clock),
        tokens=RateLimit(tokens, standing_clock),
        proxies=options.pop("proxies", frozenset()),
    )
    listener = CalendarListener("127.0.0.1:0", door.answer, **{"drain_seconds": 5, **options})
    await listener.start()
    try:
        async with aiohttp.ClientSession() as client:
            yield Door(client, listener, registry)
    finally:
        await listener.stop()


def standing_clock() -> float:
    """No time passes for the limits: what is refused stays refused."""
    return 0.0


async def feed_of(desk: Desk, **subject: str) -> calendar_pb2.CalendarFeed:
    return await desk.call(desk.calendars.CreateCalendarFeed, calendar_pb2.CreateCalendarFeedRequest(**subject))


async def revoke(desk: Desk, feed: calendar_pb2.CalendarFeed) -> calendar_pb2.CalendarFeed:
    request = calendar_pb2.RevokeCalendarFeedRequest(name=feed.name)
    return await desk.call(desk.calendars.RevokeCalendarFeed, request)


async def feeds(desk: Desk, **wanted: Any) -> list[calendar_pb2.CalendarFeed]:
    request = calendar_pb2.ListCalendarFeedsRequest(**wanted)
    return list((await desk.call(desk.calendars.ListCalendarFeeds, request)).calendar_feeds)
