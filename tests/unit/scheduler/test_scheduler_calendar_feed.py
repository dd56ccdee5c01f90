"""Calendar feeds: secret addresses that nobody has to keep, and entries that keep their identity."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.scheduler.domain.calendar_feed import (
    FeedAddresses,
    Occupation,
    feed_window,
    practitioner_entries,
    room_entries,
    token_digest,
)
from services.scheduler.domain.interval import Interval

START = datetime(2026, 3, 10, 14, tzinfo=UTC)


def occupation(hours: tuple[int, int] = (0, 3), **changes) -> Occupation:
    known = {
        "session_id": uuid4(),
        "interval": Interval(START + timedelta(hours=hours[0]), START + timedelta(hours=hours[1])),
        "time_zone": "America/New_York",
        "room_title": "Room 1",
        "state": "booked",
        "revision": 1,
        "update_time": START,
    }
    return Occupation(**{**known, **changes})


def test_an_address_is_the_same_each_time_and_another_for_each_feed_and_key():
    one, other = uuid4(), uuid4()
    addresses = FeedAddresses("https://calendar.example/", b"a" * 32)
    assert addresses.address(one) == FeedAddresses("https://calendar.example", b"a" * 32).address(one)
    assert re.fullmatch(r"https://calendar\.example/calendars/[A-Za-z0-9_-]{43}\.ics", addresses.address(one))
    tokens = {addresses.token(one), addresses.token(other), FeedAddresses("x", b"b" * 32).token(one)}
    assert len(tokens) == len({token_digest(token) for token in tokens}) == 3


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(size):
    with pytest.raises(ValueError, match="32 bytes"):
        FeedAddresses("https://calendar.example", bytes(size))


def test_the_window_moves_once_a_day():
    morning, evening = datetime(2026, 3, 10, 0, 1, tzinfo=UTC), datetime(2026, 3, 10, 23, 59, tzinfo=UTC)
    assert feed_window(morning) == feed_window(evening)
    assert feed_window(morning).start == datetime(2026, 2, 8, tzinfo=UTC)
    assert feed_window(morning).end == datetime(2027, 4, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "tentative"),
    [
        ("booked", False),
        ("checked_in", False),
        ("in_progress", False),
        ("fulfilled", False),
        ("held", True),
        ("a_state_of_tomorrow", True),
    ],
)
def test_what_is_held_or_unknown_is_tentative(state, tentative):
    assert [entry.tentative for entry in room_entries([occupation(state=state)])] == [tentative]


def test_an_entry_keeps_its_uid_when_its_session_is_moved():
    before = occupation()
    after = replace(
        before, interval=Interval(START + timedelta(days=1), START + timedelta(days=1, hours=3)), revision=2
    )
    practitioner = uuid4()
    assert room_entries([before])[0].uid == room_entries([after])[0].uid
    assert practitioner_entries(practitioner, [before])[0].uid == practitioner_entries(practitioner, [after])[0].uid


def test_every_calendar_and_every_period_has_uids_of_its_own():
    first = occupation((0, 1))
    second, stranger = replace(first, interval=occupation((2, 3)).interval), occupation((5, 6))
    one, other = uuid4(), uuid4()
    entries = [
        *room_entries([first]),
        *practitioner_entries(other, [first]),
        *practitioner_entries(one, [stranger, second, first]),
    ]
    assert len({entry.uid for entry in entries}) == 5
    assert [entry.interval for entry in entries[2:]] == [first.interval, second.interval, stranger.interval]
    assert entries[2].uid == practitioner_entries(one, [first])[0].uid


def test_titles_say_where_and_never_what_for():
    assert [(entry.summary, entry.location) for entry in room_entries([occupation()])] == [("Session", "Room 1")]
    entries = practitioner_entries(uuid4(), [occupation()])
    assert [(entry.summary, entry.location) for entry in entries] == [("Session, Room 1", "Room 1")]
