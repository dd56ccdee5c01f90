"""What the dose log reports: facts that are recorded in whatever state a session is."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kat.events.v1 import events_pb2
from kat.scheduler.v1 import course_pb2, session_pb2
from services.runtime.errors import FailedPreconditionError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.desk import Desk, codes, timestamp

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
APPLIED, RETRY = events_pb2.Outcome.VERDICT_APPLIED, events_pb2.Outcome.VERDICT_RETRY
State = session_pb2.Session.State


@pytest.fixture
async def booked(desk) -> tuple[str, str, list[session_pb2.Session]]:
    opened = await desk.open_clinic()
    course, room = await desk.active_course(opened.patients[0].name), opened.rooms[0].name
    sessions = await desk.book_series(course, room, TUESDAY, count=3)
    return course, room, sessions


async def states(desk: Desk, sessions: list[session_pb2.Session]) -> list[tuple[int, bool]]:
    read = [await desk.session(session.name) for session in sessions]
    return [(session.state, session.too_early) for session in read]


async def test_a_dose_and_a_departure_move_the_session_on(desk, clock, booked) -> None:
    course, _, sessions = booked
    clock.set(datetime(2026, 3, 3, 14, tzinfo=UTC))
    await desk.check_in(sessions[0])
    assert await desk.give_dose(sessions[0], datetime(2026, 3, 3, 14, 30, tzinfo=UTC)) == APPLIED
    assert (await desk.session(sessions[0].name)).state == State.STATE_IN_PROGRESS
    assert await desk.discharge(sessions[0]) == APPLIED
    assert await states(desk, sessions) == [
        (State.STATE_FULFILLED, False),
        (State.STATE_BOOKED, False),
        (State.STATE_BOOKED, False),
    ]
    read = await desk.call(desk.courses.GetCourse, course_pb2.GetCourseRequest(name=course))
    eligible = read.next_eligible_date
    assert (eligible.year, eligible.month, eligible.day) == (2026, 3, 10)
    assert read.session_count == 3


async def test_a_later_dose_flags_the_sessions_that_now_stand_too_early(desk, clock, booked) -> None:
    course, room, sessions = booked
    # Given two days late, near midnight: on Thursday at the clinic, on Friday in UTC.
    given = datetime(2026, 3, 6, 4, 30, tzinfo=UTC)
    assert await desk.give_dose(sessions[0], given) == APPLIED
    assert await states(desk, sessions) == [
        (State.STATE_IN_PROGRESS, False),
        (State.STATE_BOOKED, True),
        (State.STATE_BOOKED, False),
    ]
    clock.set(datetime(2026, 3, 10, 12, tzinfo=UTC))
    early = await desk.session(sessions[1].name)
    assert early.etag != sessions[1].etag
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.check_in(early)
    assert [blocker.code for blocker in refused.value.blockers] == ["CADENCE"]
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.move(early, date(2026, 3, 11))
    assert "the earliest date is 2026-03-24" in refused.value.message
    cancelled = await desk.cancel(sessions[2])
    assert cancelled.state == State.STATE_CANCELLED
    moved = await desk.move(early, date(2026, 3, 12))
    assert not moved.too_early
    assert codes(await desk.blockers(course, room, date(2026, 3, 18))) == {"CADENCE"}


async def test_an_amended_start_moves_the_anchor(desk, booked) -> None:
    _, _, sessions = booked
    record = new_id()
    given = datetime(2026, 3, 5, 15, tzinfo=UTC)
    assert await desk.give_dose(sessions[0], given, record=record) == APPLIED
    assert (await states(desk, sessions))[1] == (State.STATE_BOOKED, True)
    assert await desk.give_dose(sessions[0], given - timedelta(days=2), record=record) == APPLIED
    assert (await states(desk, sessions))[1:] == [(State.STATE_BOOKED, False), (State.STATE_BOOKED, False)]


async def test_the_anchor_holds_across_courses_and_clinics(desk) -> None:
    opened = await desk.open_clinic()
    west = await desk.open_clinic(key="west", zone="America/Los_Angeles")
    patient = opened.patients[0].name
    infusion, injection = await desk.active_course(patient), await desk.active_course(patient, code="im_racemic")
    session = await desk.book(infusion, opened.rooms[0].name, TUESDAY)
    other = await desk.book(injection, west.rooms[0].name, date(2026, 3, 11))
    await desk.give_dose(session, datetime(2026, 3, 5, 15, tzinfo=UTC))
    assert (await desk.session(other.name)).too_early
    listed = await desk.blockers(injection, west.rooms[0].name, date(2026, 3, 10))
    assert codes(listed) == {"CADENCE"}
    assert set(listed[0].sessions) == {session.name, other.name}


async def test_a_dose_in_a_cancelled_session_counts(desk, booked) -> None:
    _, _, sessions = booked
    await desk.cancel(sessions[0])
    assert await desk.give_dose(sessions[0], datetime(2026, 3, 4, 15, tzinfo=UTC)) == APPLIED
    assert await states(desk, sessions) == [
        (State.STATE_CANCELLED, False),
        (State.STATE_BOOKED, True),
        (State.STATE_BOOKED, False),
    ]


async def test_a_departure_without_a_dose_and_a_second_dose_are_facts_too(desk, booked) -> None:
    _, _, sessions = booked
    assert await desk.discharge(sessions[0]) == APPLIED
    assert (await desk.session(sessions[0].name)).state == State.STATE_FULFILLED
    given = datetime(2026, 3, 3, 15, tzinfo=UTC)
    assert await desk.give_dose(sessions[0], given) == APPLIED
    assert await desk.give_dose(sessions[0], given + timedelta(minutes=20)) == APPLIED
    assert (await desk.session(sessions[0].name)).state == State.STATE_FULFILLED
    assert await desk.execute("select count(*) from dose") == [(2,)]


async def test_what_is_not_known_yet_waits_and_what_is_malformed_is_rejected(desk) -> None:
    unknown = f"sessions/{new_id()}"
    dose = events_pb2.DoseAdministered(
        session=unknown, administration=f"records/{new_id()}", start_time=timestamp(datetime(2026, 3, 3, tzinfo=UTC))
    )
    assert await desk.deliver(unknown, dose_administered=dose) == RETRY
    departure = events_pb2.PatientDischarged(session=unknown)
    assert await desk.deliver(unknown, patient_discharged=departure) == RETRY
    malformed = events_pb2.DoseAdministered(session="session 1")
    assert await desk.deliver(unknown, dose_administered=malformed) == events_pb2.Outcome.VERDICT_REJECT


async def test_events_without_an_effect_here_are_taken_in(desk) -> None:
    authorized = events_pb2.DoseAuthorized(session=f"sessions/{new_id()}")
    assert await desk.deliver(authorized.session, dose_authorized=authorized) == APPLIED
