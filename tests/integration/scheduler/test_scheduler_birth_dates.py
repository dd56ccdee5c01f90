"""Correcting a date of birth: always taken in, told for courses under way, and what becomes of sessions."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kat.events.v1 import events_pb2
from kat.scheduler.v1 import roster_pb2, session_pb2
from services.runtime.errors import FailedPreconditionError
from tests.integration.scheduler.course_desk import TUESDAY, CourseDesk
from tests.integration.scheduler.desk import Desk, codes, day

pytestmark = pytest.mark.external_postgres

AS_IMPORTED = date(1980, 5, 17)
CORRECTED = date(1979, 5, 17)


@pytest.fixture
async def course(desk) -> CourseDesk:
    return await CourseDesk.open(desk)


async def patient_of(desk: Desk, name: str) -> roster_pb2.Patient:
    return await desk.call(desk.roster.GetPatient, roster_pb2.GetPatientRequest(name=name))


async def correct(desk: Desk, name: str, birth_date: date, **more: Any) -> roster_pb2.Patient:
    patient = await patient_of(desk, name)
    patient.birth_date.CopyFrom(day(birth_date))
    patient.MergeFrom(roster_pb2.Patient(**more))
    return await desk.call(desk.roster.UpdatePatient, roster_pb2.UpdatePatientRequest(patient=patient))


async def told(desk: Desk) -> dict[str, list[events_pb2.CourseActivated]]:
    """What was told of each course, in order."""
    found: dict[str, list[events_pb2.CourseActivated]] = {}
    for event in await desk.sent():
        if event.HasField("course_activated"):
            found.setdefault(event.aggregate, []).append(event.course_activated)
    return found


def adult_dates(events: list[events_pb2.CourseActivated]) -> list[str]:
    return [f"{one.adult_date.year}-{one.adult_date.month:02}-{one.adult_date.day:02}" for one in events]


async def test_a_correction_is_told_for_every_course_under_way_and_no_other(desk) -> None:
    course = await CourseDesk.open(desk, patients=2)
    patient, other = (one.name for one in course.opened.patients)
    paused = CourseDesk(desk, await desk.active_course(patient, code="im_racemic"), course.room, course.opened)
    await paused.change("Pause", reason="abroad")
    draft = await desk.enroll(patient, code="sl_lozenge")
    accepted = await desk.review(await desk.enroll(patient, code="spravato_maintenance"), reason="induction elsewhere")
    ended = CourseDesk(desk, accepted.name, course.room, course.opened)
    await ended.change("Complete")
    of_another = await desk.active_course(other)
    assert (await correct(desk, patient, CORRECTED)).birth_date == day(CORRECTED)
    found = await told(desk)
    assert {name: adult_dates(events) for name, events in found.items()} == {
        course.name: ["1998-05-17", "1997-05-17"],
        paused.name: ["1998-05-17", "1997-05-17"],
        ended.name: ["1998-05-17"],
        of_another: ["1998-05-17"],
    }
    first, second = found[course.name]
    first.adult_date.CopyFrom(second.adult_date)
    assert first == second
    await desk.review(draft, reason="weighed with the patient")
    assert adult_dates((await told(desk))[draft.name]) == ["1997-05-17"]


async def test_what_is_told_of_a_course_has_versions_without_a_gap(course) -> None:
    (patient,) = course.opened.patients
    for birth_date in (CORRECTED, AS_IMPORTED):
        await correct(course.desk, patient.name, birth_date)
    versions = [event.aggregate_version for event in await course.desk.sent() if event.aggregate == course.name]
    assert versions == [1, 2, 3]


async def test_another_change_of_a_patient_tells_nothing(course) -> None:
    (patient,) = course.opened.patients
    await correct(course.desk, patient.name, AS_IMPORTED, time_zone="America/Chicago")
    assert adult_dates((await told(course.desk))[course.name]) == ["1998-05-17"]


async def test_a_correction_that_comes_with_a_roster_is_told_once(course) -> None:
    desk, (patient,) = course.desk, course.opened.patients
    given = roster_pb2.Patient(
        identifier=patient.identifier, time_zone=patient.time_zone, birth_date=day(CORRECTED), clinic=patient.clinic
    )
    newcomer = roster_pb2.Patient()
    newcomer.CopyFrom(given)
    newcomer.identifier.value = "newcomer"
    for _ in range(2):
        await desk.call(desk.roster.ImportRoster, roster_pb2.ImportRosterRequest(patients=[newcomer, given]))
    assert adult_dates((await told(desk))[course.name]) == ["1998-05-17", "1997-05-17"]
    assert set(await told(desk)) == {course.name}


async def test_a_course_that_is_activated_meanwhile_is_told_with_the_date_of_birth_that_holds(desk) -> None:
    opened = await desk.open_clinic(patients=8)
    drafts = [await desk.enroll(patient.name) for patient in opened.patients]
    await asyncio.gather(
        *(desk.review(draft) for draft in drafts),
        *(correct(desk, patient.name, CORRECTED) for patient in opened.patients),
    )
    found = await told(desk)
    assert {adult_dates(found[draft.name])[-1] for draft in drafts} == {"1997-05-17"}


@pytest.mark.parametrize(
    ("birth_date", "on", "too_young"),
    [
        (date(2008, 3, 3), TUESDAY, False),
        (date(2008, 3, 4), TUESDAY, True),
        (date(2008, 2, 29), date(2026, 2, 28), True),
        (date(2008, 2, 29), date(2026, 3, 1), False),
    ],
)
async def test_a_session_is_stranded_up_to_the_birthday(course, clock, birth_date, on, too_young) -> None:
    clock.set(datetime(2026, 2, 20, 12, tzinfo=UTC))
    desk, (patient,) = course.desk, course.opened.patients
    session = await desk.book(course.name, course.room, on)
    await correct(desk, patient.name, birth_date)
    assert await course.stranded() == ({session.name: ["UNDER_AGE"]} if too_young else {})
    await desk.cancel(session)
    assert codes(await desk.blockers(course.name, course.room, on)) == ({"UNDER_AGE"} if too_young else set())


async def test_who_turns_out_to_be_too_young_is_not_treated_until_that_is_corrected(course, clock) -> None:
    desk, (patient,) = course.desk, course.opened.patients
    session = await course.book(0)
    assert (await correct(desk, patient.name, date(2009, 1, 31))).birth_date == day(date(2009, 1, 31))
    with pytest.raises(FailedPreconditionError) as unbooked:
        await course.book(1)
    with pytest.raises(FailedPreconditionError) as turned_away:
        await course.arrive(session)
    for refused in (unbooked.value, turned_away.value):
        assert [blocker.code for blocker in refused.blockers] == ["UNDER_AGE"]
        assert "younger than 18" in refused.message
        assert "2009" not in refused.message
    clock.advance(hours=2)
    await desk.upkeep.do_due()
    assert (await desk.session(session.name)).state == session_pb2.Session.STATE_BOOKED
    await correct(desk, patient.name, AS_IMPORTED)
    assert await course.stranded() == {}
    assert (await course.arrive(session)).state == session_pb2.Session.STATE_CHECKED_IN
    assert (await course.book(1)).ordinal == 2


async def test_slots_are_found_from_the_birthday_on(course) -> None:
    desk, (patient,) = course.desk, course.opened.patients
    await correct(desk, patient.name, date(2008, 3, 5))
    request = session_pb2.FindSlotsRequest(
        course=course.name,
        clinics=[course.opened.clinics[0].name],
        start_date=day(TUESDAY),
        end_date=day(date(2026, 3, 5)),
        page_size=200,
    )
    found = await desk.call(desk.sessions.FindSlots, request)
    assert {slot.interval.local_start_time[:10] for slot in found.slots} == {"2026-03-05"}
    assert [codes_of(one) for one in found.dates_without_slot] == [{"UNDER_AGE"}, {"UNDER_AGE"}]


def codes_of(without: Any) -> set[str]:
    return {session_pb2.BlockerCode.Name(code).removeprefix("BLOCKER_CODE_") for code in without.codes}
