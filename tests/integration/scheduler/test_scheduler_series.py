"""Series: the same time on the clinic's clock, over the days on which clocks change, all or nothing."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from services.runtime.errors import FailedPreconditionError

pytestmark = pytest.mark.external_postgres


@pytest.mark.parametrize(
    ("zone", "first", "local_times"),
    [
        (
            "America/New_York",
            date(2026, 3, 3),
            ["2026-03-03T15:00:00-05:00", "2026-03-10T15:00:00-04:00", "2026-03-17T15:00:00-04:00"],
        ),
        (
            "America/New_York",
            date(2026, 10, 27),
            ["2026-10-27T15:00:00-04:00", "2026-11-03T15:00:00-05:00", "2026-11-10T15:00:00-05:00"],
        ),
        (
            "Australia/Sydney",
            date(2026, 9, 29),
            ["2026-09-29T15:00:00+10:00", "2026-10-06T15:00:00+11:00", "2026-10-13T15:00:00+11:00"],
        ),
        (
            "Australia/Sydney",
            date(2026, 3, 31),
            ["2026-03-31T15:00:00+11:00", "2026-04-07T15:00:00+10:00", "2026-04-14T15:00:00+10:00"],
        ),
    ],
    ids=["north forward", "north back", "south forward", "south back"],
)
async def test_the_local_time_stays_over_clock_changes(desk, clock, zone, first, local_times) -> None:
    clock.set(datetime.combine(first - timedelta(days=5), datetime.min.time(), tzinfo=UTC))
    opened = await desk.open_clinic(zone=zone)
    course = await desk.active_course_until(opened.patients[0].name, first + timedelta(days=90))
    sessions = await desk.book_series(course, opened.rooms[0].name, first, "15:00", count=3)
    assert [session.interval.local_start_time for session in sessions] == local_times
    assert [session.ordinal for session in sessions] == [1, 2, 3]


@dataclass(frozen=True)
class ClockChange:
    """A series of which the second date's local time is missing or exists twice."""

    zone: str
    first: date
    at: str
    code: str
    choices: tuple[str, str]


CLOCK_CHANGES = (
    ClockChange("America/New_York", date(2026, 3, 1), "02:30", "LOCAL_TIME_MISSING", ("01:30-05:00", "03:30-04:00")),
    ClockChange(
        "America/New_York", date(2026, 10, 25), "01:30", "LOCAL_TIME_AMBIGUOUS", ("01:30-04:00", "01:30-05:00")
    ),
    ClockChange("Australia/Sydney", date(2026, 9, 27), "02:30", "LOCAL_TIME_MISSING", ("01:30+10:00", "03:30+11:00")),
    ClockChange("Australia/Sydney", date(2026, 3, 29), "02:30", "LOCAL_TIME_AMBIGUOUS", ("02:30+11:00", "02:30+10:00")),
)


@pytest.mark.parametrize("change", CLOCK_CHANGES, ids=lambda change: f"{change.zone} {change.code}")
async def test_a_clock_change_in_the_series_names_both_choices(desk, clock, change) -> None:
    clock.set(datetime.combine(change.first - timedelta(days=5), datetime.min.time(), tzinfo=UTC))
    opened = await desk.open_clinic(zone=change.zone, hours=("00:30", "09:00"))
    course = await desk.active_course_until(opened.patients[0].name, change.first + timedelta(days=90))
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.book_series(course, opened.rooms[0].name, change.first, change.at, count=3)
    (blocker,) = refused.value.blockers
    assert blocker.code == change.code
    assert str(change.first + timedelta(days=7)) in blocker.description
    assert all(choice in blocker.description for choice in change.choices)
    assert await desk.execute("select count(*) from session") == [(0,)]


async def test_the_offset_chooses_where_a_time_exists_twice(desk, clock) -> None:
    clock.set(datetime(2026, 10, 20, tzinfo=UTC))
    opened = await desk.open_clinic(hours=("00:30", "09:00"))
    course = await desk.active_course_until(opened.patients[0].name, date(2026, 12, 31))
    sessions = await desk.book_series(
        course, opened.rooms[0].name, date(2026, 10, 25), "01:30", count=3, offset="-04:00"
    )
    assert [session.interval.local_start_time for session in sessions] == [
        "2026-10-25T01:30:00-04:00",
        "2026-11-01T01:30:00-04:00",
        "2026-11-08T01:30:00-05:00",
    ]


async def test_all_blockers_of_all_dates_with_alternatives_and_nothing_booked(desk) -> None:
    opened = await desk.open_clinic(patients=2, ratio=1)
    room = opened.rooms[0].name
    mine, other = [await desk.active_course(patient.name) for patient in opened.patients]
    second, fourth = date(2026, 3, 10), date(2026, 3, 24)
    await desk.book(other, room, second, "10:00")
    await desk.book(other, room, fourth, "08:00")
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.book_series(mine, room, date(2026, 3, 3), "10:00", count=5)
    named = {(blocker.code, blocker.description[:10]) for blocker in refused.value.blockers}
    assert named == {(code, str(day)) for code in ("ROOM_BUSY", "SUPERVISION_RATIO") for day in (second, fourth)}
    by_date = {blocker.description[:10]: blocker.description for blocker in refused.value.blockers}
    assert by_date[str(second)].endswith("nearest that are free: 2026-03-10 12:45; 2026-03-10 13:00; 2026-03-10 13:15")
    assert by_date[str(fourth)].endswith("nearest that are free: 2026-03-24 10:45; 2026-03-24 11:00; 2026-03-24 11:15")
    assert await desk.execute("select count(*) from session") == [(2,)]


async def test_a_series_is_checked_to_its_last_date_and_against_the_cap(desk) -> None:
    opened = await desk.open_clinic(patients=1)
    room, course = opened.rooms[0].name, await desk.active_course(opened.patients[0].name)
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.book_series(course, room, date(2026, 3, 3), weeks=2, count=13)
    # The consent ends on 1 August: the last two dates are after it.
    assert [blocker.code for blocker in refused.value.blockers] == ["COURSE_CAP", "CONSENT_MISSING", "CONSENT_MISSING"]
    sessions = await desk.book_series(course, room, date(2026, 3, 3), weeks=2, count=6)
    starts = [session.interval.local_start_time[:10] for session in sessions]
    assert starts == ["2026-03-03", "2026-03-17", "2026-03-31", "2026-04-14", "2026-04-28", "2026-05-12"]
    assert [session.tentative for session in sessions] == [False] * 3 + [True] * 3
