"""Closures, absences and extra shifts: what they rule out, and the sessions that they strand."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kat.scheduler.v1 import roster_pb2
from services.runtime.errors import (
    AbortedError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from tests.integration.scheduler.desk import Desk, clock_time, codes, day, timestamp

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
WEDNESDAY = date(2026, 3, 4)
SPRING_FORWARD = date(2026, 3, 8)
ABSENCE, EXTRA = roster_pb2.ShiftException.KIND_ABSENCE, roster_pb2.ShiftException.KIND_EXTRA


def at(on: date, time: str, offset: str = "") -> roster_pb2.ClockTime:
    return roster_pb2.ClockTime(date=day(on), time=clock_time(time), utc_offset=offset)


def closure(opened: Any, start: tuple[date, str], end: tuple[date, str], **more: str) -> roster_pb2.Closure:
    return roster_pb2.Closure(
        clinic=opened.clinics[0].name, start=at(*start), end=at(*end), **{"reason": "public holiday", **more}
    )


async def close(desk: Desk, wanted: roster_pb2.Closure, **more: Any) -> roster_pb2.CreateClosureResponse:
    return await desk.call(desk.roster.CreateClosure, roster_pb2.CreateClosureRequest(closure=wanted, **more))


async def except_for(
    desk: Desk, practitioner: str, kind: int, start: tuple[date, str], end: tuple[date, str], **more: str
) -> roster_pb2.CreateShiftExceptionResponse:
    exception = roster_pb2.ShiftException(practitioner=practitioner, kind=kind, start=at(*start), end=at(*end), **more)
    return await desk.call(
        desk.roster.CreateShiftException, roster_pb2.CreateShiftExceptionRequest(shift_exception=exception)
    )


async def faults(attempt: Any) -> dict[str, str]:
    with pytest.raises(InvalidArgumentError) as faulty:
        await attempt
    return {fault.path: fault.description for fault in faulty.value.violations}


async def booked(desk: Desk, opened: Any, *places: tuple[int, date, str]) -> list[Any]:
    """A session for each (room, date, time), each of another patient."""
    return [
        await desk.book(await desk.active_course(patient.name), opened.rooms[room].name, on, time)
        for patient, (room, on, time) in zip(opened.patients, places, strict=False)
    ]


async def test_a_closed_clinic_is_booked_at_no_time_that_it_is_closed(desk) -> None:
    opened = await desk.open_clinic()
    course, room = await desk.active_course(opened.patients[0].name), opened.rooms[0].name
    made = (await close(desk, closure(opened, (TUESDAY, "12:00"), (TUESDAY, "14:00")))).closure
    assert (made.time_zone, made.start.utc_offset) == ("America/New_York", "-05:00")
    assert await desk.call(desk.roster.GetClosure, roster_pb2.GetClosureRequest(name=made.name)) == made
    for time in ("09:31", "13:59"):
        (blocker,) = await desk.blockers(course, room, TUESDAY, time)
        assert codes([blocker]) == {"CLINIC_CLOSED"}
        assert made.name in blocker.description
        assert "holiday" not in blocker.description
    for time in ("09:30", "14:00"):
        assert await desk.blockers(course, room, TUESDAY, time) == []
    await close(desk, closure(opened, (TUESDAY, "18:00"), (TUESDAY, "20:00")))
    assert codes(await desk.blockers(course, room, TUESDAY, "17:00")) == {
        "CLINIC_CLOSED",
        "OUTSIDE_HOURS",
        "NO_SUPERVISOR",
    }
    deletion = roster_pb2.DeleteClosureRequest(name=made.name, etag=made.etag)
    await desk.call(desk.roster.DeleteClosure, deletion)
    assert await desk.blockers(course, room, TUESDAY, "12:00") == []
    with pytest.raises(NotFoundError):
        await desk.call(desk.roster.DeleteClosure, roster_pb2.DeleteClosureRequest(name=made.name, etag=made.etag))


async def test_a_closed_room_is_named_and_others_stay_open(desk) -> None:
    opened = await desk.open_clinic(rooms=2)
    course = await desk.active_course(opened.patients[0].name)
    wanted = closure(opened, (TUESDAY, "12:00"), (TUESDAY, "14:00"), room=opened.rooms[0].name)
    made = (await close(desk, wanted)).closure
    # Until 11:45, and then the turnover until 12:00.
    assert await desk.blockers(course, opened.rooms[0].name, TUESDAY, "09:15") == []
    (blocker,) = await desk.blockers(course, opened.rooms[0].name, TUESDAY, "09:16")
    assert codes([blocker]) == {"ROOM_BUSY"}
    assert made.name in blocker.description
    assert await desk.blockers(course, opened.rooms[1].name, TUESDAY, "12:00") == []


async def test_sessions_that_stand_in_a_closure_are_told_and_kept(desk) -> None:
    opened = await desk.open_clinic(rooms=2, patients=4)
    inside, other_room, after, gone = await booked(
        desk, opened, (0, TUESDAY, "10:00"), (1, TUESDAY, "11:00"), (0, TUESDAY, "14:00"), (1, TUESDAY, "14:00")
    )
    await desk.cancel(gone)
    wanted = closure(opened, (TUESDAY, "08:00"), (TUESDAY, "14:00"))
    foreseen = await close(desk, wanted, validate_only=True)
    assert foreseen.closure.name == ""
    assert (await desk.call(desk.roster.ListClosures, roster_pb2.ListClosuresRequest())).closures == []
    made = await close(desk, wanted)
    assert list(made.stranded_sessions) == list(foreseen.stranded_sessions)
    assert [one.session for one in made.stranded_sessions] == [inside.name, other_room.name]
    first = made.stranded_sessions[0]
    assert (first.patient, first.room, list(first.reasons)) == (inside.patient, inside.room, ["CLINIC_CLOSED"])
    assert first.interval == inside.interval
    assert (await desk.session(inside.name)).state == inside.state
    of_room = await close(desk, closure(opened, (TUESDAY, "13:00"), (TUESDAY, "15:00"), room=after.room))
    assert [(one.session, list(one.reasons)) for one in of_room.stranded_sessions] == [(after.name, ["ROOM_BUSY"])]


async def test_a_closure_strands_nothing_that_has_begun(desk, clock) -> None:
    opened = await desk.open_clinic()
    (session,) = await booked(desk, opened, (0, TUESDAY, "09:00"))
    clock.set(datetime(2026, 3, 3, 14, tzinfo=UTC))
    await desk.check_in(session)
    made = await close(desk, closure(opened, (TUESDAY, "08:00"), (TUESDAY, "18:00")))
    assert list(made.stranded_sessions) == []


async def test_every_fault_of_a_closure_at_once(desk) -> None:
    opened, other = await desk.open_clinic(), await desk.open_clinic(key="other")
    assert set(await faults(close(desk, roster_pb2.Closure(room="x", reason="\x07")))) == {
        "closure.clinic",
        "closure.room",
        "closure.start.date",
        "closure.start.time",
        "closure.end.date",
        "closure.end.time",
        "closure.reason",
    }
    skipped = closure(opened, (SPRING_FORWARD, "02:30"), (date(2026, 3, 1), "09:00"), room=other.rooms[0].name)
    found = await faults(close(desk, skipped))
    assert set(found) == {"closure.room", "closure.start", "closure.end"}
    backwards = closure(opened, (WEDNESDAY, "09:00"), (WEDNESDAY, "09:00"))
    assert await faults(close(desk, backwards)) == {"closure.end": "write a time after the start"}


async def test_closures_are_listed_by_start_and_paged(desk) -> None:
    opened, other = await desk.open_clinic(), await desk.open_clinic(key="other")
    for clinic, on in ((opened, 5), (other, 4), (opened, 3), (opened, 4)):
        await close(desk, closure(clinic, (date(2026, 3, on), "08:00"), (date(2026, 3, on), "18:00")))
    days, token = [], ""
    while True:
        request = roster_pb2.ListClosuresRequest(
            clinic=opened.clinics[0].name,
            page_size=1,
            page_token=token,
            start_time=timestamp(datetime(2026, 3, 3, 23, tzinfo=UTC)),
        )
        page = await desk.call(desk.roster.ListClosures, request)
        days += [one.start.date.day for one in page.closures]
        token = page.next_page_token
        if not token:
            break
    assert days == [4, 5]


@pytest.mark.parametrize("everywhere", [True, False], ids=["everywhere", "at the clinic"])
async def test_nobody_is_supervised_by_whoever_is_absent(desk, everywhere) -> None:
    opened = await desk.open_clinic(patients=2)
    first, second = await booked(desk, opened, (0, TUESDAY, "09:00"), (0, TUESDAY, "14:00"))
    where = {"time_zone": "America/New_York"} if everywhere else {"clinic": opened.clinics[0].name}
    made = await except_for(
        desk, opened.practitioners[0].name, ABSENCE, (TUESDAY, "11:29"), (TUESDAY, "14:00"), **where
    )
    assert [(one.session, list(one.reasons)) for one in made.stranded_sessions] == [(first.name, ["NO_SUPERVISOR"])]
    assert made.shift_exception.clinic == where.get("clinic", "")
    get = roster_pb2.GetShiftExceptionRequest(name=made.shift_exception.name)
    assert await desk.call(desk.roster.GetShiftException, get) == made.shift_exception
    course = second.course
    assert "NO_SUPERVISOR" in codes(await desk.blockers(course, second.room, TUESDAY, "10:00"))
    again = await except_for(
        desk, opened.practitioners[0].name, ABSENCE, (TUESDAY, "09:00"), (TUESDAY, "14:01"), **where
    )
    assert [one.session for one in again.stranded_sessions] == [second.name]
    for exception in (made.shift_exception, again.shift_exception):
        request = roster_pb2.DeleteShiftExceptionRequest(name=exception.name, etag=exception.etag)
        answer = await desk.call(desk.roster.DeleteShiftException, request)
        assert list(answer.stranded_sessions) == []
    listed = await desk.call(desk.roster.ListStrandedSessions, roster_pb2.ListStrandedSessionsRequest())
    assert list(listed.stranded_sessions) == []


async def test_an_absence_elsewhere_is_no_absence_here(desk) -> None:
    opened, other = await desk.open_clinic(), await desk.open_clinic(key="other", supervisors=0)
    (session,) = await booked(desk, opened, (0, TUESDAY, "09:00"))
    practitioner = opened.practitioners[0].name
    elsewhere = {"clinic": other.clinics[0].name}
    made = await except_for(desk, practitioner, ABSENCE, (TUESDAY, "08:00"), (TUESDAY, "18:00"), **elsewhere)
    assert list(made.stranded_sessions) == []
    assert await desk.move(session, TUESDAY, "10:00")


async def test_an_extra_shift_opens_time_and_its_end_strands_what_stands_in_it(desk) -> None:
    opened = await desk.open_clinic(days=[2])
    clinic = roster_pb2.UpdateClinicRequest(clinic=opened.clinics[0])
    for weekday in (1, 3):
        hours = clinic.clinic.opening_hours.add()
        hours.CopyFrom(opened.clinics[0].opening_hours[0])
        hours.day_of_week = weekday
    await desk.call(desk.roster.UpdateClinic, clinic)
    course, room = await desk.active_course(opened.patients[0].name), opened.rooms[0].name
    assert codes(await desk.blockers(course, room, WEDNESDAY, "09:00")) == {"NO_SUPERVISOR"}
    practitioner, where = opened.practitioners[0].name, {"clinic": opened.clinics[0].name}
    made = await except_for(desk, practitioner, EXTRA, (WEDNESDAY, "09:00"), (WEDNESDAY, "12:00"), **where)
    assert list(made.stranded_sessions) == []
    session = await desk.book(course, room, WEDNESDAY, "09:30")
    assert session.supervisions[0].practitioner == practitioner
    exception = made.shift_exception
    with pytest.raises(AbortedError):
        await desk.call(
            desk.roster.DeleteShiftException, roster_pb2.DeleteShiftExceptionRequest(name=exception.name, etag="x")
        )
    request = roster_pb2.DeleteShiftExceptionRequest(name=exception.name, etag=exception.etag)
    answer = await desk.call(desk.roster.DeleteShiftException, request)
    assert [(one.session, list(one.reasons)) for one in answer.stranded_sessions] == [(session.name, ["NO_SUPERVISOR"])]


async def test_nobody_works_an_extra_shift_at_the_time_of_one_elsewhere(desk) -> None:
    opened, other = await desk.open_clinic(days=[2]), await desk.open_clinic(key="other", supervisors=0)
    practitioner, there = opened.practitioners[0].name, {"clinic": other.clinics[0].name}
    times = ((TUESDAY, "17:59"), (TUESDAY, "19:00"))
    assert set(await faults(except_for(desk, practitioner, EXTRA, *times, **there))) == {"shift_exception"}
    here = {"clinic": opened.clinics[0].name}
    away = await except_for(desk, practitioner, ABSENCE, (TUESDAY, "12:00"), (TUESDAY, "18:00"), **here)
    extra = await except_for(desk, practitioner, EXTRA, *times, **there)
    back = roster_pb2.DeleteShiftExceptionRequest(name=away.shift_exception.name, etag=away.shift_exception.etag)
    assert set(await faults(desk.call(desk.roster.DeleteShiftException, back))) == {"name"}
    shift = roster_pb2.Shift(
        practitioner=practitioner,
        clinic=opened.clinics[0].name,
        day_of_week=2,
        start_time=clock_time("18:00"),
        end_time=clock_time("19:00"),
    )
    refused = await faults(desk.call(desk.roster.CreateShift, roster_pb2.CreateShiftRequest(shift=shift)))
    assert extra.shift_exception.name in refused["shift"]


async def test_an_absence_over_the_hour_that_the_clock_skips(desk) -> None:
    opened = await desk.open_clinic(hours=("00:00", "23:00"))
    practitioner, here = opened.practitioners[0].name, {"clinic": opened.clinics[0].name}
    over = await except_for(desk, practitioner, ABSENCE, (SPRING_FORWARD, "01:30"), (SPRING_FORWARD, "03:30"), **here)
    exception = over.shift_exception
    assert (exception.start.utc_offset, exception.end.utc_offset) == ("-05:00", "-04:00")
    rows = await desk.execute("select end_time - start_time from shift_exception")
    assert rows == [(timedelta(hours=1),)]
    course, room = await desk.active_course(opened.patients[0].name), opened.rooms[0].name
    assert codes(await desk.blockers(course, room, SPRING_FORWARD, "03:29")) == {"NO_SUPERVISOR"}
    assert await desk.blockers(course, room, SPRING_FORWARD, "03:30") == []
    for kind, clock in (("start", "02:30"), ("end", "02:59")):
        times = {"start": (SPRING_FORWARD, "01:00"), "end": (SPRING_FORWARD, "04:00"), kind: (SPRING_FORWARD, clock)}
        found = await faults(except_for(desk, practitioner, ABSENCE, times["start"], times["end"], **here))
        assert "does not exist" in found[f"shift_exception.{kind}"]
        assert "01:" in found[f"shift_exception.{kind}"]
        assert "03:" in found[f"shift_exception.{kind}"]


async def test_an_absence_in_the_hour_that_exists_twice_says_which(desk, clock) -> None:
    opened = await desk.open_clinic()
    twice = date(2026, 11, 1)
    practitioner, here = opened.practitioners[0].name, {"clinic": opened.clinics[0].name}
    found = await faults(except_for(desk, practitioner, ABSENCE, (twice, "01:30"), (twice, "09:00"), **here))
    assert "exists twice" in found["shift_exception.start"]
    chosen = roster_pb2.ShiftException(
        practitioner=practitioner, kind=ABSENCE, start=at(twice, "01:30", "-05:00"), end=at(twice, "02:00"), **here
    )
    made = await desk.call(
        desk.roster.CreateShiftException, roster_pb2.CreateShiftExceptionRequest(shift_exception=chosen)
    )
    assert made.shift_exception.start == chosen.start
    assert await desk.execute("select end_time - start_time from shift_exception") == [(timedelta(minutes=30),)]


async def test_every_fault_of_an_exception_at_once(desk) -> None:
    request = roster_pb2.CreateShiftExceptionRequest(shift_exception=roster_pb2.ShiftException(kind=EXTRA))
    assert set(await faults(desk.call(desk.roster.CreateShiftException, request))) == {
        "shift_exception.practitioner",
        "shift_exception.clinic",
        "shift_exception.start.date",
        "shift_exception.start.time",
        "shift_exception.end.date",
        "shift_exception.end.time",
    }
    nowhere = roster_pb2.ShiftException(kind=ABSENCE, start=at(TUESDAY, "09:00"), end=at(TUESDAY, "10:00"))
    request = roster_pb2.CreateShiftExceptionRequest(shift_exception=nowhere)
    assert set(await faults(desk.call(desk.roster.CreateShiftException, request))) == {
        "shift_exception.practitioner",
        "shift_exception.time_zone",
    }


async def test_exceptions_are_listed_by_start_and_filtered(desk) -> None:
    opened, other = await desk.open_clinic(supervisors=2), await desk.open_clinic(key="other")
    one, two = (practitioner.name for practitioner in opened.practitioners)
    here, zone = {"clinic": opened.clinics[0].name}, {"time_zone": "Europe/Berlin"}
    for whom, on, where in ((one, 5, here), (two, 3, zone), (one, 4, zone)):
        await except_for(desk, whom, ABSENCE, (date(2026, 3, on), "08:00"), (date(2026, 3, on), "18:00"), **where)

    async def days(**asked: Any) -> list[int]:
        request = roster_pb2.ListShiftExceptionsRequest(**asked)
        page = await desk.call(desk.roster.ListShiftExceptions, request)
        return [exception.start.date.day for exception in page.shift_exceptions]

    assert await days() == [3, 4, 5]
    assert await days(practitioner=one) == [4, 5]
    assert await days(clinic=other.clinics[0].name) == [3, 4]
    assert await days(start_time=timestamp(datetime(2026, 3, 4, 17, tzinfo=UTC))) == [5]


async def test_another_organization_closes_nothing(desk, database, clock) -> None:
    opened = await desk.open_clinic()
    stranger = Desk(database, clock)
    await stranger.open_clinic()
    times = ((TUESDAY, "08:00"), (TUESDAY, "18:00"))
    with pytest.raises(NotFoundError):
        await close(stranger, closure(opened, *times))
    with pytest.raises(NotFoundError):
        await except_for(stranger, opened.practitioners[0].name, ABSENCE, *times, time_zone="UTC")
    made = (await close(desk, closure(opened, *times))).closure
    with pytest.raises(NotFoundError):
        await stranger.call(stranger.roster.GetClosure, roster_pb2.GetClosureRequest(name=made.name))
    with pytest.raises(NotFoundError):
        await stranger.call(
            stranger.roster.DeleteClosure, roster_pb2.DeleteClosureRequest(name=made.name, etag=made.etag)
        )
    assert (await stranger.call(stranger.roster.ListClosures, roster_pb2.ListClosuresRequest())).closures == []


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("the clinic closes", "CLINIC_CLOSED"),
        ("the room closes", "ROOM_BUSY"),
        ("the supervisor is absent", "NO_SUPERVISOR"),
    ],
)
async def test_a_booking_at_the_same_moment_is_refused_or_told(desk, what, code) -> None:
    """Whichever comes first: every session that stands in the way afterwards was told of."""
    opened = await desk.open_clinic(rooms=12, patients=12, ratio=12)
    courses = [await desk.active_course(patient.name) for patient in opened.patients]
    times = ((TUESDAY, "08:00"), (TUESDAY, "18:00"))

    async def rule_out() -> Any:
        if what == "the supervisor is absent":
            return await except_for(desk, opened.practitioners[0].name, ABSENCE, *times, clinic=opened.clinics[0].name)
        room = {"room": opened.rooms[0].name} if what == "the room closes" else {}
        return await close(desk, closure(opened, *times, **room))

    def books(which: slice) -> list[Any]:
        pairs = list(zip(courses, opened.rooms, strict=True))[which]
        return [desk.book(course, room.name, TUESDAY) for course, room in pairs]

    results = await asyncio.gather(*books(slice(6)), rule_out(), *books(slice(6, 12)), return_exceptions=True)
    told = results.pop(6)
    stands = {result.name for result in results if not isinstance(result, BaseException)}
    for error in results:
        if isinstance(error, BaseException):
            assert isinstance(error, FailedPreconditionError)
            assert {blocker.code for blocker in error.blockers} == {code}
    listed = await desk.call(desk.roster.ListStrandedSessions, roster_pb2.ListStrandedSessionsRequest())
    assert {one.session for one in told.stranded_sessions} == {one.session for one in listed.stranded_sessions}
    if what != "the room closes":
        assert {one.session for one in told.stranded_sessions} == stands
