"""What the use cases need of calendar feeds."""

from dataclasses import dataclass
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.calendar_feed import CalendarFeed, Occupation
from services.scheduler.domain.interval import Interval
from services.scheduler.ports.paging import Listing, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which feeds are asked for; what is left out does not count.

    Attributes:
        subject: the `sub` of the practitioner that they are of.
    """

    practitioner_id: UUID | None = None
    room_id: UUID | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class FoundFeed:
    """A feed that works, and whose it is."""

    organization_id: UUID
    feed: CalendarFeed


class CalendarFeedRepository(Port):
    """Calendar feeds, and what they show."""

    async def add(self, feed: CalendarFeed) -> None:
        """Store a new feed."""
        ...

    async def lock(self, calendar_feed_id: UUID) -> CalendarFeed:
        """Return a feed, and let nobody else revoke it until this unit of work ends. Raises NotFoundError."""
        ...

    async def save_revocation(self, feed: CalendarFeed) -> None:
        """Store that a feed was revoked."""
        ...

    async def page(self, page: Page, wanted: FeedFilter) -> Listing[CalendarFeed]:
        """Return feeds, newest first."""
        ...

    async def supervised(self, practitioner_id: UUID, within: Interval) -> list[Occupation]:
        """Return every period that a practitioner supervises in sessions that touch the span and did not end early."""
        ...

    async def held_in_room(self, room_id: UUID, within: Interval) -> list[Occupation]:
        """Return the sessions in a room that touch the span and did not end early, until the room is free again."""
        ...
