"""Calendar files: every instant is what it was, whoever reads it, and nothing tells what patients come for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from services.scheduler.convert.calendar_file import calendar_file, feed_tag
from services.scheduler.domain.calendar_feed import FeedEntry
from services.scheduler.domain.interval import Interval
from tests.support.calendars import events, parse

ENTRY = FeedEntry(
    uid=UUID("0198c7a2-7b1e-7c3a-9f52-3f5a0b6c1d2e"),
    interval=Interval(datetime(2026, 3, 10, 19, tzinfo=UTC), datetime(2026, 3, 10, 22, tzinfo=UTC)),
    time_zone="America/New_York",
    summary="Session, Room 1; north",
    location="Room 1; north",
    tentative=False,
    revision=3,
    update_time=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
)
ZONES = ("America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham", "Europe/Dublin", "UTC")
CHANGES = {
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    "Pacific/Chatham": (datetime(2026, 4, 4, 14, tzinfo=UTC), datetime(2026, 9, 26, 14, tzinfo=UTC)),
    "Asia/Kathmandu": (datetime(2026, 4, 4, 14, tzinfo=UTC),),
}


def entry(start: datetime, zone: str, minutes: int = 180) -> FeedEntry:
    return replace(ENTRY, uid=uuid4(), interval=Interval(start, start + timedelta(minutes=minutes)), time_zone=zone)


def intervals(content: bytes) -> list[Interval]:
    return [Interval(event.start, event.end) for event in events(content)]


@pytest.mark.parametrize(("zone", "change"), [(zone, change) for zone in CHANGES for change in CHANGES[zone]])
def test_every_quarter_of_an_hour_around_a_change_of_the_clocks_is_read_as_it_is(zone, change):
    starts = [change + timedelta(minutes=15 * n) for n in range(-4 * 24 * 4, 4 * 24 * 4)]
    entries = [entry(start, zone, minutes=20) for start in starts]
    assert intervals(calendar_file(entries)) == [one.interval for one in entries]


@given(
    st.sampled_from(ZONES),
    st.lists(
        st.datetimes(datetime(2026, 1, 1), datetime(2027, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is beside it
        min_size=1,
        max_size=20,
        unique=True,
    ),
)
def test_any_instant_within_a_feed_is_read_as_it_is(zone, starts):
    entries = [entry(start.replace(second=0, microsecond=0), zone) for start in sorted(starts)]
    assert intervals(calendar_file(entries)) == sorted(one.interval for one in entries)


def test_the_clinic_s_clock_is_what_is_written():
    file = calendar_file([ENTRY, entry(datetime(2026, 3, 3, 20, tzinfo=UTC), "Asia/Kathmandu")]).decode()
    assert "DTSTART;TZID=America/New_York:20260310T150000" in file
    assert "DTSTART;TZID=Asia/Kathmandu:20260304T014500" in file
    zones = {zone.tzid.value for zone in parse(file.encode()).vtimezone_list}
    assert zones == {"America/New_York", "Asia/Kathmandu"}


def test_an_hour_that_the_clock_shows_twice_is_written_in_utc():
    folded = datetime(2026, 11, 1, 6, 15, tzinfo=UTC)  # 01:15 for the second time
    assert folded.astimezone(ZoneInfo("America/New_York")).fold == 1
    assert "DTSTART:20261101T061500Z" in calendar_file([entry(folded, "America/New_York")]).decode()


def test_summer_time_begins_on_the_clock_that_ran_until_then():
    """RFC 5545, section 3.6.5: DTSTART of an observance is told in TZOFFSETFROM."""
    file = calendar_file([ENTRY]).decode().replace("\r\n", "\n")
    assert "BEGIN:DAYLIGHT\nDTSTART:20260308T020000\nTZNAME:EDT\nTZOFFSETFROM:-0500\nTZOFFSETTO:-0400\n" in file
    assert "RDATE" not in file


def test_what_an_entry_is_written_as():
    calendar = Calendar.from_ical(calendar_file([ENTRY]))
    assert (calendar["METHOD"], calendar["NAME"], calendar["X-WR-CALNAME"]) == ("PUBLISH", "Schedule", "Schedule")
    assert calendar["REFRESH-INTERVAL"].to_ical() == calendar["X-PUBLISHED-TTL"].to_ical() == b"PT15M"
    (event,) = calendar.walk("VEVENT")
    assert {name: value.to_ical().decode() for name, value in event.items() if not name.startswith("DT")} == {
        "UID": "0198c7a2-7b1e-7c3a-9f52-3f5a0b6c1d2e",
        "SEQUENCE": "3",
        "LAST-MODIFIED": "20260301T123000Z",
        "SUMMARY": r"Session\, Room 1\; north",
        "LOCATION": r"Room 1\; north",
        "STATUS": "CONFIRMED",
        "CLASS": "PRIVATE",
        "TRANSP": "OPAQUE",
    }
    assert event["DTSTAMP"].to_ical() == b"20260301T123000Z"


def test_what_is_not_settled_is_tentative():
    (event,) = events(calendar_file([replace(ENTRY, tentative=True)]))
    assert event.status == "TENTATIVE"


def test_an_empty_feed_is_a_calendar_without_events():
    assert events(calendar_file([])) == []
    assert calendar_file([]).endswith(b"END:VCALENDAR\r\n")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300))
def test_any_title_is_read_as_it_is(title):
    title = title.strip() or "x"
    (event,) = events(calendar_file([replace(ENTRY, summary=title, location=title)]))
    assert (event.summary, event.location) == (title, title)


def test_equal_entries_make_equal_files_and_tags_and_each_change_another():
    def made(one: FeedEntry) -> tuple[bytes, str]:
        return calendar_file([one]), feed_tag([one])

    assert made(ENTRY) == made(replace(ENTRY))
    changed = [
        replace(ENTRY, interval=Interval(ENTRY.interval.start, ENTRY.interval.end + timedelta(minutes=1))),
        replace(ENTRY, time_zone="Europe/Dublin"),
        replace(ENTRY, summary="Session"),
        replace(ENTRY, location="Room 2"),
        replace(ENTRY, tentative=True),
        replace(ENTRY, revision=4),
        replace(ENTRY, update_time=ENTRY.update_time + timedelta(seconds=1)),
    ]
    both = [made(one) for one in (ENTRY, *changed)]
    assert len({file for file, _ in both}) == len({tag for _, tag in both}) == len(both)
