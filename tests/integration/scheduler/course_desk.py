"""What tests of running courses do at a desk: sessions take place, scores arrive, supervisors review."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from kat.common.v1.common_pb2 import Quantity
from kat.common.v1.protocol_pb2 import Protocol
from kat.events.v1 import events_pb2
from kat.scheduler.v1 import course_pb2, roster_pb2, session_pb2
from services.runtime.identifiers import new_id
from tests.integration.scheduler.desk import Desk, timestamp

TUESDAY = date(2026, 3, 3)
CONTINUE, STOP = course_pb2.CourseReview.DECISION_CONTINUE, course_pb2.CourseReview.DECISION_STOP


@dataclass
class CourseDesk:
    """One course at a desk, in one room."""

    desk: Desk
    name: str
    room: str
    opened: Any

    @classmethod
    async def open(cls, desk: Desk, *, code: str = "iv_racemic", **more: int) -> "CourseDesk":
        opened = await desk.open_clinic(**more)
        return cls(desk, await desk.active_course(opened.patients[0].name, code=code), opened.rooms[0].name, opened)

    async def read(self) -> course_pb2.Course:
        return await self.desk.call(self.desk.courses.GetCourse, course_pb2.GetCourseRequest(name=self.name))

    async def book(self, week: int, at: str = "09:00") -> session_pb2.Session:
        return await self.desk.book(self.name, self.room, TUESDAY + timedelta(weeks=week), at)

    async def series(self, count: int) -> list[session_pb2.Session]:
        return await self.desk.book_series(self.name, self.room, TUESDAY, count=count)

    async def take(self, session: session_pb2.Session) -> None:
        """Let a session take place, as the dose log reports it."""
        begun = session.dose_time.ToDatetime(tzinfo=self.desk.clock.now().tzinfo)
        assert await self.desk.give_dose(session, begun) == events_pb2.Outcome.VERDICT_APPLIED
        assert await self.desk.discharge(session) == events_pb2.Outcome.VERDICT_APPLIED

    async def arrive(self, session: session_pb2.Session) -> session_pb2.Session:
        """Check the patient in on the session's day."""
        self.desk.clock.set(session.interval.start_time.ToDatetime(tzinfo=self.desk.clock.now().tzinfo))
        return await self.desk.check_in(await self.desk.session(session.name))

    async def score(
        self,
        session: session_pb2.Session,
        total: int,
        *,
        instrument: str = "PHQ_9",
        record: UUID | None = None,
        version: int = 1,
        at: datetime | None = None,
    ) -> int:
        """Deliver a score that was taken at a session."""
        recorded = events_pb2.AssessmentRecorded(
            session=session.name,
            patient=session.patient,
            course=session.course,
            assessment=f"records/{record or new_id()}",
            version=version,
            instrument=instrument,
            total=total,
            observe_time=timestamp(at) if at else session.interval.start_time,
        )
        return await self.desk.deliver(session.name, assessment_recorded=recorded)

    async def review(self, decision: int = CONTINUE, *, reason: str = "", **more: str) -> Any:
        course = await self.read()
        values = {"etag": course.etag, "signed_name": self.desk.caller.actor.printed_name, **more}
        request = course_pb2.ReviewCourseRequest(name=self.name, decision=decision, reason=reason, **values)
        return await self.desk.call(self.desk.courses.ReviewCourse, request)

    async def change(self, verb: str, **more: Any) -> course_pb2.Course:
        """Pause, Resume, Complete, Extend, RenewConsent or MoveCourseProtocol the course as it is."""
        rpc = verb if hasattr(course_pb2, f"{verb}Request") else f"{verb}Course"
        request = getattr(course_pb2, f"{rpc}Request")
        values = {"etag": (await self.read()).etag, **more}
        return await self.desk.call(getattr(self.desk.courses, rpc), request(name=self.name, **values))

    async def stranded(self) -> dict[str, list[str]]:
        """Return the reasons of each stranded session of the organization."""
        request = roster_pb2.ListStrandedSessionsRequest()
        found = (await self.desk.call(self.desk.roster.ListStrandedSessions, request)).stranded_sessions
        return {one.session: list(one.reasons) for one in found}

    async def told(self, kind: str) -> list[Any]:
        """Return the payloads of one kind in the outbox, in order."""
        return [getattr(event, kind) for event in await self.desk.sent() if event.WhichOneof("payload") == kind]


async def shipped(desk: Desk, code: str = "iv_racemic") -> Protocol:
    """Return a shipped protocol, as something to make own versions of."""
    installed = await desk.call(desk.protocols.InstallDefaultProtocols, course_pb2.InstallDefaultProtocolsRequest())
    copied = Protocol()
    copied.CopyFrom(next(one for one in installed.protocols if one.code == code))
    return copied


async def create(desk: Desk, protocol: Protocol, **values: str) -> Protocol:
    """Create a protocol with other values, given as limit_code=value with "__" for a point."""
    wanted = {name.replace("__", "."): value for name, value in values.items()}
    for limit in protocol.limits:
        if limit.code in wanted:
            limit.value.CopyFrom(Quantity(value=wanted[limit.code], unit=limit.value.unit))
    return await desk.call(desk.protocols.CreateProtocol, course_pb2.CreateProtocolRequest(protocol=protocol))
