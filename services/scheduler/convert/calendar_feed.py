"""Calendar feeds from and as messages. The address is not among them: it is never stored with an answer."""

from uuid import UUID

from kat.scheduler.v1 import calendar_pb2
from services.runtime.fields import Fields, actor_message, timestamp
from services.runtime.names import format_name
from services.scheduler.convert.common import next_token
from services.scheduler.domain.calendar_feed import CalendarFeed
from services.scheduler.ports.calendar_feeds import FeedFilter
from services.scheduler.ports.paging import Listing
from services.scheduler.use_cases.calendar_feeds import NewCalendarFeed

COLLECTION = "calendarFeeds"


def new_feed(request: calendar_pb2.CreateCalendarFeedRequest) -> NewCalendarFeed:
    """Read whose feed is to be made.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    if not request.WhichOneof("subject"):
        fields.fault("subject", "write a practitioner or a room")
    command = NewCalendarFeed(
        practitioner_id=_name(fields, request, "practitioner", "practitioners"),
        room_id=_name(fields, request, "room", "rooms"),
    )
    fields.check()
    return command


def feed_filter(request: calendar_pb2.ListCalendarFeedsRequest) -> FeedFilter:
    """Read whose feeds are asked for.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    wanted = FeedFilter(
        practitioner_id=fields.optional_name("practitioner", request.practitioner, "practitioners"),
        room_id=fields.optional_name("room", request.room, "rooms"),
    )
    fields.check()
    return wanted


def feed_message(feed: CalendarFeed) -> calendar_pb2.CalendarFeed:
    """Return a feed, without its address."""
    message = calendar_pb2.CalendarFeed(
        name=format_name(COLLECTION, feed.calendar_feed_id),
        create_time=timestamp(feed.create_time),
        creator=actor_message(feed.creator),
        revoke_time=timestamp(feed.revoke_time) if feed.revoke_time else None,
        revoker=actor_message(feed.revoker) if feed.revoker else None,
    )
    if feed.practitioner_id is not None:
        message.practitioner = format_name("practitioners", feed.practitioner_id)
    if feed.room_id is not None:
        message.room = format_name("rooms", feed.room_id)
    return message


def feeds_message(
    request: calendar_pb2.ListCalendarFeedsRequest, listing: Listing[CalendarFeed]
) -> calendar_pb2.ListCalendarFeedsResponse:
    """Return a page of feeds."""
    return calendar_pb2.ListCalendarFeedsResponse(
        calendar_feeds=[feed_message(feed) for feed in listing.items], next_page_token=next_token(request, listing)
    )


def _name(fields: Fields, request: calendar_pb2.CreateCalendarFeedRequest, field: str, collection: str) -> UUID | None:
    return fields.name(field, getattr(request, field), collection) if request.WhichOneof("subject") == field else None
