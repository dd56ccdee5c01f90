"""Many callers at once: exactly one wins a place, and nobody is refused what is free."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, date, datetime, timedelta

import pytest

from kat.events.v1.events_pb2 import Outcome
from services.runtime.errors import AbortedError, DomainError, FailedPreconditionError
from tests.integration.scheduler.desk import Desk

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
WEDNESDAY = TUESDAY + timedelta(days=1)


async def courses_of(desk: Desk, opened) -> list[str]:
    return [await desk.active_course(patient.name) for patient in opened.patients]


async def outcomes(*attempts: Awaitable[object]) -> list[object]:
    return await asyncio.gather(*attempts, return_exceptions=True)


def refusals(results: list[object]) -> list[DomainError]:
    return [result for result in results if isinstance(result, BaseException)]


async def test_a_hundred_bookers_of_one_chair(desk) -> None:
    opened = await desk.open_clinic(patients=100, ratio=1)
    room = opened.rooms[0].name
    courses = await courses_of(desk, opened)
    results = await outcomes(*(desk.book(course, room, TUESDAY) for course in courses))
    refused = refusals(results)
    assert len(refused) == 99
    winner = next(result for result in results if not isinstance(result, BaseException))
    for error in refused:
        assert isinstance(error, FailedPreconditionError)
        assert {(one.code, one.subject) for one in error.blockers} == {
            ("ROOM_BUSY", winner.name),
            ("SUPERVISION_RATIO", winner.name),
        }


async def test_nobody_is_refused_a_free_slot(desk) -> None:
    """Thirty-two at once, each in a room of their own, under supervisors whose lanes are filled to the last."""
    opened = await desk.open_clinic(rooms=32, supervisors=8, ratio=4, patients=32)
    courses = await courses_of(desk, opened)
    results = await outcomes(
        *(desk.book(course, room.name, TUESDAY) for course, room in zip(courses, opened.rooms, strict=True))
    )
    assert refusals(results) == []
    supervisors = Counter(result.supervisions[0].practitioner for result in results)
    assert set(supervisors.values()) == {4}


async def test_supervisors_of_two_clinics_are_shared_without_false_refusal(desk) -> None:
    """Bookers at two clinics do not wait for each other; their collisions are tried again, not handed to the caller."""
    east = await desk.open_clinic(rooms=8, supervisors=2, ratio=8, patients=8, key="east")
    west = await desk.open_clinic(rooms=8, supervisors=1, ratio=1, patients=8, key="west")
    # The supervisors of the east are on shift in the west as well.
    await desk.execute("delete from shift where clinic_id = :west", west=west.clinics[0].name.partition("/")[2])
    await desk.execute(
        """insert into shift select s.organization_id, gen_random_uuid(), s.practitioner_id, :west, s.weekday,
               s.start_time, s.end_time, null, null from shift s""",
        west=west.clinics[0].name.partition("/")[2],
    )
    courses = [*await courses_of(desk, east), *await courses_of(desk, west)]
    rooms = [room.name for opened in (east, west) for room in opened.rooms]
    results = await outcomes(*(desk.book(c, r, TUESDAY) for c, r in zip(courses, rooms, strict=True)))
    assert refusals(results) == []


async def test_one_patient_at_many_desks_gets_one_session(desk) -> None:
    opened = await desk.open_clinic(rooms=16, ratio=16)
    course = await desk.active_course(opened.patients[0].name)
    days = [TUESDAY + timedelta(days=n % 4) for n in range(16)]
    results = await outcomes(*(desk.book(course, room.name, day) for room, day in zip(opened.rooms, days, strict=True)))
    assert len(refusals(results)) == 15
    for error in refusals(results):
        assert "CADENCE" in {blocker.code for blocker in error.blockers}


async def test_the_cap_holds_for_many_at_once(desk) -> None:
    course_room = await desk.open_clinic(ratio=1)
    course, room = await desk.active_course(course_room.patients[0].name), course_room.rooms[0].name
    results = await outcomes(*(desk.book(course, room, TUESDAY + timedelta(weeks=week)) for week in range(20)))
    refused = refusals(results)
    assert len(refused) == 14
    assert {blocker.code for error in refused for blocker in error.blockers} == {"COURSE_CAP"}


async def test_a_booking_and_a_dose_do_not_miss_each_other(desk) -> None:
    """Whichever comes first, no session ends up unflagged within the interval of the dose."""
    opened = await desk.open_clinic(rooms=2, patients=12, ratio=20)
    courses = await courses_of(desk, opened)
    first = [
        await desk.book(
            course, opened.rooms[n % 2].name, TUESDAY + timedelta(days=n // 6), f"{8 + n % 6 // 2 * 3:02}:00"
        )
        for n, course in enumerate(courses)
    ]
    given = datetime(2026, 3, 6, 15, tzinfo=UTC)
    results = await outcomes(
        *(desk.give_dose(session, given) for session in first),
        *(
            desk.book(
                course,
                opened.rooms[n % 2].name,
                date(2026, 3, 11) + timedelta(days=n // 6),
                f"{8 + n % 6 // 2 * 3:02}:00",
            )
            for n, course in enumerate(courses)
        ),
    )
    assert results[:12] == [Outcome.VERDICT_APPLIED] * 12
    for error in refusals(results[12:]):
        assert {blocker.code for blocker in error.blockers} == {"CADENCE"}
    for session in results[12:]:
        if not isinstance(session, BaseException):
            assert (await desk.session(session.name)).too_early


async def test_one_of_many_changes_with_the_same_etag_is_made(desk) -> None:
    opened = await desk.open_clinic()
    session = await desk.book(await desk.active_course(opened.patients[0].name), opened.rooms[0].name, TUESDAY)
    results = await outcomes(
        *(desk.move(session, TUESDAY, f"{10 + n}:00") for n in range(5)), *(desk.cancel(session) for _ in range(3))
    )
    refused = refusals(results)
    assert len(refused) == 7
    assert all(isinstance(error, AbortedError) and error.reason == "STALE_ETAG" for error in refused)


async def test_many_enrolments_open_one_course(desk) -> None:
    opened = await desk.open_clinic()
    results = await outcomes(*(desk.enroll(opened.patients[0].name) for _ in range(8)))
    assert len(refusals(results)) == 7
    assert {error.reason for error in refusals(results)} == {"COURSE_OPEN"}


async def test_a_series_and_single_bookings_share_out_what_is_there(desk) -> None:
    opened = await desk.open_clinic(patients=6, ratio=1)
    room = opened.rooms[0].name
    courses = await courses_of(desk, opened)
    results = await outcomes(
        *(desk.book_series(course, room, TUESDAY, count=3) for course in courses[:3]),
        *(desk.book(course, room, TUESDAY + timedelta(weeks=1)) for course in courses[3:]),
    )
    booked = await desk.execute("select local_date, count(*) from session group by 1")
    assert all(count == 1 for _, count in booked)
    assert len(refusals(results)) == 5
