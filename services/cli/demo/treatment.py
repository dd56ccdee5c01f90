"""The second part of the day: from check-in to signatures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc

from kat.common.v1.common_pb2 import Quantity
from kat.common.v1.protocol_pb2 import ROUTE_INTRAVENOUS, SUBSTANCE_KETAMINE
from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from kat.scheduler.v1 import course_pb2, session_pb2
from services.cli.demo.account import Account, expecting_refusal
from services.cli.demo.cast import Cast
from services.cli.demo.stage import Person, Stage
from services.runtime.fields import date_message, timestamp
from services.runtime.status import reason_of, status_from

SIGNING_PINS = {"supervisor": "582914", "nurse": "730162", "witness": "419637"}
WEIGHT_KG = "75"
DOSE_MG = "37.5"
DOSE_OVER_HARD_LIMIT_MG = "90"
INFUSION = timedelta(minutes=40)
OBSERVATION = timedelta(minutes=121)


@dataclass(frozen=True, slots=True)
class Treatment:
    """What was recorded of one session, for what comes after it."""

    session: session_pb2.Session
    lot: records_pb2.Lot
    administration: records_pb2.Record
    wastage: records_pb2.Record


def quantity(value: str, unit: str) -> Quantity:
    """Return an exact quantity."""
    return Quantity(value=value, unit=unit)


class Clinician:
    """Writes the records of one session as the people who do the work."""

    def __init__(self, stage: Stage, account: Account, cast: Cast, session: session_pb2.Session) -> None:
        self._stage = stage
        self._account = account
        self._cast = cast
        self._session = session

    async def check_in(self) -> None:
        """Check the patient in on the day."""
        stage = self._stage
        arrival = self._session.interval.start_time.ToDatetime(tzinfo=UTC)
        stage.move_to(arrival + timedelta(minutes=1))
        current = await stage.call(
            stage.sessions.GetSession, session_pb2.GetSessionRequest(name=self._session.name), self._cast.front_desk
        )
        request = session_pb2.CheckInSessionRequest(name=current.name, etag=current.etag)
        await stage.call(stage.sessions.CheckInSession, request, self._cast.front_desk)
        self._account.done(stage.now(), "the patient checked in")

    async def receive_lot(self) -> records_pb2.Lot:
        """Take a delivery of drug into stock."""
        stage = self._stage
        lot = records_pb2.Lot(
            clinic=self._session.clinic,
            substance=SUBSTANCE_KETAMINE,
            routes=[ROUTE_INTRAVENOUS],
            ndc="67457-001-10",
            strength=quantity("50", "mg/mL"),
            lot_number=f"KX{stage.now():%y%m%d%H%M}",
            expire_date=date_message(stage.now().date() + timedelta(days=400)),
            container_count=2,
            container_content=quantity("10", "mL"),
            supplier_name="Example Wholesale",
            supplier_dea_number="RE1234563",
            invoice_number=f"INV-{stage.now():%Y%m%d}",
        )
        received: records_pb2.Lot = await stage.call(
            stage.inventory.ReceiveLot, dosing_log_pb2.ReceiveLotRequest(lot=lot), self._cast.pharmacist
        )
        text = f"lot {received.lot_number} received: {received.balance.value} {received.balance.unit} on hand"
        self._account.done(stage.now(), text, name=received.name, label="lot")
        return received

    async def place_order(self, course: course_pb2.Course) -> records_pb2.Record:
        """Order the dose."""
        stage, cast = self._stage, self._cast
        order = records_pb2.Order(
            course=course.name,
            protocol=cast.protocol.name,
            substance=SUBSTANCE_KETAMINE,
            route=ROUTE_INTRAVENOUS,
            dose=quantity(DOSE_MG, "mg"),
            expire_date=date_message(stage.now().date() + timedelta(days=30)),
        )
        request = dosing_log_pb2.PlaceOrderRequest(
            session=self._session.name, event_time=timestamp(stage.now()), order=order
        )
        record = await self._write(stage.doses.PlaceOrder, request, cast.supervisor)
        self._account.done(stage.now(), f"{DOSE_MG} mg ordered by {cast.supervisor.printed_name}")
        self._account.names["order"] = record.name
        await self.sign(record, cast.supervisor, records_pb2.Signature.MEANING_AUTHORED)
        return record

    async def prepare(self) -> None:
        """Check identity, fasting, escort and consent; take assessments and vital signs."""
        stage, now = self._stage, self._stage.now()
        check = records_pb2.Check(
            identity_components=["name", "birth_date"],
            last_food_time=timestamp(now - timedelta(hours=9)),
            last_fluid_time=timestamp(now - timedelta(hours=3)),
            escort_arranged=True,
            consent_confirmed=True,
        )
        await self._write(
            stage.doses.RecordCheck,
            dosing_log_pb2.RecordCheckRequest(session=self._session.name, event_time=timestamp(now), check=check),
            self._cast.nurse,
        )
        for instrument, items in (
            (records_pb2.Assessment.INSTRUMENT_PHQ_9, (2, 2, 2, 2, 1, 2, 1, 1, 0)),
            (records_pb2.Assessment.INSTRUMENT_C_SSRS, (0, 0, 0, 0, 0, 0, 0)),
        ):
            record = await self.assess(instrument, items)
            name = records_pb2.Assessment.Instrument.Name(instrument).removeprefix("INSTRUMENT_").replace("_", "-")
            self._account.done(stage.now(), f"{name}: {record.assessment.total}, {record.assessment.band}")
        await self.vital_signs(records_pb2.VitalSigns.PHASE_BEFORE, 124, 78, weight=WEIGHT_KG)
        self._account.done(stage.now(), "identity, fasting, escort and consent checked; vital signs and weight taken")

    async def assess(
        self, instrument: records_pb2.Assessment.Instrument.ValueType, items: Sequence[int]
    ) -> records_pb2.Record:
        """Record the items of an assessment; the server scores it."""
        assessment = records_pb2.Assessment(instrument=instrument, items=items)
        request = dosing_log_pb2.RecordAssessmentRequest(
            session=self._session.name, event_time=timestamp(self._stage.now()), assessment=assessment
        )
        return await self._write(self._stage.doses.RecordAssessment, request, self._cast.nurse)

    async def vital_signs(
        self,
        phase: records_pb2.VitalSigns.Phase.ValueType,
        systolic: int,
        diastolic: int,
        *,
        moaa_s: int = 5,
        dissociation: bool = False,
        weight: str = "",
    ) -> records_pb2.Record:
        """Record a set of vital signs."""
        signs = records_pb2.VitalSigns(
            phase=phase,
            systolic=quantity(str(systolic), "mm[Hg]"),
            diastolic=quantity(str(diastolic), "mm[Hg]"),
            heart_rate=quantity("72", "/min"),
            respiratory_rate=quantity("14", "/min"),
            oxygen_saturation=quantity("98", "%"),
            moaa_s=moaa_s,
            dissociation=dissociation,
        )
        if weight:
            signs.weight.CopyFrom(quantity(weight, "kg"))
        request = dosing_log_pb2.RecordVitalSignsRequest(
            session=self._session.name, event_time=timestamp(self._stage.now()), vital_signs=signs
        )
        return await self._write(self._stage.doses.RecordVitalSigns, request, self._cast.nurse)

    async def authorize(self, order: records_pb2.Record, lot: records_pb2.Lot) -> records_pb2.Record:
        """Ask for a dose over the hard limit, which is refused, and then for the ordered one."""
        stage = self._stage
        with expecting_refusal(self._account, stage.now(), f"{DOSE_OVER_HARD_LIMIT_MG} mg for {WEIGHT_KG} kg", "H1"):
            await self._authorize(order, lot, DOSE_OVER_HARD_LIMIT_MG)
        record = await self._authorize(order, lot, DOSE_MG)
        per_weight = record.authorization.dose_per_weight
        self._account.done(stage.now(), f"{DOSE_MG} mg authorized ({per_weight.value} {per_weight.unit})")
        for finding in record.findings:
            self._account.detail(f"{finding.code}: {finding.description} [{finding.source}]")
        self._account.names["authorization"] = record.name
        return record

    async def _authorize(self, order: records_pb2.Record, lot: records_pb2.Lot, dose: str) -> records_pb2.Record:
        authorization = records_pb2.Authorization(
            order=order.name,
            lot=lot.name,
            dose=quantity(dose, "mg"),
            planned_duration=quantity("40", "min"),
            diluted=True,
        )
        request = dosing_log_pb2.AuthorizeDoseRequest(session=self._session.name, authorization=authorization)
        return await self._write(self._stage.doses.AuthorizeDose, request, self._cast.nurse)

    async def administer(self, authorization: records_pb2.Record, lot: records_pb2.Lot) -> records_pb2.Record:
        """Give the dose over 40 minutes, with vital signs every ten."""
        stage, account = self._stage, self._account
        started = stage.now()
        for minutes, systolic, diastolic, alertness in ((10, 131, 82, 4), (20, 138, 86, 4), (30, 142, 88, 4)):
            stage.move_to(started + timedelta(minutes=minutes))
            await self.vital_signs(
                records_pb2.VitalSigns.PHASE_DURING, systolic, diastolic, moaa_s=alertness, dissociation=True
            )
        stage.move_to(started + INFUSION)
        administration = records_pb2.Administration(
            authorization=authorization.name,
            lot=lot.name,
            route=ROUTE_INTRAVENOUS,
            drawn=quantity("1", "mL"),
            given=quantity(DOSE_MG, "mg"),
            wasted=quantity("12.5", "mg"),
            returned=quantity("0", "mg"),
            start_time=timestamp(started),
            end_time=timestamp(started + INFUSION),
            supervisor_subject=self._cast.supervisor.subject,
        )
        request = dosing_log_pb2.RecordAdministrationRequest(session=self._session.name, administration=administration)
        record = await self._write(stage.doses.RecordAdministration, request, self._cast.nurse)
        text = f"{DOSE_MG} mg given over 40 min by {self._cast.nurse.printed_name}; 50 mg drawn, 12.5 mg left to waste"
        account.done(stage.now(), text, name=record.name, label="administration")
        return record

    async def waste(self, administration: records_pb2.Record, lot: records_pb2.Lot) -> records_pb2.Record:
        """Waste what was left, before a witness who signs."""
        stage, cast = self._stage, self._cast
        wastage = records_pb2.Wastage(
            administration=administration.name,
            lot=lot.name,
            amount=quantity("12.5", "mg"),
            kind=records_pb2.Wastage.KIND_RESIDUAL_AFTER_ADMINISTRATION,
            method="absorbed into a charcoal pouch",
            location="medication room",
            witness_subject=cast.witness.subject,
        )
        request = dosing_log_pb2.RecordWastageRequest(
            session=self._session.name, event_time=timestamp(stage.now()), wastage=wastage
        )
        record = await self._write(stage.doses.RecordWastage, request, cast.nurse)
        self._account.done(stage.now(), "12.5 mg wasted", name=record.name, label="wastage")
        record = await self.sign(record, cast.witness, records_pb2.Signature.MEANING_WITNESSED)
        self._account.detail(f"witnessed and signed by {cast.witness.printed_name}")
        return record

    async def observe_and_discharge(self, administered_at: datetime) -> None:
        """Observe until discharge is ready; ask too early once, and see what is missing."""
        stage, account = self._stage, self._account
        readiness = dosing_log_pb2.GetDischargeReadinessRequest(
            session=self._session.name, purpose=dosing_log_pb2.ACCESS_PURPOSE_TREATMENT
        )
        early = await stage.call(stage.doses.GetDischargeReadiness, readiness, self._cast.supervisor)
        missing = ", ".join(condition.code for condition in early.conditions if not condition.met)
        account.done(stage.now(), f"discharge asked for at once: not ready, {missing}")
        for minutes, systolic, alertness in ((55, 136, 4), (70, 130, 5), (85, 127, 5), (100, 125, 5), (115, 124, 5)):
            stage.move_to(administered_at + timedelta(minutes=minutes))
            await self.vital_signs(records_pb2.VitalSigns.PHASE_AFTER, systolic, 80, moaa_s=alertness)
        stage.move_to(administered_at + OBSERVATION)
        await self.vital_signs(records_pb2.VitalSigns.PHASE_DISCHARGE, 124, 79)
        await self.assess(records_pb2.Assessment.INSTRUMENT_DISCHARGE_SCORE, (10,))
        discharge = dosing_log_pb2.ApproveDischargeRequest(
            session=self._session.name, discharge=records_pb2.Discharge(escort_relation="sibling")
        )
        await self._write(stage.doses.ApproveDischarge, discharge, self._cast.supervisor)
        account.done(stage.now(), "vital signs to discharge; discharge approved with every condition met")
        departure = dosing_log_pb2.RecordDepartureRequest(
            session=self._session.name, event_time=timestamp(stage.now()), departure=records_pb2.Departure()
        )
        await self._write(stage.doses.RecordDeparture, departure, self._cast.nurse)
        account.done(stage.now(), "the patient left with the escort")

    async def sign(
        self, record: records_pb2.Record, person: Person, meaning: records_pb2.Signature.Meaning.ValueType
    ) -> records_pb2.Record:
        """Sign a record with token and PIN."""
        pins = {getattr(self._cast, role).subject: pin for role, pin in SIGNING_PINS.items()}
        request = dosing_log_pb2.SignRecordRequest(
            name=record.name, etag=record.etag, meaning=meaning, pin=pins[person.subject]
        )
        signed: records_pb2.Record = await self._stage.call(self._stage.doses.SignRecord, request, person)
        return signed

    async def _write(self, method: object, request: object, person: Person) -> records_pb2.Record:
        record: records_pb2.Record = await self._stage.call(method, request, person)  # type: ignore[arg-type]  # a stub's method
        return record


async def set_pins(stage: Stage, account: Account, cast: Cast) -> None:
    """Give the three who sign a PIN, where an earlier day did not."""
    for role, pin in SIGNING_PINS.items():
        person: Person = getattr(cast, role)
        try:
            await stage.call(stage.doses.SetSigningPin, dosing_log_pb2.SetSigningPinRequest(pin=pin), person)
        except grpc.aio.AioRpcError as error:
            if reason_of(status_from(error)) != "PIN_REQUIRED":  # it asks for the PIN of the earlier day
                raise
    account.done(stage.now(), "signing PINs are set: the second component of each signature")


async def treat(
    stage: Stage, account: Account, cast: Cast, course: course_pb2.Course, session: session_pb2.Session
) -> Treatment:
    """Run one session from check-in to signatures."""
    clinician = Clinician(stage, account, cast, session)
    await clinician.check_in()
    await set_pins(stage, account, cast)
    lot = await clinician.receive_lot()
    order = await clinician.place_order(course)
    stage.move_to(stage.now() + timedelta(minutes=15))
    await clinician.prepare()
    authorization = await clinician.authorize(order, lot)
    stage.move_to(stage.now() + timedelta(minutes=5))
    started = stage.now()
    administration = await clinician.administer(authorization, lot)
    wastage = await clinician.waste(administration, lot)
    await clinician.observe_and_discharge(started)
    administration = await clinician.sign(administration, cast.nurse, records_pb2.Signature.MEANING_ADMINISTERED)
    administration = await clinician.sign(administration, cast.supervisor, records_pb2.Signature.MEANING_REVIEWED)
    signers = ", ".join(
        f"{signature.signer.printed_name} ({signature.components_used} components)"
        for signature in administration.signatures
    )
    account.done(stage.now(), f"the administration is signed by {signers}")
    return Treatment(session, lot, administration, wastage)
