"""Quiet hours and civil time, over every zone and both clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.domain.quiet_hours import QuietHours, instant_of
from services.notifications.domain.timing import SENDING_TAKES, fit

ZONES = sorted(
    zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix", "right"))
)
MINUTES = st.integers(0, 24 * 60 - 1).map(lambda minutes: time(minutes // 60, minutes % 60))
INSTANTS = st.datetimes(datetime(2015, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def _opens_long_enough(end: time, start: time) -> bool:
    try:
        QuietHours(end, start)
    except ValueError:
        return False
    return True


HOURS = st.tuples(MINUTES, MINUTES).filter(lambda pair: _opens_long_enough(*pair)).map(lambda pair: QuietHours(*pair))


def is_quiet(hours: QuietHours, instant: datetime, zone: str) -> bool:
    """What a person would say who looks at the clock on the wall."""
    wall = instant.astimezone(ZoneInfo(zone)).time()
    if hours.end < hours.start:
        return not hours.end <= wall < hours.start
    return hours.start <= wall < hours.end


@given(hours=HOURS, zone=st.sampled_from(ZONES), instant=INSTANTS)
def test_an_open_moment_is_open_on_the_clock_on_the_wall(hours, zone, instant):
    if hours.window_at(instant, zone) is not None:
        assert not is_quiet(hours, instant, zone)


@given(
    hours=HOURS,
    zone=st.sampled_from(ZONES),
    now=INSTANTS,
    minutes=st.tuples(st.integers(-300, 5_000), st.integers(-100, 8_000), st.integers(0, 60)),
)
def test_a_message_goes_out_in_an_open_moment_while_it_is_useful_or_not_at_all(hours, zone, now, minutes):
    wait, useful, spread = minutes
    ideal, expire = now + timedelta(minutes=wait), now + timedelta(minutes=useful)
    chosen = fit(ideal, now=now, expire=expire, quiet_hours=hours, zone=zone, spread=timedelta(minutes=spread))
    if chosen is None:
        wanted = max(ideal, now)
        assert wanted >= expire or is_quiet(hours, wanted, zone) or hours.window_at(wanted, zone) is None
    else:
        assert now <= chosen.due_time < expire
        assert not is_quiet(hours, chosen.due_time, zone)


@given(zone=st.sampled_from(ZONES), day=st.dates(date(2015, 1, 1), date(2036, 12, 31)))
def test_usual_hours_are_open_thirteen_hours_a_day_whatever_the_clock_does_at_night(zone, day):
    noon = instant_of(day, time(12), zone)
    window = QuietHours().window_at(noon, zone)
    assert window is not None
    assert timedelta(hours=11) <= window.closes - window.opens <= timedelta(hours=15)


def test_a_reminder_before_an_early_session_goes_out_the_evening_before():
    zone = "America/Chicago"
    start = datetime(2026, 5, 5, 7, tzinfo=ZoneInfo(zone))
    chosen = fit(
        start - timedelta(hours=2),
        now=start - timedelta(days=3),
        expire=start - timedelta(minutes=30),
        quiet_hours=QuietHours(),
        zone=zone,
    )
    assert chosen is not None
    assert chosen.due_time == datetime(2026, 5, 4, 21, tzinfo=ZoneInfo(zone)) - SENDING_TAKES
    assert "moved earlier" in chosen.step


def test_a_reminder_at_night_waits_for_the_morning_where_that_is_early_enough():
    zone = "Europe/Zurich"
    start = datetime(2026, 5, 5, 12, tzinfo=ZoneInfo(zone))
    chosen = fit(
        start - timedelta(hours=6),
        now=start - timedelta(days=3),
        expire=start - timedelta(minutes=30),
        quiet_hours=QuietHours(),
        zone=zone,
        spread=timedelta(minutes=10),
    )
    assert chosen is not None
    assert chosen.due_time == datetime(2026, 5, 5, 8, 10, tzinfo=ZoneInfo(zone))
    assert "moved later" in chosen.step


def test_what_cannot_wait_and_cannot_go_back_is_not_sent():
    zone = "America/New_York"
    now = datetime(2026, 5, 4, 22, tzinfo=ZoneInfo(zone))
    start = datetime(2026, 5, 5, 7, 30, tzinfo=ZoneInfo(zone))
    assert fit(now, now=now, expire=start, quiet_hours=QuietHours(), zone=zone) is None


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        (date(2026, 3, 8), time(2, 30), datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),  # skipped: reads 03:30 there
        (date(2026, 11, 1), time(1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # twice: the first
        (date(2026, 3, 9), time(10), datetime(2026, 3, 9, 14, tzinfo=UTC)),
    ],
)
def test_civil_time_on_the_nights_of_the_clock_change(day, at, expected):
    assert instant_of(day, at, "America/New_York") == expected


def test_quiet_hours_past_midnight_leave_the_night_open():
    night = QuietHours(end=time(20), start=time(4))
    assert night.window_at(datetime(2026, 5, 5, 23, tzinfo=UTC), "UTC") is not None
    assert night.window_at(datetime(2026, 5, 6, 3, tzinfo=UTC), "UTC") is not None
    assert night.window_at(datetime(2026, 5, 6, 12, tzinfo=UTC), "UTC") is None


@pytest.mark.parametrize(("end", "start"), [(time(8), time(8, 30)), (time(8), time(8)), (time(23, 45), time(0, 15))])
def test_less_than_an_hour_a_day_is_refused(end, start):
    with pytest.raises(ValueError, match="at least one hour"):
        QuietHours(end, start)
