"""The scheduler as its callers meet it: its servicers on a real database, in an organization of its own."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.timeofday_pb2 import TimeOfDay
from sqlalchemy import select, text

from kat.common.v1.common_pb2 import Identifier
from kat.events.v1 import events_pb2
from kat.scheduler.v1 import course_pb2, roster_pb2, session_pb2
from services.runtime.auth import calling_as
from services.runtime.clock import Clock, SystemClock
from services.runtime.database import Database
from services.runtime.events.inbox import EventSink
from services.runtime.events.outbox import Outbox
from services.runtime.identifiers import new_id
from services.runtime.writes import Writer
from services.scheduler.domain.calendar_feed import FeedAddresses
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.jobs import Upkeep
from services.scheduler.protocol_files import default_protocols
from services.scheduler.publisher import OutboxEvents
from services.scheduler.servicers.calendar import CalendarServicer
from services.scheduler.servicers.calls import Calls
from services.scheduler.servicers.course import CourseServicer
from services.scheduler.servicers.events import event_handlers
from services.scheduler.servicers.protocol import ProtocolServicer
from services.scheduler.servicers.roster import RosterServicer
from services.scheduler.servicers.session import SessionServicer
from services.scheduler.servicers.waitlist import WaitlistServicer
from services.scheduler.session_feed import SessionFeeds
from services.scheduler.storage.protocols import ProtocolVersions
from services.scheduler.storage.tables import RUNTIME_TABLES
from services.scheduler.storage.unit import PostgresUnit
from tests.support.services import make_caller

SYSTEM = "https://clinic.example/ids"
EVERY_DAY = range(1, 8)


class Desk:
    """Calls the servicers as a supervisor of one organization; makes what a test needs around its subject."""

    def __init__(self, database: Database, clock: Clock, organization_id: UUID | None = None) -> None:
        self.database = database
        self.clock = clock
        self.organization_id = organization_id or new_id()
        self.caller = make_caller("supervisor", organization_id=self.organization_id)
        outbox = Outbox(RUNTIME_TABLES, producer="scheduler", consumers=("dosing_log", "notifications"), clock=clock)
        protocols = ProtocolVersions()

        def events(connection, organization_id) -> OutboxEvents:
            return OutboxEvents(outbox, connection, organization_id)

        def unit(connection, organization_id) -> PostgresUnit:
            return PostgresUnit(connection, organization_id, events(connection, organization_id), protocols)

        self.events = events

        self.unit = unit
        calls = Calls(database, Writer(database, RUNTIME_TABLES), unit)
        self.roster = RosterServicer(calls, clock)
        self.protocols = ProtocolServicer(calls, clock, default_protocols())
        self.courses = CourseServicer(calls, clock, SystemClock())
        feeds = SessionFeeds(calls.reading_of, watch_seconds=0.02, heartbeat_seconds=10, maximum_watchers=100)
        self.sessions = SessionServicer(calls, clock, SchedulingPolicy(), feeds)
        self.waitlist = WaitlistServicer(calls, clock)
        self.upkeep = Upkeep(database, unit, clock, SchedulingPolicy())
        self.unit = unit
        self.calendars = CalendarServicer(calls, clock, FeedAddresses("http://127.0.0.1", bytes(32)))
        self._sink = EventSink(database, RUNTIME_TABLES, event_handlers(unit, clock))
        self._dosing_versions: dict[str, int] = {}

    async def call(self, method: Any, request: Any) -> Any:
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(new_id())
        with calling_as(self.caller):
            return await method(request, None)

    async def deliver(self, session: str, **payload: Any) -> int:
        """Deliver an event of the dose log about a session; returns the verdict."""
        version = self._dosing_versions.get(session, 0) + 1
        event = events_pb2.Event(
            event_id=str(new_id()),
            organization=f"organizations/{self.organization_id}",
            aggregate=session,
            aggregate_version=version,
            producer="dosing_log",
            **payload,
        )
        with calling_as(make_caller("service", certificate_name="dosing_log")):
            answer = await self._sink.Deliver(events_pb2.DeliverRequest(events=[event]), None)
        verdict = answer.outcomes[0].verdict
        if verdict == events_pb2.Outcome.VERDICT_APPLIED:
            self._dosing_versions[session] = version
        return verdict

    async def give_dose(self, session: session_pb2.Session, at: datetime, *, record: UUID | None = None) -> int:
        dose = events_pb2.DoseAdministered(
            session=session.name, administration=f"records/{record or new_id()}", start_time=timestamp(at)
        )
        return await self.deliver(session.name, dose_administered=dose)

    async def discharge(self, session: session_pb2.Session) -> int:
        return await self.deliver(session.name, patient_discharged=events_pb2.PatientDischarged(session=session.name))

    async def open_clinic(
        self,
        *,
        rooms: int = 1,
        supervisors: int = 1,
        ratio: int = 4,
        patients: int = 1,
        zone: str = "America/New_York",
        hours: tuple[str, str] = ("08:00", "18:00"),
        key: str = "main",
        days: Iterable[int] = EVERY_DAY,
    ) -> roster_pb2.ImportRosterResponse:
        request = roster(
            rooms=rooms,
            supervisors=supervisors,
            ratio=ratio,
            patients=patients,
            zone=zone,
            hours=hours,
            key=key,
            days=days,
        )
        return await self.call(self.roster.ImportRoster, request)

    async def protocol(self, code: str = "iv_racemic") -> str:
        installed = await self.call(self.protocols.InstallDefaultProtocols, course_pb2.InstallDefaultProtocolsRequest())
        return next(protocol.name for protocol in installed.protocols if protocol.code == code)

    async def enroll(self, patient: str, *, code: str = "iv_racemic", **screening: Any) -> course_pb2.Course:
        found = {
            "prior_treatment_trials": 2,
            "consent_reference": "consent-1",
            "consent_expire_date": day(date(2026, 8, 1)),
            **screening,
        }
        return await self.call(
            self.courses.EnrollPatient,
            course_pb2.EnrollPatientRequest(
                patient=patient, protocol=await self.protocol(code), screening=course_pb2.Screening(**found)
            ),
        )

    async def review(self, course: course_pb2.Course, *, accept: bool = True, reason: str = "") -> course_pb2.Course:
        decision = course_pb2.ReviewScreeningRequest
        return await self.call(
            self.courses.ReviewScreening,
            decision(
                name=course.name,
                etag=course.etag,
                decision=decision.DECISION_ACCEPT if accept else decision.DECISION_DECLINE,
                reason=reason,
            ),
        )

    async def active_course(self, patient: str, *, code: str = "iv_racemic") -> str:
        return (await self.review(await self.enroll(patient, code=code))).name

    async def active_course_until(self, patient: str, consent_expires: date) -> str:
        return (await self.review(await self.enroll(patient, consent_expire_date=day(consent_expires)))).name

    async def book(self, course: str, room: str, on: date, at: str = "09:00", **more: str) -> session_pb2.Session:
        request = session_pb2.BookSessionRequest(booking=booking(course, room, on, at, **more))
        return await self.call(self.sessions.BookSession, request)

    async def hold(self, course: str, room: str, on: date, at: str = "09:00", **more: str) -> session_pb2.Session:
        request = session_pb2.HoldSlotRequest(booking=booking(course, room, on, at, **more))
        return await self.call(self.sessions.HoldSlot, request)

    async def book_held(self, held: session_pb2.Session) -> session_pb2.Session:
        request = session_pb2.BookSessionRequest(hold=held.name, etag=held.etag)
        return await self.call(self.sessions.BookSession, request)

    async def book_series(
        self, course: str, room: str, on: date, at: str = "09:00", *, weeks: int = 1, count: int, offset: str = ""
    ) -> list[session_pb2.Session]:
        request = session_pb2.BookSeriesRequest(
            first=booking(course, room, on, at, offset=offset), interval_weeks=weeks, count=count
        )
        return list((await self.call(self.sessions.BookSeries, request)).sessions)

    async def blockers(self, course: str, room: str, on: date, at: str = "09:00", **more: str) -> list[Any]:
        request = session_pb2.ValidateBookingRequest(booking=booking(course, room, on, at, **more))
        return list((await self.call(self.sessions.ValidateBooking, request)).blockers)

    async def session(self, name: str) -> session_pb2.Session:
        return await self.call(self.sessions.GetSession, session_pb2.GetSessionRequest(name=name))

    async def change(self, method: Any, request: type, session: session_pb2.Session, **more: Any) -> Any:
        return await self.call(method, request(name=session.name, etag=session.etag, **more))

    async def cancel(self, session: session_pb2.Session) -> session_pb2.Session:
        return await self.change(
            self.sessions.CancelSession, session_pb2.CancelSessionRequest, session, reason="patient asked"
        )

    async def check_in(self, session: session_pb2.Session) -> session_pb2.Session:
        return await self.change(self.sessions.CheckInSession, session_pb2.CheckInSessionRequest, session)

    async def confirm(self, session: session_pb2.Session) -> session_pb2.Session:
        return await self.change(self.sessions.ConfirmSession, session_pb2.ConfirmSessionRequest, session)

    async def move(self, session: session_pb2.Session, on: date, at: str = "09:00", **more: str) -> session_pb2.Session:
        return await self.change(
            self.sessions.RescheduleSession,
            session_pb2.RescheduleSessionRequest,
            session,
            arrival=local_time(on, at),
            **more,
        )

    async def move_series(
        self, session: session_pb2.Session, on: date, at: str = "09:00", **more: str
    ) -> list[session_pb2.Session]:
        request = session_pb2.RescheduleSeriesRequest
        moved = await self.change(self.sessions.RescheduleSeries, request, session, arrival=local_time(on, at), **more)
        return list(moved.sessions)

    async def miss(self, session: session_pb2.Session) -> session_pb2.Session:
        return await self.change(self.sessions.MarkNoShow, session_pb2.MarkNoShowRequest, session)

    async def hand_over(self, session: session_pb2.Session, **more: Any) -> session_pb2.Session:
        request = session_pb2.HandOverSupervisionRequest
        return await self.change(self.sessions.HandOverSupervision, request, session, **more)

    async def extend(
        self, session: session_pb2.Session, end: datetime, **more: Any
    ) -> session_pb2.ExtendSessionResponse:
        request = session_pb2.ExtendSessionRequest
        return await self.change(self.sessions.ExtendSession, request, session, end_time=timestamp(end), **more)

    async def keep_up(self) -> None:
        """What the ticker does every few seconds, once."""
        await self.upkeep.do_due()
        await self.upkeep.offer_vacancies()

    async def sent(self) -> list[events_pb2.Event]:
        """The events in the outbox, in order."""
        outbox = RUNTIME_TABLES.outbox
        async with self.database.transaction(self.organization_id) as connection:
            rows = await connection.execute(select(outbox.c.event).order_by(outbox.c.event_id))
            return [events_pb2.Event.FromString(row.event) for row in rows]

    async def execute(self, sql: str, **values: Any) -> Any:
        """Run plain SQL as the restricted role, in a transaction of this organization."""
        async with self.database.transaction(self.organization_id) as connection:
            result = await connection.execute(text(sql), values)
            return result.all() if result.returns_rows else result.rowcount


def roster(
    *,
    rooms: int,
    supervisors: int,
    ratio: int,
    patients: int,
    zone: str,
    hours: tuple[str, str],
    key: str,
    days: Iterable[int],
) -> roster_pb2.ImportRosterRequest:
    opening, closing = clock_time(hours[0]), clock_time(hours[1])
    weekdays = list(days)
    clinic = f"identifiers/{SYSTEM}|{key}"
    return roster_pb2.ImportRosterRequest(
        clinics=[
            roster_pb2.Clinic(
                identifier=identifier(key),
                title=f"Clinic {key}",
                time_zone=zone,
                opening_hours=[
                    roster_pb2.OpeningHours(day_of_week=weekday, open_time=opening, close_time=closing)
                    for weekday in weekdays
                ],
            )
        ],
        rooms=[
            roster_pb2.Room(identifier=identifier(f"{key}-room-{n}"), clinic=clinic, title=f"Room {n:02}")
            for n in range(rooms)
        ],
        practitioners=[
            roster_pb2.Practitioner(
                identifier=identifier(f"{key}-supervisor-{n}"),
                printed_name=f"Supervisor {n:02}",
                credential="MD",
                supervision_ratio=ratio,
                protocol_codes=["iv_racemic", "im_racemic"],
                subject=f"{key}-subject-{n}",
            )
            for n in range(supervisors)
        ],
        shifts=[
            roster_pb2.Shift(
                practitioner=f"identifiers/{SYSTEM}|{key}-supervisor-{n}",
                clinic=clinic,
                day_of_week=weekday,
                start_time=opening,
                end_time=closing,
            )
            for n in range(supervisors)
            for weekday in weekdays
        ],
        patients=[
            roster_pb2.Patient(
                identifier=identifier(f"{key}-patient-{n}"),
                time_zone=zone,
                birth_date=day(date(1980, 5, 17)),
                clinic=clinic,
            )
            for n in range(patients)
        ],
    )


def booking(
    course: str, room: str, on: date, at: str = "09:00", *, supervisor: str = "", offset: str = ""
) -> session_pb2.Booking:
    return session_pb2.Booking(course=course, room=room, arrival=local_time(on, at, offset), supervisor=supervisor)


def local_time(on: date, at: str, offset: str = "") -> session_pb2.LocalTime:
    return session_pb2.LocalTime(date=day(on), time=clock_time(at), utc_offset=offset)


def identifier(value: str) -> Identifier:
    return Identifier(system=SYSTEM, value=value)


def day(value: date) -> Date:
    return Date(year=value.year, month=value.month, day=value.day)


def clock_time(value: str) -> TimeOfDay:
    read = time.fromisoformat(value)
    return TimeOfDay(hours=read.hour, minutes=read.minute)


def timestamp(value: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(value)
    return message


def instant(value: Timestamp) -> datetime:
    return value.ToDatetime(tzinfo=UTC)


def codes(blockers: Sequence[Any]) -> set[str]:
    """Names of the codes of the contract's blockers, without their prefix."""
    return {session_pb2.BlockerCode.Name(blocker.code).removeprefix("BLOCKER_CODE_") for blocker in blockers}
