"""Free slots, as PostgreSQL computes them, against what can really be booked."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kat.scheduler.v1 import roster_pb2, session_pb2
from services.runtime.errors import InvalidArgumentError, NotFoundError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.desk import SYSTEM, Desk, clock_time, codes, day

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
QUARTERS = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(7 * 60, 19 * 60, 15)]


async def find(
    desk: Desk, course: str, clinics: list[str], first: date, last: date | None = None, **more: Any
) -> session_pb2.FindSlotsResponse:
    request = session_pb2.FindSlotsRequest(
        course=course, clinics=clinics, start_date=day(first), end_date=day(last or first), **more
    )
    return await desk.call(desk.sessions.FindSlots, request)


def starts(found: session_pb2.FindSlotsResponse) -> list[str]:
    return [slot.interval.local_start_time[:16] for slot in found.slots]


def reasons(found: session_pb2.FindSlotsResponse) -> dict[str, set[str]]:
    return {
        f"{one.date.year}-{one.date.month:02}-{one.date.day:02}": {
            session_pb2.BlockerCode.Name(code).removeprefix("BLOCKER_CODE_") for code in one.codes
        }
        for one in found.dates_without_slot
    }


async def shift(desk: Desk, practitioner: str, hours: list[tuple[str, str]]) -> None:
    """Give a practitioner these hours on every weekday, in place of what they had."""
    request = roster_pb2.ImportRosterRequest(
        shifts=[
            roster_pb2.Shift(
                practitioner=practitioner,
                clinic=f"identifiers/{SYSTEM}|main",
                day_of_week=weekday,
                start_time=clock_time(opens),
                end_time=clock_time(closes),
            )
            for weekday in range(1, 8)
            for opens, closes in hours
        ]
    )
    await desk.call(desk.roster.ImportRoster, request)


async def test_slots_are_exactly_what_can_be_booked(desk) -> None:
    """Every quarter of a crowded day: listed if and only if some room can be booked then."""
    opened = await desk.open_clinic(rooms=2, supervisors=2, ratio=1, patients=5, hours=("07:30", "18:30"))
    first, second = (one.name for one in opened.practitioners)
    await shift(desk, first, [("07:30", "12:00"), ("12:00", "14:00")])
    await shift(desk, second, [("11:00", "18:30")])
    rooms = [room.name for room in opened.rooms]
    courses = [await desk.active_course(patient.name) for patient in opened.patients]
    await desk.book(courses[1], rooms[0], TUESDAY, "07:45", supervisor=first)
    await desk.book(courses[2], rooms[1], TUESDAY, "11:10", supervisor=second)
    await desk.cancel(await desk.book(courses[3], rooms[1], TUESDAY, "15:00"))
    found = await find(desk, courses[0], [opened.clinics[0].name], TUESDAY, page_size=200)
    bookable = [
        f"{TUESDAY}T{at}"
        for at in QUARTERS
        if not all([await desk.blockers(courses[0], room, TUESDAY, at) for room in rooms])
    ]
    assert starts(found) == bookable
    assert bookable
    for slot in found.slots:
        at = slot.interval.local_start_time[11:16]
        assert await desk.blockers(courses[0], slot.room, TUESDAY, at, supervisor=slot.supervisor) == []


async def test_lanes_left_apart_by_cancellations_still_fit_together(desk) -> None:
    opened = await desk.open_clinic(rooms=4, ratio=2, patients=4)
    rooms = [room.name for room in opened.rooms]
    courses = [await desk.active_course(patient.name) for patient in opened.patients]
    morning = await desk.book(courses[0], rooms[0], TUESDAY, "08:00")
    await desk.book(courses[1], rooms[1], TUESDAY, "11:00")
    early = await desk.book(courses[2], rooms[2], TUESDAY, "11:00")
    await desk.cancel(early)
    # Put the two that are left into different lanes, as a history of cancellations can.
    await desk.execute("update supervision set lane = 2 where session_id = :id", id=morning.name.partition("/")[2])
    found = await find(desk, courses[3], [opened.clinics[0].name], TUESDAY, page_size=200)
    assert f"{TUESDAY}T09:30" in starts(found)
    booked = await desk.book(courses[3], rooms[3], TUESDAY, "09:30")
    assert len(booked.supervisions) == 1


async def test_slots_are_ranked_and_paged(desk) -> None:
    opened = await desk.open_clinic(rooms=2, supervisors=2)
    first, second = (one.name for one in opened.practitioners)
    await shift(desk, second, [("13:00", "18:00")])
    course, clinic = await desk.active_course(opened.patients[0].name), opened.clinics[0].name
    wanted = {"preferred_supervisor": second, "page_size": 3}
    request_dates = (TUESDAY, TUESDAY + timedelta(days=1))
    everything = await find(desk, course, [clinic], *request_dates, preferred_supervisor=second, page_size=200)
    supervisors = [slot.supervisor for slot in everything.slots]
    assert supervisors == sorted(supervisors, key=lambda name: name != second)
    preferred = starts(everything)[: supervisors.count(second)]
    assert preferred == sorted(preferred)
    assert preferred[0] == f"{TUESDAY}T13:00"
    paged, token = [], ""
    while True:
        page = await find(desk, course, [clinic], *request_dates, **wanted, page_token=token)
        paged += page.slots
        token = page.next_page_token
        if not token:
            break
    assert paged == list(everything.slots)
    assert {slot.supervisor for slot in everything.slots} == {first, second}


async def test_reasons_for_dates_without_a_slot(desk, clock) -> None:
    opened = await desk.open_clinic(ratio=1, patients=2, days=(1, 2, 3, 4, 5), hours=("08:00", "11:00"))
    course, other = [await desk.active_course(patient.name) for patient in opened.patients]
    clinic, room = opened.clinics[0].name, opened.rooms[0].name
    clock.set(datetime(2026, 3, 2, 14, tzinfo=UTC))
    await desk.book(course, room, date(2026, 3, 12), "08:00")
    await desk.book(other, room, date(2026, 3, 19), "08:15")
    await desk.execute("delete from shift where weekday = 5")
    found = await find(desk, course, [clinic], date(2026, 3, 2), date(2026, 3, 22))
    cadence = {f"2026-03-{n:02}": {"CADENCE"} for n in range(6, 19)}
    assert reasons(found) == cadence | {
        "2026-03-02": {"PAST"},
        "2026-03-06": {"CADENCE", "NO_SUPERVISOR"},
        "2026-03-07": {"CADENCE", "CLINIC_CLOSED"},
        "2026-03-08": {"CADENCE", "CLINIC_CLOSED"},
        "2026-03-13": {"CADENCE", "NO_SUPERVISOR"},
        "2026-03-12": {"CADENCE", "ROOM_BUSY", "SUPERVISION_RATIO"},
        "2026-03-14": {"CADENCE", "CLINIC_CLOSED"},
        "2026-03-15": {"CADENCE", "CLINIC_CLOSED"},
        "2026-03-19": {"ROOM_BUSY", "SUPERVISION_RATIO"},
        "2026-03-20": {"NO_SUPERVISOR"},
        "2026-03-21": {"CLINIC_CLOSED"},
        "2026-03-22": {"CLINIC_CLOSED"},
    }
    assert {text[:10] for text in starts(found)} == {"2026-03-03", "2026-03-04", "2026-03-05"}


async def test_times_and_weekdays_narrow_the_search(desk) -> None:
    opened = await desk.open_clinic()
    course, clinic = await desk.active_course(opened.patients[0].name), opened.clinics[0].name
    found = await find(
        desk,
        course,
        [clinic],
        TUESDAY,
        TUESDAY + timedelta(days=13),
        days_of_week=[3],
        earliest_time=clock_time("10:00"),
        latest_time=clock_time("10:30"),
    )
    assert starts(found) == [f"2026-03-{n:02}T{at}" for n in (4, 11) for at in ("10:00", "10:15", "10:30")]
    assert reasons(found) == {}
    late = await find(desk, course, [clinic], TUESDAY, earliest_time=clock_time("16:00"))
    assert reasons(late) == {"2026-03-03": {"OUTSIDE_HOURS"}}


async def test_several_clinics_in_their_own_zones(desk) -> None:
    east = await desk.open_clinic(key="main", hours=("08:00", "11:00"))
    west = await desk.open_clinic(key="west", zone="America/Los_Angeles", hours=("08:00", "11:00"))
    course = await desk.active_course(east.patients[0].name)
    clinics = [east.clinics[0].name, west.clinics[0].name]
    found = await find(desk, course, clinics, TUESDAY)
    assert [(slot.clinic, slot.interval.local_start_time) for slot in found.slots] == [
        *((clinics[0], f"2026-03-03T08:{minute:02}:00-05:00") for minute in (0, 15, 30)),
        *((clinics[1], f"2026-03-03T08:{minute:02}:00-08:00") for minute in (0, 15, 30)),
    ]


async def test_slots_on_the_day_of_a_clock_change_exist_on_the_clock(desk) -> None:
    opened = await desk.open_clinic(hours=("00:30", "06:00"))
    course, clinic = await desk.active_course(opened.patients[0].name), opened.clinics[0].name
    found = await find(desk, course, [clinic], date(2026, 3, 8))
    # From 02:00 to 03:00 there is no such time: the clinic is open for 4.5 hours, and a session takes 2.5.
    assert [text[11:] for text in starts(found)] == [
        "00:30", "00:45", "01:00", "01:15", "01:30", "01:45", "03:00", "03:15", "03:30",
    ]  # fmt: skip
    for text in starts(found):
        assert await desk.blockers(course, opened.rooms[0].name, date(2026, 3, 8), text[11:]) == []


async def test_a_course_that_cannot_hold_more_has_no_slots(desk) -> None:
    opened = await desk.open_clinic()
    draft = await desk.enroll(opened.patients[0].name)
    found = await find(desk, draft.name, [opened.clinics[0].name], TUESDAY)
    assert (list(found.slots), reasons(found)) == ([], {"2026-03-03": {"COURSE_NOT_ACTIVE"}})


async def test_faults_of_a_search_are_named_together(desk) -> None:
    opened = await desk.open_clinic()
    course = await desk.active_course(opened.patients[0].name)
    with pytest.raises(InvalidArgumentError) as faulty:
        await find(desk, "course", ["clinic/1"], TUESDAY, TUESDAY + timedelta(days=93), days_of_week=[9])
    assert {fault.path for fault in faulty.value.violations} == {
        "course",
        "clinics[0]",
        "end_date",
        "days_of_week[0]",
    }
    with pytest.raises(NotFoundError, match="clinics/"):
        await find(desk, course, [f"clinics/{new_id()}"], TUESDAY)
    with pytest.raises(InvalidArgumentError, match="page_token"):
        await find(desk, course, [opened.clinics[0].name], TUESDAY, page_token="bm9uc2Vuc2U")
    assert codes(await desk.blockers(course, opened.rooms[0].name, TUESDAY)) == set()
