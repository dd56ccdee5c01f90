"""Making, revoking and reading calendar feeds."""

from dataclasses import dataclass, replace
from uuid import UUID

from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.identifiers import new_id
from services.scheduler.domain.calendar_feed import (
    CalendarFeed,
    FeedAddresses,
    FeedEntry,
    feed_window,
    practitioner_entries,
    room_entries,
    token_digest,
)
from services.scheduler.errors import NotYourFeedError
from services.scheduler.ports.calendar_feeds import FeedFilter
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.unit import UnitOfWork

_FOR_ANYBODY = ("clinic_system", "supervisor")
"""Roles that handle the feeds of everybody; whoever has none of them handles their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCalendarFeed:
    """A feed to make, of one of the two."""

    practitioner_id: UUID | None
    room_id: UUID | None


async def create_calendar_feed(
    command: NewCalendarFeed, unit: UnitOfWork, clock: Clock, actor: Actor, addresses: FeedAddresses
) -> CalendarFeed:
    """Make a feed; its address is derived from its id.

    Raises:
        NotFoundError: the practitioner or the room is not known.
        NotYourFeedError: the caller may make feeds of themselves alone.
    """
    if command.room_id is not None:
        await unit.roster.room(command.room_id)
    await _require_own(command.practitioner_id, unit, actor)
    feed_id = new_id()
    feed = CalendarFeed(
        calendar_feed_id=feed_id,
        practitioner_id=command.practitioner_id,
        room_id=command.room_id,
        token_digest=token_digest(addresses.token(feed_id)),
        creator=actor,
        create_time=clock.now(),
    )
    await unit.calendar_feeds.add(feed)
    return feed


async def revoke_calendar_feed(calendar_feed_id: UUID, unit: UnitOfWork, clock: Clock, actor: Actor) -> CalendarFeed:
    """End a feed for good; one that was revoked before stays as it is.

    Raises:
        NotFoundError: the feed is not known.
        NotYourFeedError: the caller may revoke feeds of themselves alone.
    """
    feed = await unit.calendar_feeds.lock(calendar_feed_id)
    await _require_own(feed.practitioner_id, unit, actor)
    if feed.revoke_time is not None:
        return feed
    revoked = replace(feed, revoke_time=clock.now(), revoker=actor)
    await unit.calendar_feeds.save_revocation(revoked)
    return revoked


async def list_calendar_feeds(wanted: FeedFilter, page: Page, unit: UnitOfWork, actor: Actor) -> Listing[CalendarFeed]:
    """Return feeds, newest first; to a caller who handles their own feeds, those alone."""
    own = wanted if actor.has_role(*_FOR_ANYBODY) else replace(wanted, subject=actor.subject)
    return await unit.calendar_feeds.page(page, own)


async def read_calendar_feed(feed: CalendarFeed, unit: UnitOfWork, clock: Clock) -> list[FeedEntry]:
    """Return what a feed shows now, by start."""
    window = feed_window(clock.now())
    if feed.practitioner_id is not None:
        supervised = await unit.calendar_feeds.supervised(feed.practitioner_id, window)
        return practitioner_entries(feed.practitioner_id, supervised)
    if feed.room_id is not None:
        return room_entries(await unit.calendar_feeds.held_in_room(feed.room_id, window))
    return []


async def _require_own(practitioner_id: UUID | None, unit: UnitOfWork, actor: Actor) -> None:
    practitioner = None if practitioner_id is None else await unit.roster.practitioner(practitioner_id)
    if actor.has_role(*_FOR_ANYBODY):
        return
    if practitioner is None or practitioner.subject != actor.subject:
        raise NotYourFeedError
