"""A hundred bookers at once over gRPC, for each promise: one wins, the others are told of every blocker."""

import asyncio
from datetime import date, timedelta
from typing import Any

import grpc
import pytest

from kat.scheduler.v1 import course_pb2, roster_pb2, session_pb2
from services.cli.demo.stage import Stage
from services.runtime.channel import bearer
from services.runtime.identifiers import new_id
from services.runtime.status import status_from, violations_of
from tests.integration.scheduler.desk import booking, day, roster

BOOKERS = 100
CALL_SECONDS = 30
WEEK = timedelta(weeks=1)


class Crowd:
    """A clinic open on every day, with a hundred patients in running courses."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._token = stage.person("crowd-supervisor", "Dr. Crowd", "supervisor", credential="MD").token

    async def call(self, method: Any, request: Any) -> Any:
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(new_id())
        return await method(request, timeout=CALL_SECONDS, metadata=bearer(self._token))

    async def open(self, *, rooms: int, supervisors: int, ratio: int, patients: int = BOOKERS) -> "Crowd":
        request = roster(
            rooms=rooms,
            supervisors=supervisors,
            ratio=ratio,
            patients=patients,
            zone="America/New_York",
            hours=("08:00", "18:00"),
            key=str(new_id()),
            days=range(1, 8),
        )
        opened: roster_pb2.ImportRosterResponse = await self.call(self._stage.roster.ImportRoster, request)
        installed = await self.call(
            self._stage.protocols.InstallDefaultProtocols, course_pb2.InstallDefaultProtocolsRequest()
        )
        protocol = next(one.name for one in installed.protocols if one.code == "iv_racemic")
        self.rooms = [room.name for room in opened.rooms]
        self.tuesday = self._next_tuesday()
        self.courses = await asyncio.gather(*(self._course(patient.name, protocol) for patient in opened.patients))
        return self

    def _next_tuesday(self) -> date:
        today = self._stage.now().date()
        return today + timedelta(days=(1 - today.weekday()) % 7 + 7)

    async def _course(self, patient: str, protocol: str) -> str:
        screening = course_pb2.Screening(
            prior_treatment_trials=2,
            consent_reference="consent",
            consent_expire_date=day(self._stage.now().date() + timedelta(days=175)),
        )
        course = await self.call(
            self._stage.courses.EnrollPatient,
            course_pb2.EnrollPatientRequest(patient=patient, protocol=protocol, screening=screening),
        )
        accept = course_pb2.ReviewScreeningRequest.DECISION_ACCEPT
        review = course_pb2.ReviewScreeningRequest(name=course.name, etag=course.etag, decision=accept)
        return (await self.call(self._stage.courses.ReviewScreening, review)).name

    async def book(self, course: str, room: str, on: date) -> Any:
        request = session_pb2.BookSessionRequest(booking=booking(course, room, on, "09:00"))
        return await self.call(self._stage.sessions.BookSession, request)

    async def race(self, *attempts: Any) -> tuple[list[session_pb2.Session], list[grpc.aio.AioRpcError]]:
        """Return who won, and what the others were answered."""
        answers = await asyncio.gather(*attempts, return_exceptions=True)
        lost = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        won = [answer for answer in answers if isinstance(answer, session_pb2.Session)]
        assert len(won) + len(lost) == len(answers)
        return won, lost


def blockers(error: grpc.aio.AioRpcError) -> set[tuple[str, str]]:
    """Code and session in the way of each blocker."""
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION, error
    return {(code, subject) for code, subject, _ in violations_of(status_from(error))}


@pytest.fixture
async def crowd(stage: Stage) -> Crowd:
    return Crowd(stage)


async def test_one_chair(crowd: Crowd) -> None:
    await crowd.open(rooms=1, supervisors=1, ratio=1)
    won, lost = await crowd.race(*(crowd.book(course, crowd.rooms[0], crowd.tuesday) for course in crowd.courses))
    assert len(won) == 1
    both = {("ROOM_BUSY", won[0].name), ("SUPERVISION_RATIO", won[0].name)}
    assert [blockers(error) for error in lost] == [both] * (BOOKERS - 1)


async def test_the_lanes_of_one_supervisor(crowd: Crowd) -> None:
    await crowd.open(rooms=BOOKERS, supervisors=1, ratio=3)
    attempts = (crowd.book(*pair, crowd.tuesday) for pair in zip(crowd.courses, crowd.rooms, strict=True))
    won, lost = await crowd.race(*attempts)
    assert len(won) == 3
    full = {("SUPERVISION_RATIO", session.name) for session in won}
    assert [blockers(error) for error in lost] == [full] * (BOOKERS - 3)


async def test_one_patient_at_a_hundred_desks(crowd: Crowd) -> None:
    """Within seven days there is one session, wherever and on whatever date it is asked for."""
    await crowd.open(rooms=BOOKERS, supervisors=1, ratio=20, patients=1)
    attempts = (
        crowd.book(crowd.courses[0], room, crowd.tuesday + timedelta(days=n % 7)) for n, room in enumerate(crowd.rooms)
    )
    won, lost = await crowd.race(*attempts)
    assert len(won) == 1
    assert all(("CADENCE", won[0].name) in blockers(error) for error in lost)


async def test_the_last_place_of_a_course(crowd: Crowd) -> None:
    await crowd.open(rooms=5, supervisors=1, ratio=20, patients=1)
    (course,) = crowd.courses
    for week in range(5):
        await crowd.book(course, crowd.rooms[0], crowd.tuesday + week * WEEK)
    attempts = (crowd.book(course, crowd.rooms[n % 5], crowd.tuesday + (5 + n % 18) * WEEK) for n in range(BOOKERS))
    won, lost = await crowd.race(*attempts)
    assert len(won) == 1
    assert all(("COURSE_CAP", course) in blockers(error) for error in lost)


async def test_one_hold(crowd: Crowd, stage: Stage) -> None:
    await crowd.open(rooms=1, supervisors=1, ratio=1, patients=1)
    hold = session_pb2.HoldSlotRequest(booking=booking(crowd.courses[0], crowd.rooms[0], crowd.tuesday, "09:00"))
    held = await crowd.call(stage.sessions.HoldSlot, hold)

    async def take() -> Any:
        return await crowd.call(
            stage.sessions.BookSession, session_pb2.BookSessionRequest(hold=held.name, etag=held.etag)
        )

    won, lost = await crowd.race(*(take() for _ in range(BOOKERS)))
    assert [session.name for session in won] == [held.name]
    assert {error.code() for error in lost} == {grpc.StatusCode.ABORTED}
