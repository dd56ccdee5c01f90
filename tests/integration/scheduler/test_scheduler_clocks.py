"""Clocks that jump, dates that are rare, and midnight: refused with both choices named, or right."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.runtime.errors import FailedPreconditionError
from tests.fakes.clock import ManualClock
from tests.integration.scheduler.desk import Desk, codes, instant

pytestmark = pytest.mark.external_postgres

# A date on which the clock is set forward over the first time, and one on which it shows the second time twice.
ZONES = {
    "America/New_York": (date(2026, 3, 8), "02:30", date(2026, 11, 1), "01:30", "-04:00", "-05:00"),
    "Europe/Berlin": (date(2026, 3, 29), "02:30", date(2026, 10, 25), "02:30", "+02:00", "+01:00"),
    "Australia/Lord_Howe": (date(2026, 10, 4), "02:15", date(2026, 4, 5), "01:45", "+11:00", "+10:30"),
    "Pacific/Chatham": (date(2026, 9, 27), "03:00", date(2026, 4, 5), "03:00", "+13:45", "+12:45"),
    "America/St_Johns": (date(2026, 3, 8), "02:30", date(2026, 11, 1), "01:30", "-02:30", "-03:30"),
}


async def night_clinic(desk: Desk, zone: str, consent: date | None = None) -> tuple[str, str]:
    """A clinic that is open around the clock, but for its last minute; a course and a room of it."""
    opened = await desk.open_clinic(zone=zone, hours=("00:00", "23:59"))
    expires = consent or desk.clock.now().date() + timedelta(days=179)
    return await desk.active_course_until(opened.patients[0].name, expires), opened.rooms[0].name


@pytest.mark.parametrize("zone", ZONES)
async def test_a_time_that_does_not_exist_is_refused_and_both_neighbours_named(database, zone) -> None:
    gap, missing, *_ = ZONES[zone]
    desk = Desk(database, ManualClock(datetime(gap.year, gap.month, gap.day, tzinfo=UTC) - timedelta(days=20)))
    course, room = await night_clinic(desk, zone)
    (blocker,) = await desk.blockers(course, room, gap, missing)
    assert codes([blocker]) == {"LOCAL_TIME_MISSING"}
    assert blocker.description.count(f"{gap} ") == 3  # the time that was asked for, and the two to choose from
    session = await desk.book(course, room, gap, "09:00")
    assert session.interval.local_start_time[:10] == str(gap)


@pytest.mark.parametrize("zone", ZONES)
async def test_a_time_that_exists_twice_is_booked_once_its_offset_says_which(database, zone) -> None:
    *_, fold, twice, first, second = ZONES[zone]
    desk = Desk(database, ManualClock(datetime(fold.year, fold.month, fold.day, tzinfo=UTC) - timedelta(days=20)))
    course, room = await night_clinic(desk, zone)
    (blocker,) = await desk.blockers(course, room, fold, twice)
    assert codes([blocker]) == {"LOCAL_TIME_AMBIGUOUS"}
    assert first in blocker.description
    assert second in blocker.description
    session = await desk.book(course, room, fold, twice, offset=second)
    assert session.interval.local_start_time == f"{fold}T{twice}:00{second}"
    # Elapsed time, whatever the clock shows meanwhile.
    took = instant(session.interval.end_time) - instant(session.interval.start_time)
    assert took == timedelta(minutes=150)


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham"])
async def test_a_week_is_seven_dates_over_every_change_of_the_clock(database, zone) -> None:
    desk = Desk(database, ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))
    course, room = await night_clinic(desk, zone, date(2026, 8, 20))
    first = date(2026, 3, 17) if zone != "America/New_York" else date(2026, 3, 3)
    sessions = await desk.book_series(course, room, first, "15:00", count=6)
    starts = [session.interval.local_start_time for session in sessions]
    assert [start[:16] for start in starts] == [f"{first + timedelta(weeks=n)}T15:00" for n in range(6)]
    assert codes(await desk.blockers(course, room, first + timedelta(days=6), "23:00")) >= {"CADENCE"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (date(2027, 12, 28), date(2028, 1, 4)),
        (date(2028, 2, 22), date(2028, 2, 29)),
        (date(2028, 2, 29), date(2028, 3, 7)),
    ],
    ids=["over the new year", "to the leap day", "from the leap day"],
)
async def test_rare_dates_count_as_dates(database, first, second) -> None:
    desk = Desk(database, ManualClock(datetime(2027, 12, 1, tzinfo=UTC)))
    course, room = await night_clinic(desk, "America/New_York", date(2028, 5, 1))
    session = await desk.book(course, room, first)
    (blocker,) = await desk.blockers(course, room, second - timedelta(days=1))
    assert (codes([blocker]), list(blocker.sessions)) == ({"CADENCE"}, [session.name])
    earliest = blocker.earliest_date
    assert date(earliest.year, earliest.month, earliest.day) == second
    assert (await desk.book(course, room, second)).ordinal == 2


async def test_a_session_over_midnight_is_refused_and_one_that_ends_before_it_is_not(desk) -> None:
    course, room = await night_clinic(desk, "America/New_York")
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.book(course, room, date(2026, 3, 3), "21:30")
    assert {one.code for one in refused.value.blockers} == {"OUTSIDE_HOURS", "NO_SUPERVISOR"}
    session = await desk.book(course, room, date(2026, 3, 3), "21:29")
    assert instant(session.interval.end_time) == datetime(2026, 3, 4, 4, 59, tzinfo=UTC)


async def test_a_hold_is_kept_for_ten_elapsed_minutes_over_a_fold(database) -> None:
    before = datetime(2026, 11, 1, 5, 55, tzinfo=UTC)  # 01:55 for the first time in New York
    desk = Desk(database, ManualClock(before))
    course, room = await night_clinic(desk, "America/New_York")
    held = await desk.hold(course, room, date(2026, 11, 3))
    assert instant(held.hold_expire_time) == before + timedelta(minutes=10)
    desk.clock.set(before + timedelta(minutes=9))  # the clock shows 01:04
    await desk.upkeep.do_due()
    assert (await desk.book_held(held)).name == held.name
