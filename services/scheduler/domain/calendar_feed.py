"""Calendar feeds: a schedule that a calendar program reads under a secret address, and what it may show."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID, uuid5

from services.runtime.actor import Actor
from services.scheduler.domain.interval import Interval

KEY_BYTES = 32
PAST = timedelta(days=30)
AHEAD = timedelta(days=400)

ENDED_STATES = frozenset({"cancelled", "no_show", "entered_in_error"})
"""States of a session that takes no place in a calendar any more."""
_SETTLED_STATES = frozenset({"booked", "checked_in", "in_progress", "fulfilled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarFeed:
    """A feed of one practitioner or of one room.

    Attributes:
        token_digest: what the token of its address is known by; the token itself is not kept.
        revoke_time: when it ended; None while it works.
    """

    calendar_feed_id: UUID
    practitioner_id: UUID | None
    room_id: UUID | None
    token_digest: bytes
    creator: Actor
    create_time: datetime
    revoker: Actor | None = None
    revoke_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupation:
    """A stretch of a session that takes a practitioner or a room.

    Attributes:
        state: of the session, as it is stored: newer code may know more states than this.
        revision: of the session.
        update_time: when the session last changed.
    """

    session_id: UUID
    interval: Interval
    time_zone: str
    room_title: str
    state: str
    revision: int
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """What a calendar shows: when and where, and nothing about the patient or the treatment.

    Attributes:
        uid: the same for as long as it is the same stretch of the same session, wherever that is moved.
        tentative: whether the session is not settled yet, such as one that is only held.
    """

    uid: UUID
    interval: Interval
    time_zone: str
    summary: str
    location: str
    tentative: bool
    revision: int
    update_time: datetime


class FeedAddresses:
    """Knows the address of each feed, the same each time, without keeping it.

    Args:
        base_url: what addresses begin with, such as "https://calendar.clinic.example".
        key: 32 random bytes that tokens are derived from.

    Raises:
        ValueError: the key has another length.
    """

    def __init__(self, base_url: str, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the calendar secret must have {KEY_BYTES} bytes")
        self._base_url = base_url.rstrip("/")
        self._key = key

    def address(self, calendar_feed_id: UUID) -> str:
        """Return where the feed is."""
        return f"{self._base_url}/calendars/{self.token(calendar_feed_id)}.ics"

    def token(self, calendar_feed_id: UUID) -> str:
        """Return the secret part of a feed's address: 43 characters that nobody without the key can guess."""
        derived = hmac.new(self._key, b"kat calendar feed\0" + calendar_feed_id.bytes, hashlib.sha256).digest()
        return urlsafe_b64encode(derived).decode().rstrip("=")


def token_digest(token: str) -> bytes:
    """Return what is stored of a token; it cannot be turned back."""
    return hashlib.sha256(token.encode()).digest()


def feed_window(now: datetime) -> Interval:
    """Return the span that feeds show, in whole days, so that it moves once a day and not with every look."""
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    return Interval(today - PAST, today + AHEAD)


def room_entries(occupations: Iterable[Occupation]) -> list[FeedEntry]:
    """Return what a room's calendar shows, one entry for each session, by start."""
    return [_entry(one, "room", "Session") for one in _by_start(occupations)]


def practitioner_entries(practitioner_id: UUID, occupations: Iterable[Occupation]) -> list[FeedEntry]:
    """Return what a practitioner's calendar shows, one entry for each period that they supervise, by start.

    After a hand-over there and back one session has two periods of theirs: the first keeps its entry.
    """
    entries: list[FeedEntry] = []
    seen: dict[UUID, int] = {}
    for one in _by_start(occupations):
        number = seen[one.session_id] = seen.get(one.session_id, 0) + 1
        entries.append(_entry(one, f"{practitioner_id}/{number}", f"Session, {one.room_title}"))
    return entries


def _by_start(occupations: Iterable[Occupation]) -> list[Occupation]:
    return sorted(occupations, key=lambda one: (one.interval, one.session_id))


def _entry(occupation: Occupation, part: str, summary: str) -> FeedEntry:
    return FeedEntry(
        uid=uuid5(occupation.session_id, part),
        interval=occupation.interval,
        time_zone=occupation.time_zone,
        summary=summary,
        location=occupation.room_title,
        # A state that this code does not know yet takes its place, and is not called settled.
        tentative=occupation.state not in _SETTLED_STATES,
        revision=occupation.revision,
        update_time=occupation.update_time,
    )
