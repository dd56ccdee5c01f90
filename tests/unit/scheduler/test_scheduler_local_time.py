"""A time on a clinic's clock means exactly one instant, or a blocker that names both choices."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.domain.blockers import Blocker, BlockerCode
from services.scheduler.domain.local_time import LocalTime, instants_of, resolve

ZONES = [
    ZoneInfo(key)
    for key in (
        "America/New_York",
        "Australia/Sydney",
        "Australia/Lord_Howe",  # set forward by half an hour
        "Europe/Dublin",
        "America/St_Johns",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "UTC",
    )
]
MINUTES = st.builds(time, st.integers(0, 23), st.integers(0, 59))
DATES = st.dates(date(2020, 1, 1), date(2035, 12, 31))
NEW_YORK = ZoneInfo("America/New_York")
OFFSETS = st.integers(-14 * 4, 14 * 4).map(lambda quarters: timedelta(minutes=15 * quarters))


@given(DATES, MINUTES, st.sampled_from(ZONES))
def test_an_instant_that_is_found_shows_that_time_and_no_other_instant_does(day, at, zone) -> None:
    wall = datetime.combine(day, at)
    found = instants_of(day, at, zone)
    around = (wall.replace(tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(-15 * 4, 15 * 4 + 1))
    shown = [instant for instant in around if instant.astimezone(zone).replace(tzinfo=None) == wall]
    assert found == shown


@given(DATES, MINUTES, st.sampled_from(ZONES), st.none() | OFFSETS)
def test_there_is_one_instant_or_a_blocker(day, at, zone, offset) -> None:
    resolved = resolve(LocalTime(day, at, offset), zone)
    if isinstance(resolved, Blocker):
        assert resolved.code in {BlockerCode.LOCAL_TIME_MISSING, BlockerCode.LOCAL_TIME_AMBIGUOUS}
        return
    local = resolved.astimezone(zone)
    assert (local.date(), local.time()) == (day, at)
    assert offset in (None, local.utcoffset())


EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


@given(st.integers(0, 15 * 365 * 24 * 60), st.sampled_from(ZONES))
def test_a_written_instant_with_its_offset_comes_back(minute, zone) -> None:
    instant = EPOCH + timedelta(minutes=minute)
    local = instant.astimezone(zone)
    assert resolve(LocalTime(local.date(), local.time().replace(fold=0), local.utcoffset()), zone) == instant


def test_a_missing_time_names_the_times_around_the_gap() -> None:
    resolved = resolve(LocalTime(date(2026, 3, 8), time(2, 30)), NEW_YORK)
    assert isinstance(resolved, Blocker)
    assert resolved.code is BlockerCode.LOCAL_TIME_MISSING
    assert "choose 2026-03-08 01:30-05:00 or 2026-03-08 03:30-04:00" in resolved.description


def test_an_ambiguous_time_names_both_and_an_offset_chooses() -> None:
    twice = LocalTime(date(2026, 11, 1), time(1, 30))
    resolved = resolve(twice, NEW_YORK)
    assert isinstance(resolved, Blocker)
    assert resolved.code is BlockerCode.LOCAL_TIME_AMBIGUOUS
    assert "2026-11-01 01:30-04:00 or 2026-11-01 01:30-05:00" in resolved.description
    for hours in (-4, -5):
        chosen = resolve(LocalTime(twice.date, twice.time, timedelta(hours=hours)), NEW_YORK)
        assert chosen == datetime(2026, 11, 1, 1 - hours, 30, tzinfo=UTC)


@pytest.mark.parametrize("day", [date(2026, 7, 1), date(2026, 11, 1)])
def test_an_offset_that_the_zone_does_not_have_is_refused(day) -> None:
    resolved = resolve(LocalTime(day, time(1, 30), timedelta(hours=2)), NEW_YORK)
    assert isinstance(resolved, Blocker)
    assert "-04:00" in resolved.description
