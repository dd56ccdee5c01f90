"""CalendarService."""

from typing import Any

import grpc

from kat.scheduler.v1 import calendar_pb2
from kat.scheduler.v1.calendar_pb2_grpc import CalendarServiceServicer
from services.runtime.auth import current_caller
from services.runtime.clock import Clock
from services.scheduler.convert import calendar_feed as convert
from services.scheduler.convert.common import page_of, resource
from services.scheduler.domain.calendar_feed import FeedAddresses
from services.scheduler.errors import CalendarFeedsOffError
from services.scheduler.servicers.calls import Calls
from services.scheduler.use_cases import calendar_feeds

Context = grpc.aio.ServicerContext[Any, Any]


class CalendarServicer(CalendarServiceServicer):
    """Serves the making and revoking of calendar feeds; the feeds themselves are served by HTTP.

    Args:
        addresses: of feeds; None where they are not set up.
    """

    def __init__(self, calls: Calls, clock: Clock, addresses: FeedAddresses | None) -> None:
        self._calls = calls
        self._clock = clock
        self._addresses = addresses

    async def CreateCalendarFeed(  # noqa: N802 - the contract's name
        self, request: calendar_pb2.CreateCalendarFeedRequest, _context: Context
    ) -> calendar_pb2.CalendarFeed:
        """Make a feed. Its address is added to the answer that is kept for a retry, which does not hold it."""
        command, actor, addresses = convert.new_feed(request), current_caller().actor, self._addresses
        if addresses is None:
            raise CalendarFeedsOffError
        answer = await self._calls.write(
            request,
            calendar_pb2.CalendarFeed,
            lambda unit: calendar_feeds.create_calendar_feed(command, unit, self._clock, actor, addresses),
            convert.feed_message,
        )
        answer.address = addresses.address(resource(answer.name, convert.COLLECTION))
        return answer

    async def RevokeCalendarFeed(  # noqa: N802 - the contract's name
        self, request: calendar_pb2.RevokeCalendarFeedRequest, _context: Context
    ) -> calendar_pb2.CalendarFeed:
        """End a feed."""
        feed_id, actor = resource(request.name, convert.COLLECTION), current_caller().actor
        return await self._calls.write(
            request,
            calendar_pb2.CalendarFeed,
            lambda unit: calendar_feeds.revoke_calendar_feed(feed_id, unit, self._clock, actor),
            convert.feed_message,
        )

    async def ListCalendarFeeds(  # noqa: N802 - the contract's name
        self, request: calendar_pb2.ListCalendarFeedsRequest, _context: Context
    ) -> calendar_pb2.ListCalendarFeedsResponse:
        """List feeds."""
        wanted, page, actor = convert.feed_filter(request), page_of(request), current_caller().actor
        async with self._calls.reading() as unit:
            return convert.feeds_message(request, await calendar_feeds.list_calendar_feeds(wanted, page, unit, actor))
