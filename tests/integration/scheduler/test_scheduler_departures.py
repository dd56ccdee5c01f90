"""Practitioners who leave, and sessions that could not be booked as they stand."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kat.scheduler.v1 import roster_pb2, session_pb2
from services.runtime.errors import AbortedError, InvalidArgumentError, NotFoundError
from tests.integration.scheduler.desk import Desk, clock_time, codes, day, instant

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
NEXT_TUESDAY = date(2026, 3, 10)
REASSIGNED = roster_pb2.ReofferedSession.OUTCOME_REASSIGNED
STRANDED = roster_pb2.ReofferedSession.OUTCOME_STRANDED


async def depart(desk: Desk, practitioner: Any, last: date, **more: Any) -> roster_pb2.DepartPractitionerResponse:
    request = roster_pb2.DepartPractitionerRequest(
        name=practitioner.name, etag=practitioner.etag, last_date=day(last), **more
    )
    return await desk.call(desk.roster.DepartPractitioner, request)


async def stranded(desk: Desk, **asked: Any) -> list[roster_pb2.StrandedSession]:
    request = roster_pb2.ListStrandedSessionsRequest(**asked)
    return list((await desk.call(desk.roster.ListStrandedSessions, request)).stranded_sessions)


async def update(desk: Desk, resource: Any) -> Any:
    kind = type(resource).__name__
    request = getattr(roster_pb2, f"Update{kind}Request")(**{kind.lower(): resource})
    return await desk.call(getattr(desk.roster, f"Update{kind}"), request)


async def patients_booked(desk: Desk, opened: Any, *places: tuple[int, date, str], supervisor: Any) -> list[Any]:
    return [
        await desk.book(
            await desk.active_course(patient.name), opened.rooms[room].name, on, time, supervisor=supervisor.name
        )
        for patient, (room, on, time) in zip(opened.patients, places, strict=False)
    ]


def supervisors(session: Any) -> set[str]:
    return {supervision.practitioner for supervision in session.supervisions}


async def test_sessions_of_whoever_leaves_are_handed_over_at_the_same_time(desk) -> None:
    opened = await desk.open_clinic(rooms=2, supervisors=2, ratio=1, patients=3)
    leaver, heir = opened.practitioners
    before, after, at_once = await patients_booked(
        desk, opened, (0, TUESDAY, "09:00"), (0, NEXT_TUESDAY, "09:00"), (1, NEXT_TUESDAY, "12:00"), supervisor=leaver
    )
    foreseen = await depart(desk, leaver, date(2026, 3, 9), validate_only=True)
    assert supervisors(await desk.session(after.name)) == {leaver.name}
    answer = await depart(desk, leaver, date(2026, 3, 9))
    assert answer == foreseen
    assert answer.practitioner.leave_date == day(date(2026, 3, 9))
    assert [(one.session, one.outcome, one.supervisor) for one in answer.sessions] == [
        (after.name, REASSIGNED, heir.name),
        (at_once.name, REASSIGNED, heir.name),
    ]
    now = await desk.session(after.name)
    assert supervisors(now) == {heir.name}
    assert (now.interval, now.room, now.revision) == (after.interval, after.room, after.revision)
    assert now.etag != after.etag
    assert supervisors(await desk.session(before.name)) == {leaver.name}
    assert await stranded(desk) == []
    events = [event for event in await desk.sent() if event.HasField("session_supervision_changed")]
    assert [event.aggregate for event in events] == [after.name, at_once.name]
    snapshot = events[0].session_supervision_changed.session
    assert (list(snapshot.supervisors), list(snapshot.supervisor_subjects)) == ([heir.name], ["main-subject-1"])


async def test_nobody_is_handed_more_than_their_ratio(desk) -> None:
    opened = await desk.open_clinic(rooms=3, supervisors=2, ratio=2, patients=3)
    leaver, heir = opened.practitioners
    at = (NEXT_TUESDAY, "09:00")
    (own,) = await patients_booked(desk, opened, (0, *at), supervisor=heir)
    del opened.patients[0]
    theirs = await patients_booked(desk, opened, (1, *at), (2, *at), supervisor=leaver)
    answer = await depart(desk, leaver, TUESDAY)
    assert sorted(one.outcome for one in answer.sessions) == [REASSIGNED, STRANDED]
    left = next(one for one in answer.sessions if one.outcome == STRANDED)
    assert left.supervisor == ""
    assert 1 <= len(left.proposals) <= 3
    (listed,) = await stranded(desk)
    assert (listed.session, list(listed.reasons)) == (left.session, ["NO_SUPERVISOR"])
    assert {one.session for one in answer.sessions} == {one.name for one in theirs}
    assert supervisors(await desk.session(own.name)) == {heir.name}


async def test_of_a_session_that_was_handed_over_their_own_part_alone_is(desk) -> None:
    opened = await desk.open_clinic(supervisors=3)
    leaver, second, third = opened.practitioners
    (session,) = await patients_booked(desk, opened, (0, NEXT_TUESDAY, "09:00"), supervisor=leaver)
    await desk.execute(
        """with first as (update supervision set end_time = start_time + interval '1 hour' returning *)
           insert into supervision select f.organization_id, f.session_id, f.end_time, s.end_time,
               cast(:second as uuid), 1, true from first f join session s using (session_id)""",
        second=second.name.partition("/")[2],
    )
    (reoffered,) = (await depart(desk, leaver, TUESDAY)).sessions
    assert reoffered.outcome == REASSIGNED
    first, last = (await desk.session(session.name)).supervisions
    assert first.practitioner == reoffered.supervisor
    assert first.practitioner in {second.name, third.name}
    assert (last.practitioner, last.start_time) == (second.name, first.end_time)


async def test_a_leaver_is_booked_until_their_last_date(desk) -> None:
    opened = await desk.open_clinic()
    (leaver,) = opened.practitioners
    left = (await depart(desk, leaver, TUESDAY)).practitioner
    course, room = await desk.active_course(opened.patients[0].name), opened.rooms[0].name
    assert await desk.blockers(course, room, TUESDAY) == []
    assert codes(await desk.blockers(course, room, TUESDAY + timedelta(days=1))) == {"NO_SUPERVISOR"}
    # What else is changed of them leaves the date as it is; they may stay longer.
    left.printed_name = "Renamed"
    left.ClearField("leave_date")
    left = await update(desk, left)
    assert left.leave_date == day(TUESDAY)
    await depart(desk, left, date(2026, 12, 31))
    assert await desk.blockers(course, room, TUESDAY + timedelta(days=1)) == []


async def test_a_departure_is_of_somebody_as_they_were_read(desk, database, clock) -> None:
    opened = await desk.open_clinic()
    (leaver,) = opened.practitioners
    await depart(desk, leaver, TUESDAY)
    with pytest.raises(AbortedError) as stale:
        await depart(desk, leaver, NEXT_TUESDAY)
    assert stale.value.reason == "STALE_ETAG"
    stranger = Desk(database, clock)
    with pytest.raises(NotFoundError):
        await depart(stranger, leaver, TUESDAY)
    with pytest.raises(InvalidArgumentError) as faulty:
        await desk.call(desk.roster.DepartPractitioner, roster_pb2.DepartPractitionerRequest(name="x"))
    assert {fault.path for fault in faulty.value.violations} == {"name", "etag", "last_date"}


async def test_a_departure_and_bookings_at_the_same_moment_do_not_miss_each_other(desk) -> None:
    """Whichever comes first: whoever leaves supervises nothing afterwards that was not told."""
    opened = await desk.open_clinic(rooms=12, supervisors=2, ratio=4, patients=12)
    leaver, heir = opened.practitioners
    courses = [await desk.active_course(patient.name) for patient in opened.patients]

    def books(which: slice) -> list[Any]:
        pairs = list(zip(courses, opened.rooms, strict=True))[which]
        return [desk.book(course, room.name, NEXT_TUESDAY, supervisor=leaver.name) for course, room in pairs]

    results = await asyncio.gather(
        *books(slice(6)), depart(desk, leaver, TUESDAY), *books(slice(6, 12)), return_exceptions=True
    )
    answer = results.pop(6)
    assert isinstance(answer, roster_pb2.DepartPractitionerResponse)
    booked = {result.name for result in results if not isinstance(result, BaseException)}
    assert {one.session for one in answer.sessions} == booked
    for error in results:
        if isinstance(error, BaseException):
            assert {blocker.code for blocker in error.blockers} <= {"NO_SUPERVISOR", "SUPERVISION_RATIO"}
    for one in answer.sessions:
        assert one.supervisor == heir.name
        assert supervisors(await desk.session(one.session)) == {heir.name}


async def test_every_reason_of_a_stranded_session_is_named(desk) -> None:
    opened = await desk.open_clinic(days=[1, 2, 3])
    (session,) = await patients_booked(desk, opened, (0, NEXT_TUESDAY, "09:00"), supervisor=opened.practitioners[0])
    assert await stranded(desk) == []
    clinic, practitioner = opened.clinics[0], opened.practitioners[0]
    clinic.opening_hours[1].open_time.CopyFrom(clock_time("09:01"))
    clinic = await update(desk, clinic)
    practitioner.protocol_codes[:] = ["im_racemic"]
    practitioner.supervision_ratio = 0
    await update(desk, practitioner)
    (found,) = await stranded(desk)
    assert list(found.reasons) == ["OUTSIDE_HOURS", "NO_SUPERVISOR", "SUPERVISION_RATIO"]
    assert (found.session, found.patient, found.interval) == (session.name, session.patient, session.interval)
    del clinic.opening_hours[1]
    await update(desk, clinic)
    (found,) = await stranded(desk)
    assert list(found.reasons) == ["CLINIC_CLOSED", "NO_SUPERVISOR", "SUPERVISION_RATIO"]


@pytest.mark.parametrize("expires", [date(2026, 3, 9), date(2026, 3, 10)])
async def test_a_credential_that_expires_before_the_session_strands_it(desk, expires) -> None:
    opened = await desk.open_clinic()
    practitioner = opened.practitioners[0]
    await patients_booked(desk, opened, (0, NEXT_TUESDAY, "09:00"), supervisor=practitioner)
    practitioner.credential_expire_date.CopyFrom(day(expires))
    await update(desk, practitioner)
    assert len(await stranded(desk)) == (1 if expires < NEXT_TUESDAY else 0)


async def test_a_lane_past_the_ratio_strands_whoever_is_too_many_alone(desk) -> None:
    opened = await desk.open_clinic(rooms=2, patients=2, ratio=2)
    practitioner = opened.practitioners[0]
    at = (NEXT_TUESDAY, "09:00")
    first, _ = await patients_booked(desk, opened, (0, *at), (1, *at), supervisor=practitioner)
    practitioner.supervision_ratio = 1
    await update(desk, practitioner)
    (found,) = await stranded(desk)
    assert list(found.reasons) == ["SUPERVISION_RATIO"]
    await desk.cancel(await desk.session(first.name))
    assert await stranded(desk) == []


async def test_a_session_that_is_too_early_after_a_dose_is_stranded_and_its_moves_keep_the_interval(desk) -> None:
    opened = await desk.open_clinic()
    course, room = await desk.active_course(opened.patients[0].name), opened.rooms[0].name
    first, second = await desk.book_series(course, room, TUESDAY, count=2)
    await desk.give_dose(first, datetime(2026, 3, 5, 15, tzinfo=UTC))
    (found,) = await stranded(desk)
    assert (found.session, list(found.reasons)) == (second.name, ["CADENCE"])
    dates = {proposal.interval.local_start_time[:16] for proposal in found.proposals}
    assert dates == {"2026-03-12T08:45", "2026-03-12T09:00", "2026-03-12T09:15"}
    arrival = session_pb2.LocalTime(date=day(date(2026, 3, 12)), time=clock_time("09:00"))
    assert found.proposals[0].interval.local_start_time == "2026-03-12T09:00:00-04:00"
    second = await desk.session(second.name)
    await desk.change(
        desk.sessions.RescheduleSession,
        session_pb2.RescheduleSessionRequest,
        second,
        arrival=arrival,
        room=found.proposals[0].room,
        supervisor=found.proposals[0].supervisor,
    )
    assert await stranded(desk) == []


async def test_the_same_time_under_another_supervisor_is_proposed_first(desk) -> None:
    opened = await desk.open_clinic(supervisors=2)
    gone, other = opened.practitioners
    (session,) = await patients_booked(desk, opened, (0, NEXT_TUESDAY, "09:10"), supervisor=gone)
    gone.protocol_codes[:] = []
    await update(desk, gone)
    (found,) = await stranded(desk)
    best = found.proposals[0]
    assert (best.interval, best.room, best.supervisor) == (session.interval, session.room, other.name)
    moved = await desk.move(await desk.session(session.name), NEXT_TUESDAY, "09:10", supervisor=best.supervisor)
    assert supervisors(moved) == {other.name}
    assert await stranded(desk) == []


async def test_stranded_sessions_are_filtered_and_paged_by_start(desk) -> None:
    here = await desk.open_clinic(patients=3)
    there = await desk.open_clinic(key="there", patients=1)
    days = [NEXT_TUESDAY + timedelta(days=n) for n in (2, 0, 1)]
    sessions = await patients_booked(desk, here, *((0, on, "09:00") for on in days), supervisor=here.practitioners[0])
    (elsewhere,) = await patients_booked(desk, there, (0, days[0], "09:00"), supervisor=there.practitioners[0])
    for opened in (here, there):
        opened.practitioners[0].protocol_codes[:] = []
        await update(desk, opened.practitioners[0])
    pages, token = [], ""
    while True:
        request = roster_pb2.ListStrandedSessionsRequest(page_size=2, page_token=token, clinic=here.clinics[0].name)
        page = await desk.call(desk.roster.ListStrandedSessions, request)
        pages.append([one.session for one in page.stranded_sessions])
        token = page.next_page_token
        if not token:
            break
    assert pages == [[sessions[1].name, sessions[2].name], [sessions[0].name]]
    of_practitioner = await stranded(desk, practitioner=there.practitioners[0].name)
    assert [one.session for one in of_practitioner] == [elsewhere.name]
    starts = [instant(one.interval.start_time) for one in await stranded(desk)]
    assert starts == sorted(starts)
    assert len(starts) == 4


async def test_what_is_over_or_cancelled_is_not_stranded(desk, clock) -> None:
    opened = await desk.open_clinic(rooms=2, patients=3)
    practitioner = opened.practitioners[0]
    over, begun, cancelled = await patients_booked(
        desk, opened, (0, TUESDAY, "09:00"), (1, TUESDAY, "12:00"), (0, TUESDAY, "14:00"), supervisor=practitioner
    )
    practitioner.protocol_codes[:] = []
    await update(desk, practitioner)
    assert len(await stranded(desk)) == 3
    await desk.cancel(cancelled)
    clock.set(datetime(2026, 3, 3, 16, 45, tzinfo=UTC))
    await desk.check_in(begun)
    assert [one.session for one in await stranded(desk)] == [begun.name]
    await desk.discharge(begun)
    assert [one.session for one in await stranded(desk)] == []
    assert (await desk.session(over.name)).state == session_pb2.Session.STATE_BOOKED


async def test_another_organization_sees_no_stranded_session(desk, database, clock) -> None:
    opened = await desk.open_clinic()
    practitioner = opened.practitioners[0]
    await patients_booked(desk, opened, (0, TUESDAY, "09:00"), supervisor=practitioner)
    practitioner.protocol_codes[:] = []
    await update(desk, practitioner)
    assert len(await stranded(desk)) == 1
    stranger = Desk(database, clock)
    assert await stranded(stranger) == []
    assert await stranded(stranger, clinic=opened.clinics[0].name) == []
