"""Feeds as iCalendar files (RFC 5545, RFC 7986) that calendar programs subscribe to."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.metadata import version
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard
from icalendar.prop import vDuration

from services.scheduler.domain.calendar_feed import FeedEntry

_TITLE = "Schedule"  # neutral, as is the product: calendars show them
_PRODUCT = "-//Schedule//Calendar//EN"
_REFRESH = vDuration(timedelta(minutes=15))
_FORMAT = f"1 {version('icalendar')}"
"""Raise its number whenever the same entries make another file."""


def feed_tag(entries: Sequence[FeedEntry]) -> str:
    """Return what is equal for equal files, without making them."""
    digest = hashlib.sha256(_FORMAT.encode())
    for entry in entries:
        digest.update(f"\x1e{entry}".encode())
    return digest.hexdigest()[:32]


def calendar_file(entries: Sequence[FeedEntry]) -> bytes:
    """Return the file of a feed: equal bytes for equal entries.

    An event's DTSTAMP is its last change and not the time of the file, so that a schedule that did not change is not
    new to anybody.
    """
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("name", _TITLE)
    calendar.add("x-wr-calname", _TITLE)
    calendar.add("refresh-interval", _REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", _REFRESH)
    events = [_event(entry) for entry in entries]
    for component in (*_zones(events, entries), *events):
        calendar.add_component(component)
    content: bytes = calendar.to_ical()
    return content


def _event(entry: FeedEntry) -> Event:
    start, end = _readable(entry)
    event = Event()
    event.add("uid", str(entry.uid))
    event.add("sequence", entry.revision)
    event.add("dtstamp", entry.update_time)
    event.add("last-modified", entry.update_time)
    event.add("dtstart", start)
    event.add("dtend", end)
    event.add("summary", entry.summary)
    event.add("location", entry.location)
    event.add("status", "TENTATIVE" if entry.tentative else "CONFIRMED")
    event.add("class", "PRIVATE")
    event.add("transp", "OPAQUE")
    return event


def _readable(entry: FeedEntry) -> tuple[datetime, datetime]:
    """Return start and end on the clinic's clock; in UTC where that clock shows one of them twice.

    A local time with TZID cannot say which of the two is meant, and programs differ in what they take it for.
    """
    zone = ZoneInfo(entry.time_zone)
    start, end = entry.interval.start.astimezone(zone), entry.interval.end.astimezone(zone)
    if _is_shown_twice(start) or _is_shown_twice(end):
        return entry.interval.start, entry.interval.end
    return start, end


def _is_shown_twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _zones(events: Sequence[Event], entries: Sequence[FeedEntry]) -> list[Timezone]:
    """Return the rules of each zone that the events name, for the years of the entries and one more to both sides."""
    names = {str(event["dtstart"].params["tzid"]) for event in events if "tzid" in event["dtstart"].params}
    if not names:
        return []
    first = min(entry.interval.start for entry in entries).year - 1
    last = max(entry.interval.end for entry in entries).year + 1
    return [_zone(name, first, last) for name in sorted(names)]


@lru_cache(maxsize=256)
def _zone(name: str, first_year: int, last_year: int) -> Timezone:
    """Return the rules of a zone, an observance for each change of its clocks.

    The library's own generator names the beginning of summer time on the clock after the change, where RFC 5545,
    section 3.6.5, wants the clock before it, and gathers years in RDATEs, of which some programs read the first alone.
    """
    zone = ZoneInfo(name)
    component = Timezone()
    component.add("tzid", name)
    start = datetime(first_year, 1, 1, tzinfo=UTC)
    component.add_component(_observance(start.astimezone(zone), _offset(zone, start)))
    for change in _changes(zone, first_year, last_year):
        component.add_component(_observance(change.astimezone(zone), _offset(zone, change - timedelta(seconds=1))))
    return component


def _observance(local: datetime, offset_before: timedelta) -> TimezoneStandard | TimezoneDaylight:
    """Return the observance that begins at an instant, told on the clock that ran until then."""
    offset = local.utcoffset() or timedelta()
    observance = TimezoneDaylight() if local.dst() else TimezoneStandard()
    observance.add("dtstart", (local.astimezone(UTC) + offset_before).replace(tzinfo=None))
    observance.add("tzoffsetfrom", offset_before)
    observance.add("tzoffsetto", offset)
    observance.add("tzname", local.tzname() or local.strftime("%z"))
    return observance


def _changes(zone: ZoneInfo, first_year: int, last_year: int) -> list[datetime]:
    """Return the instants at which a zone's offset changes, to the second."""
    changes = []
    day, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    while day < end:
        following = day + timedelta(days=1)
        if _offset(zone, day) != _offset(zone, following):
            changes.append(_change_between(zone, day, following))
        day = following
    return changes


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if _offset(zone, middle) == _offset(zone, before):
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
