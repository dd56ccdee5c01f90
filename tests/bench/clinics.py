"""A running suite with two clinics that are large enough for the load: rooms, supervisors, patients with courses."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psutil
from google.type.dayofweek_pb2 import DayOfWeek

from kat.common.v1.common_pb2 import Identifier, Quantity
from kat.common.v1.protocol_pb2 import ROUTE_INTRAVENOUS, SUBSTANCE_KETAMINE
from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from kat.scheduler.v1 import course_pb2, roster_pb2, session_pb2
from services.cli.clients import channels
from services.cli.data_folder import DataFolder
from services.cli.demo.stage import Stage
from services.runtime.channel import bearer
from services.runtime.embedded_postgres import EmbeddedPostgres
from services.runtime.fields import date_message, time_message
from services.runtime.identifiers import new_id
from tests.bench.harness import CALLERS, ROUNDS, rate
from tests.bench.replay import superuser_pool
from tests.support.postgres import reachable_folder
from tests.support.suite import SuiteProcess

BOOKINGS = 240
RACERS = 100
PROTOCOL = "iv_racemic"
CALL_SECONDS = 30
_ZONES = ("America/New_York", "Europe/Berlin")
_ROOMS, _SUPERVISORS, _RATIO, _LOTS = 10, 5, 3, 4
_ARRIVALS = (time(8), time(11), time(14))  # a session takes 150 minutes, and the room 15 more


@dataclass(frozen=True, slots=True)
class Place:
    """A free slot: a room at a time at which a supervisor is free too."""

    room: str
    arrival: session_pb2.LocalTime


class Clinics:
    """The suite under load, and what is in it."""

    def __init__(self, suite: SuiteProcess, stage: Stage) -> None:
        self.suite = suite
        self.stage = stage
        self.organization_id = suite.data.organization_id
        self.desk = stage.person("desk", "Desk", "clinic_system")
        self.supervisor = stage.person("clinics-0", "Supervisor", "supervisor", credential="MD")
        self.nurse = stage.person("nurse", "Nurse", "clinician", credential="RN")
        self.rooms: list[str] = []
        self.courses: list[str] = []
        self.lots: list[str] = []
        self._postgres = EmbeddedPostgres(suite.data.root)

    async def call(self, method: Any, request: Any, token: str) -> Any:
        """Call once, without trying again."""
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(new_id())
        return await method(request, timeout=CALL_SECONDS, metadata=bearer(token))

    async def pool(self, service: str, size: int = CALLERS) -> Any:
        """Connections to a service's database, past the service."""
        return await superuser_pool(self._postgres.superuser_url(f"kat_{service}"), size)

    def processor_ms(self, service: str) -> float:
        """How much processor time a service took so far, in milliseconds."""
        times = psutil.Process(self.suite.pid_of(service)).cpu_times()
        return float(times.user + times.system) * 1000

    async def settled(self, service: str = "scheduler") -> float:
        """Wait until a service's events are delivered; return for how many seconds."""
        started = asyncio.get_running_loop().time()
        pool = await self.pool(service, 1)
        query = "select count(*) from stream where next_version <= last_version and parked_reason is null"
        while await pool.fetchval(query):
            await asyncio.sleep(0.1)
        await pool.close()
        return asyncio.get_running_loop().time() - started

    async def fill(self) -> None:
        """Bring in the roster, enrol everybody, and receive lots."""
        stage, desk = self.stage, self.desk.token
        protocols = await self.call(
            stage.protocols.InstallDefaultProtocols, course_pb2.InstallDefaultProtocolsRequest(), desk
        )
        protocol = next(one.name for one in protocols.protocols if one.code == PROTOCOL)
        roster = await self.call(stage.roster.ImportRoster, _roster(ROUNDS * BOOKINGS + RACERS), desk)
        self.rooms = [room.name for room in roster.rooms]

        async def enrol(patient: str) -> None:
            self.courses.append(await self.active_course(patient, protocol))

        await rate(CALLERS, (lambda name=patient.name: enrol(name) for patient in roster.patients))
        for number in range(_LOTS * len(_ZONES)):
            lot = _lot(roster.clinics[number % len(_ZONES)].name, number)
            received = await self.call(
                stage.inventory.ReceiveLot, dosing_log_pb2.ReceiveLotRequest(lot=lot), self.supervisor.token
            )
            self.lots.append(received.name)
        await self.settled()

    async def active_course(self, patient: str, protocol: str) -> str:
        """Enrol a patient, and have the screening accepted."""
        course = await self.call(self.stage.courses.EnrollPatient, _enrolment(patient, protocol), self.desk.token)
        review = course_pb2.ReviewScreeningRequest(
            name=course.name, etag=course.etag, decision=course_pb2.ReviewScreeningRequest.DECISION_ACCEPT
        )
        await self.call(self.stage.courses.ReviewScreening, review, self.supervisor.token)
        return str(course.name)

    def places(self) -> Iterator[Place]:
        """So many free slots as are booked, from a fortnight ahead on, in an order as people ask for them."""
        days = [datetime.now(UTC).date() + timedelta(days=offset) for offset in range(14, 60)]
        every = [
            Place(room, _local(day, arrival))
            for day in days
            if day.isoweekday() < 6
            for arrival in _ARRIVALS
            for room in self.rooms
        ]
        wanted = every[: ROUNDS * BOOKINGS]
        random.Random(0).shuffle(wanted)  # noqa: S311 - the same order in every run
        yield from wanted

    def race_places(self) -> Iterator[Place]:
        """Slots in one room, a week apart, beyond all others: so that a winner may race again."""
        for week in range(16, 16 + ROUNDS):
            day = datetime.now(UTC).date() + timedelta(weeks=week)
            yield Place(self.rooms[0], _local(day - timedelta(days=day.weekday()), _ARRIVALS[0]))


@asynccontextmanager
async def running_clinics(suite: SuiteProcess) -> AsyncIterator[Clinics]:
    """Fill a running suite."""
    async with channels(suite.data) as opened:
        clinics = Clinics(suite, Stage(suite.data, opened))
        await clinics.fill()
        yield clinics


@asynccontextmanager
async def new_suite() -> AsyncIterator[SuiteProcess]:
    """A suite on a folder of its own, ended at the end."""
    with reachable_folder() as folder:
        suite = SuiteProcess(DataFolder(folder / "data"))
        suite.start()
        try:
            yield suite
        finally:
            suite.stop()


def _roster(patients: int) -> roster_pb2.ImportRosterRequest:
    request = roster_pb2.ImportRosterRequest()
    weekdays = range(DayOfWeek.MONDAY, DayOfWeek.SATURDAY)
    for number, zone in enumerate(_ZONES):
        hours = [
            roster_pb2.OpeningHours(day_of_week=day, open_time=time_message(time(8)), close_time=time_message(time(18)))
            for day in weekdays
        ]
        clinic = f"clinic-{number}"
        request.clinics.add(identifier=identifier(clinic), title=clinic, time_zone=zone, opening_hours=hours)
        for room in range(_ROOMS):
            request.rooms.add(identifier=identifier(f"{clinic}-{room}"), clinic=reference(clinic), title=f"Room {room}")
        for person in range(_SUPERVISORS):
            _add_supervisor(request, clinic, f"{clinic}-supervisor-{person}", weekdays)
    for number in range(patients):
        request.patients.add(
            identifier=identifier(f"patient-{number}"),
            time_zone=_ZONES[0],
            birth_date=date_message(date(1980, 1, 1)),
            clinic=reference(f"clinic-{number % len(_ZONES)}"),
        )
    return request


def _add_supervisor(request: roster_pb2.ImportRosterRequest, clinic: str, name: str, weekdays: range) -> None:
    request.practitioners.add(
        identifier=identifier(name),
        printed_name=name,
        credential="MD",
        supervision_ratio=_RATIO,
        subject=name,
        protocol_codes=[PROTOCOL],
        credential_expire_date=date_message(date(2099, 1, 1)),
    )
    for day in weekdays:
        request.shifts.add(
            practitioner=reference(name),
            clinic=reference(clinic),
            day_of_week=day,
            start_time=time_message(time(8)),
            end_time=time_message(time(18)),
        )


def _enrolment(patient: str, protocol: str) -> course_pb2.EnrollPatientRequest:
    screening = course_pb2.Screening(
        prior_treatment_trials=3,
        consent_reference="consent",
        consent_expire_date=date_message(datetime.now(UTC).date() + timedelta(days=170)),
    )
    return course_pb2.EnrollPatientRequest(patient=patient, protocol=protocol, screening=screening)


def _lot(clinic: str, number: int) -> records_pb2.Lot:
    return records_pb2.Lot(
        clinic=clinic,
        substance=SUBSTANCE_KETAMINE,
        routes=[ROUTE_INTRAVENOUS],
        ndc="67457-001-10",
        strength=Quantity(value="50", unit="mg/mL"),
        lot_number=f"L{number}",
        expire_date=date_message(datetime.now(UTC).date() + timedelta(days=400)),
        container_count=1_000,
        container_content=Quantity(value="10", unit="mL"),
        supplier_name="Example Wholesale",
        supplier_dea_number="RE1234563",
        invoice_number=f"I{number}",
    )


def _local(day: date, at: time) -> session_pb2.LocalTime:
    return session_pb2.LocalTime(date=date_message(day), time=time_message(at))


def identifier(value: str) -> Identifier:
    """An identifier of this benchmark."""
    return Identifier(system="https://kat.example/bench", value=value)


def reference(value: str) -> str:
    """What is called so by its identifier."""
    return f"identifiers/https://kat.example/bench|{value}"
