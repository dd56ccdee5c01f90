"""A clinic for integration tests: the dosing log's servicers on a real PostgreSQL, in an organization of its own."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message

from kat.common.v1.common_pb2 import LocalInterval, Quantity
from kat.common.v1.protocol_pb2 import (
    MARK_PROJECT_DEFAULT,
    ROUTE_INTRAVENOUS,
    SUBSTANCE_KETAMINE,
    Limit,
    Protocol,
)
from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1 import records_pb2 as rec
from kat.events.v1 import events_pb2 as ev
from services.dosing_log.clients import OutboxAnnouncer
from services.dosing_log.jobs import LedgerJobs
from services.dosing_log.ledger.note import NoteSigner
from services.dosing_log.pin_hashing import hash_pin, verify_pin
from services.dosing_log.servicers.audit import AuditServicer
from services.dosing_log.servicers.desk import Desk
from services.dosing_log.servicers.dose import DoseServicer
from services.dosing_log.servicers.events import event_handlers
from services.dosing_log.servicers.inventory import InventoryServicer
from services.dosing_log.servicers.pin_desk import PinDesk
from services.dosing_log.servicers.records import RecordServicer
from services.dosing_log.storage.tables import LEDGER, RUNTIME
from services.dosing_log.storage.unit import Units
from services.dosing_log.use_cases.signing import PinKeeper
from services.runtime.auth import Caller, calling_as
from services.runtime.database import Database
from services.runtime.events.outbox import Outbox
from services.runtime.fields import date_message, timestamp
from services.runtime.identifiers import new_id
from services.runtime.writes import Writer
from tests.fakes.clock import ManualClock
from tests.support.services import make_caller

NINE = datetime(2026, 3, 10, 13, 0, tzinfo=UTC)  # 09:00 in New York
ZONE = "America/New_York"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PIN = "140719"
TREATMENT = pb.ACCESS_PURPOSE_TREATMENT
AUDIT = pb.ACCESS_PURPOSE_AUDIT

_LIMITS = (
    ("dose.starting", "0.5", "mg/kg"),
    ("dose.standard_max", "0.75", "mg/kg"),
    ("dose.hard_max", "1", "mg/kg"),
    ("dose.absolute_cap", "100", "mg"),
    ("dose.max_step", "0.25", "mg/kg"),
    ("infusion.duration.soft_min", "40", "min"),
    ("infusion.duration.hard_min", "20", "min"),
    ("interval.minimum", "7", "d"),
    ("course.sessions.planned", "6", "{session}"),
    ("course.sessions.maximum", "12", "{session}"),
    ("course.review_after", "3", "{session}"),
    ("fasting.food", "6", "h"),
    ("fasting.fluid", "2", "h"),
)


def quantity(value: str | Decimal | int, unit: str) -> Quantity:
    return Quantity(value=str(value), unit=unit)


class Clinic:
    """One organization with a nurse, a physician, a pharmacist, a witness and an auditor."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock(NINE)
        self.security_clock = ManualClock(NINE)
        self.organization_id = new_id()
        self.clinic_id = new_id()
        self.protocol_id = new_id()
        self.nurse = self._person("clinician", credential="RN")
        self.witness = self._person("clinician", credential="RN")
        self.physician = self._person("supervisor", credential="MD")
        self.pharmacist = self._person("pharmacist", credential="PharmD")
        self.auditor = self._person("auditor", credential="")
        outbox = Outbox(RUNTIME, producer="dosing_log", consumers=("scheduler", "notifications"), clock=self.clock)
        self.units = Units(
            "ledger.test",
            lambda connection, organization_id: OutboxAnnouncer(connection, organization_id, outbox),
        )
        self.handlers = event_handlers(self.units.on)
        doses = self._desk("DoseService")
        self.doses = DoseServicer(doses, PinDesk(doses, PinKeeper(verify_pin, hash_pin, self.security_clock)))
        self.inventory = InventoryServicer(self._desk("InventoryService"))
        self.records = RecordServicer(self._desk("RecordService"))
        self.audit = AuditServicer(self._desk("AuditService"), lambda origin: NoteSigner(origin, KEY).verifier.vkey)
        self.ledger = LedgerJobs(database, LEDGER, KEY, self.clock)
        self._pins: set[str] = set()

    def _person(self, role: str, *, credential: str) -> Caller:
        return make_caller(role, organization_id=self.organization_id, credential=credential)

    def _desk(self, service: str) -> Desk:
        return Desk(
            f"kat.dosing_log.v1.{service}", self.database, Writer(self.database, RUNTIME), self.units.on, self.clock
        )

    async def call(self, caller: Caller, rpc: Callable[..., Any], request: Message) -> Any:
        """Call an RPC as somebody, with a new request id where it asks for one and has none."""
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:  # type: ignore[attr-defined]
            request.request_id = str(new_id())  # type: ignore[attr-defined]
        with calling_as(caller):
            return await rpc(request, None)

    async def hear(self, **payload: Message) -> None:
        """Take in an event of the scheduler."""
        (kind,) = payload
        event = ev.Event(**payload)
        async with self.database.transaction(self.organization_id) as connection:
            await self.handlers[kind](connection, self.organization_id, event)

    async def open(self, *, version: int = 1, changed: Mapping[str, str] = MappingProxyType({})) -> None:
        """Install the protocol, with other values for some limits."""
        limits = [
            Limit(code=code, value=quantity(changed.get(code, value), unit), source="test", mark=MARK_PROJECT_DEFAULT)
            for code, value, unit in _LIMITS
        ]
        protocol = Protocol(
            name=f"protocols/{self.protocol_id}",
            code="iv_racemic",
            version=version,
            title="IV",
            substance=SUBSTANCE_KETAMINE,
            route=ROUTE_INTRAVENOUS,
            limits=limits,
        )
        await self.hear(protocol_installed=ev.ProtocolInstalled(protocol=protocol))

    async def enrol(self, *, birth_year: int = 1980, contraindications: tuple[str, ...] = ()) -> "Patient":
        """Activate a course of a new patient."""
        patient = Patient(self, new_id(), new_id())
        await self.hear(course_activated=patient.activated(birth_year=birth_year, contraindications=contraindications))
        return patient

    async def receive(self, *, lot_number: str = "A1", milliliters: int = 10, strength: int = 50) -> str:
        """Take in a lot; return its name."""
        lot = rec.Lot(
            clinic=f"clinics/{self.clinic_id}",
            substance=SUBSTANCE_KETAMINE,
            routes=[ROUTE_INTRAVENOUS],
            ndc="42023-114-10",
            strength=quantity(strength, "mg/mL"),
            lot_number=lot_number,
            expire_date=date_message(date(2027, 6, 30)),
            container_count=1,
            container_content=quantity(milliliters, "mL"),
            supplier_name="Supplier",
            supplier_dea_number="AB1234563",
            invoice_number="I-1",
        )
        answer = await self.call(self.pharmacist, self.inventory.ReceiveLot, pb.ReceiveLotRequest(lot=lot))
        return str(answer.name)

    async def balance(self, lot: str) -> Decimal:
        """Return a lot's balance in mg."""
        answer = await self.call(self.pharmacist, self.inventory.GetLot, pb.GetLotRequest(name=lot))
        return Decimal(answer.balance.value)

    async def sign(self, caller: Caller, record: Any, meaning: int, *, pin: str | None = PIN) -> Any:
        """Sign a record as somebody, setting their PIN first if need be."""
        if caller.actor.subject not in self._pins and pin:
            await self.call(caller, self.doses.SetSigningPin, pb.SetSigningPinRequest(pin=PIN))
            self._pins.add(caller.actor.subject)
        request = pb.SignRecordRequest(name=record.name, etag=record.etag, meaning=meaning, pin=pin or "")
        return await self.call(caller, self.doses.SignRecord, request)

    async def get(self, caller: Caller, record: Any) -> Any:
        """Read a record."""
        return await self.call(caller, self.records.GetRecord, pb.GetRecordRequest(name=record.name, purpose=TREATMENT))


class Patient:
    """A patient with a course."""

    def __init__(self, clinic: Clinic, patient_id: UUID, course_id: UUID) -> None:
        self.clinic = clinic
        self.name = f"patients/{patient_id}"
        self.course = f"courses/{course_id}"
        self._ordinal = 0

    def activated(
        self,
        *,
        birth_year: int = 1980,
        contraindications: tuple[str, ...] = (),
        consent_expires: date = date(2026, 12, 31),
    ) -> ev.CourseActivated:
        return ev.CourseActivated(
            course=self.course,
            patient=self.name,
            protocol=f"protocols/{self.clinic.protocol_id}",
            adult_date=date_message(date(birth_year + 18, 1, 1)),
            consent_expire_date=date_message(consent_expires),
            contraindications=contraindications,
        )

    async def book(self, *, ordinal: int | None = None) -> "Visit":
        """Book a session for now."""
        self._ordinal = ordinal or self._ordinal + 1
        visit = Visit(self, new_id(), self._ordinal)
        await self.clinic.hear(session_booked=ev.SessionBooked(session=visit.snapshot()))
        return visit


class Visit:
    """A session, and what is done in it."""

    def __init__(self, patient: Patient, session_id: UUID, ordinal: int) -> None:
        self.patient = patient
        self.clinic = patient.clinic
        self.name = f"sessions/{session_id}"
        self.ordinal = ordinal

    def snapshot(self, *, revision: int = 1) -> ev.SessionSnapshot:
        now = self.clinic.clock.now()
        interval = LocalInterval(
            start_time=timestamp(now), end_time=timestamp(now + timedelta(hours=3)), time_zone=ZONE
        )
        return ev.SessionSnapshot(
            session=self.name,
            patient=self.patient.name,
            course=self.patient.course,
            protocol=f"protocols/{self.clinic.protocol_id}",
            clinic=f"clinics/{self.clinic.clinic_id}",
            room=f"rooms/{new_id()}",
            revision=revision,
            interval=interval,
            supervisor_subjects=[self.clinic.physician.actor.subject],
            ordinal=self.ordinal,
        )

    def now(self) -> Any:
        return timestamp(self.clinic.clock.now())

    def order_content(self, *, dose: str = "35") -> rec.Order:
        return rec.Order(
            course=self.patient.course,
            protocol=f"protocols/{self.clinic.protocol_id}",
            substance=SUBSTANCE_KETAMINE,
            route=ROUTE_INTRAVENOUS,
            dose=quantity(dose, "mg"),
            expire_date=date_message(date(2026, 12, 31)),
        )

    async def order(self, *, dose: str = "35", signed: bool = True) -> Any:
        clinic = self.clinic
        request = pb.PlaceOrderRequest(session=self.name, event_time=self.now(), order=self.order_content(dose=dose))
        placed = await clinic.call(clinic.physician, clinic.doses.PlaceOrder, request)
        return await clinic.sign(clinic.physician, placed, rec.Signature.MEANING_AUTHORED) if signed else placed

    async def check(self, **changes: Any) -> Any:
        clinic, now = self.clinic, self.clinic.clock.now()
        check = rec.Check(
            **{
                "identity_components": ["name", "birth_date"],
                "last_food_time": timestamp(now - timedelta(hours=12)),
                "last_fluid_time": timestamp(now - timedelta(hours=4)),
                "escort_arranged": True,
                "consent_confirmed": True,
                **changes,
            }
        )
        request = pb.RecordCheckRequest(session=self.name, event_time=self.now(), check=check)
        return await clinic.call(clinic.nurse, clinic.doses.RecordCheck, request)

    def vitals_content(self, phase: int = rec.VitalSigns.PHASE_BEFORE, **changes: Any) -> rec.VitalSigns:
        return rec.VitalSigns(
            **{
                "phase": phase,
                "systolic": quantity(120, "mm[Hg]"),
                "diastolic": quantity(80, "mm[Hg]"),
                "heart_rate": quantity(70, "/min"),
                "respiratory_rate": quantity(14, "/min"),
                "oxygen_saturation": quantity(98, "%"),
                "moaa_s": 5,
                "dissociation": False,
                "weight": quantity(70, "kg") if phase == rec.VitalSigns.PHASE_BEFORE else None,
                **changes,
            }
        )

    async def vitals(self, phase: int = rec.VitalSigns.PHASE_BEFORE, **changes: Any) -> Any:
        clinic = self.clinic
        request = pb.RecordVitalSignsRequest(
            session=self.name, event_time=self.now(), vital_signs=self.vitals_content(phase, **changes)
        )
        return await clinic.call(clinic.nurse, clinic.doses.RecordVitalSigns, request)

    async def assess(self, instrument: int, items: list[int]) -> Any:
        clinic = self.clinic
        request = pb.RecordAssessmentRequest(
            session=self.name,
            event_time=self.now(),
            assessment=rec.Assessment(instrument=instrument, items=items),
        )
        return await clinic.call(clinic.nurse, clinic.doses.RecordAssessment, request)

    async def prepare(self, *, dose: str = "35") -> Any:
        """Do all that comes before a dose; return the order."""
        order = await self.order(dose=dose)
        await self.check()
        await self.vitals()
        await self.assess(rec.Assessment.INSTRUMENT_PHQ_9, [1, 1, 1, 1, 1, 1, 1, 1, 0])
        return order

    async def authorize(self, order: Any, lot: str, *, dose: str = "35", minutes: str = "40") -> Any:
        clinic = self.clinic
        request = pb.AuthorizeDoseRequest(
            session=self.name,
            authorization=rec.Authorization(
                order=order.name,
                lot=lot,
                dose=quantity(dose, "mg"),
                planned_duration=quantity(minutes, "min"),
                diluted=True,
            ),
        )
        return await clinic.call(clinic.nurse, clinic.doses.AuthorizeDose, request)

    def administration(self, lot: str, authorization: Any = None, **changes: Any) -> rec.Administration:
        now = self.clinic.clock.now()
        return rec.Administration(
            **{
                "authorization": authorization.name if authorization else "",
                "lot": lot,
                "route": ROUTE_INTRAVENOUS,
                "drawn": quantity("50", "mg"),
                "given": quantity("35", "mg"),
                "wasted": quantity("15", "mg"),
                "returned": quantity("0", "mg"),
                "start_time": timestamp(now - timedelta(minutes=40)),
                "end_time": timestamp(now),
                "supervisor_subject": self.clinic.physician.actor.subject,
                **changes,
            }
        )

    async def administer(self, lot: str, authorization: Any = None, **changes: Any) -> Any:
        """Record a dose that ended now."""
        clinic = self.clinic
        request = pb.RecordAdministrationRequest(
            session=self.name, administration=self.administration(lot, authorization, **changes)
        )
        return await clinic.call(clinic.nurse, clinic.doses.RecordAdministration, request)

    async def give(self, order: Any, lot: str) -> Any:
        """Authorize a dose now, and record it forty minutes later."""
        authorization = await self.authorize(order, lot)
        self.clinic.clock.advance(minutes=40)
        return await self.administer(lot, authorization)

    async def depart(self, *, against_advice: bool = False) -> Any:
        clinic = self.clinic
        request = pb.RecordDepartureRequest(
            session=self.name,
            event_time=self.now(),
            departure=rec.Departure(against_advice=against_advice),
        )
        return await clinic.call(clinic.nurse, clinic.doses.RecordDeparture, request)
