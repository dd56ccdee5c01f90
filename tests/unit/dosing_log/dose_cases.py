"""A dose that no hard or soft rule refuses, to be changed one fact at a time."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.dosing_log.domain.amounts import DrugAmount
from services.dosing_log.domain.assessments import score
from services.dosing_log.domain.contents import Check, Instrument, Order, Phase, VitalSigns
from services.dosing_log.domain.protocols import Limit, Mark, Protocol
from services.dosing_log.domain.records import Severity
from services.dosing_log.domain.rules.case import DoseCase, PastDose, PlacedOrder, Taken, Weighing
from services.dosing_log.domain.rules.rule import evaluate
from services.dosing_log.domain.rules.table import DOSE_RULES
from services.dosing_log.domain.sessions import Course, Session
from services.dosing_log.domain.stock import Lot, LotOnHand
from services.dosing_log.domain.values import Quantity, Route, Substance
from services.runtime.actor import Actor

# Tuesday 15:00 in New York, two days after the clocks went forward.
NOW = datetime(2026, 3, 10, 19, 0, tzinfo=UTC)
ZONE = "America/New_York"
SESSION, COURSE, PATIENT, CLINIC, PROTOCOL, LOT = (UUID(int=number) for number in range(1, 7))
NURSE = Actor(subject="nurse", printed_name="N. Urse", credential="RN", roles=("clinician",))
PHYSICIAN = Actor(subject="physician", printed_name="P. Hysician", credential="MD", roles=("supervisor",))


def q(value: str | int, unit: str) -> Quantity:
    return Quantity(Decimal(value), unit)


def mg(value: str) -> DrugAmount:
    return DrugAmount(Decimal(value), "mg", Decimal(value))


def limit(code: str, value: str | int, unit: str) -> Limit:
    return Limit(code, q(value, unit), "a publication", Mark.VERIFIED)


INTRAVENOUS = Protocol(
    protocol_id=PROTOCOL,
    code="iv",
    version=1,
    title="IV",
    substance=Substance.KETAMINE,
    route=Route.INTRAVENOUS,
    limits=(
        limit("dose.starting", "0.5", "mg/kg"),
        limit("dose.standard_max", "0.75", "mg/kg"),
        limit("dose.hard_max", "1", "mg/kg"),
        limit("dose.absolute_cap", "100", "mg"),
        limit("dose.max_step", "0.25", "mg/kg"),
        limit("infusion.duration.soft_min", 40, "min"),
        limit("infusion.duration.hard_min", 20, "min"),
        limit("course.sessions.planned", 6, "{session}"),
        limit("course.sessions.maximum", 12, "{session}"),
        limit("course.review_after", 3, "{session}"),
        limit("fasting.food", 6, "h"),
        limit("fasting.fluid", 2, "h"),
    ),
)


def with_limits(protocol: Protocol, *limits: Limit) -> Protocol:
    codes = {added.code for added in limits}
    kept = tuple(kept for kept in protocol.limits if kept.code not in codes)
    return replace(protocol, limits=(*kept, *limits))


def session(**changes: Any) -> Session:
    return Session(
        **{
            "session_id": SESSION,
            "patient_id": PATIENT,
            "course_id": COURSE,
            "protocol_id": PROTOCOL,
            "clinic_id": CLINIC,
            "revision": 1,
            "ordinal": 4,
            "start_time": NOW - timedelta(hours=1),
            "end_time": NOW + timedelta(hours=2),
            "time_zone": ZONE,
            "supervisor_subjects": ("physician",),
            **changes,
        }
    )


def course(**changes: Any) -> Course:
    return Course(
        **{
            "course_id": COURSE,
            "patient_id": PATIENT,
            "protocol_id": PROTOCOL,
            "adult_date": date(2004, 5, 1),
            "consent_expire_date": date(2026, 6, 1),
            "contraindications": (),
            **changes,
        }
    )


def lot(**changes: Any) -> Lot:
    return Lot(
        **{
            "lot_id": LOT,
            "clinic_id": CLINIC,
            "substance": Substance.KETAMINE,
            "routes": (Route.INTRAVENOUS,),
            "ndc": "",
            "strength": q(50, "mg/mL"),
            "lot_number": "A1",
            "expire_date": date(2027, 1, 1),
            "container_count": 1,
            "container_content": q(10, "mL"),
            "supplier_name": "Supplier",
            "supplier_dea_number": "AB1234563",
            "invoice_number": "1",
            "receive_time": NOW,
            "receiver": NURSE,
            **changes,
        }
    )


def vitals(phase: Phase = Phase.BEFORE, **changes: Any) -> VitalSigns:
    return VitalSigns(
        **{
            "phase": phase,
            "systolic": q(120, "mm[Hg]"),
            "diastolic": q(80, "mm[Hg]"),
            "heart_rate": q(70, "/min"),
            "respiratory_rate": q(14, "/min"),
            "oxygen_saturation": q(98, "%"),
            "moaa_s": 5,
            "dissociation": False,
            "weight": None,
            **changes,
        }
    )


def check(**changes: Any) -> Check:
    return Check(
        **{
            "identity_components": ("name", "birth_date"),
            "last_food_time": NOW - timedelta(hours=12),
            "last_fluid_time": NOW - timedelta(hours=3),
            "escort_arranged": True,
            "consent_confirmed": True,
            "interactions": (),
            **changes,
        }
    )


def order(dose: str = "35", **changes: Any) -> PlacedOrder:
    placed = Order(
        **{
            "course_id": COURSE,
            "protocol_id": PROTOCOL,
            "substance": Substance.KETAMINE,
            "route": Route.INTRAVENOUS,
            "dose": q(dose, "mg"),
            "expire_date": date(2026, 6, 1),
            "prescriber": PHYSICIAN,
            **changes,
        }
    )
    return PlacedOrder(placed, NOW - timedelta(minutes=50), signed=True)


def phq_9(*, item_9: int = 0, total: int = 8, days_ago: int = 0) -> Taken:
    items = [0] * 9
    items[8] = item_9
    left = total - item_9
    for index in range(8):
        items[index] = min(3, left)
        left -= items[index]
    return Taken(score(Instrument.PHQ_9, items), NOW - timedelta(days=days_ago, minutes=30))


def c_ssrs(*positive: int, days_ago: int = 0) -> Taken:
    items = [1 if number in positive else 0 for number in range(1, 8)]
    return Taken(score(Instrument.C_SSRS, items), NOW - timedelta(days=days_ago, minutes=20))


def past_dose(start: datetime, given: str = "35", **changes: Any) -> PastDose:
    return PastDose(
        **{
            "session_id": UUID(int=99),
            "course_id": COURSE,
            "start_time": start,
            "given_mg": Decimal(given),
            "departed": True,
            **changes,
        }
    )


def weekly(count: int, given: str = "35") -> tuple[PastDose, ...]:
    """Doses of the course, seven days apart, the newest first, seven days before now."""
    return tuple(past_dose(NOW - timedelta(days=7 * week), given) for week in range(1, count + 1))


def case(**changes: Any) -> DoseCase:
    return DoseCase(
        **{
            "at": NOW,
            "session": session(),
            "course": course(),
            "protocol": INTRAVENOUS,
            "actor": NURSE,
            "dose_mg": Decimal(35),
            "duration": timedelta(minutes=40),
            "diluted": False,
            "route": Route.INTRAVENOUS,
            "order": order(),
            "lot": LotOnHand(lot(), 1, Decimal(500)),
            "check": check(),
            "vitals": ((vitals(), NOW - timedelta(minutes=10)),),
            "weighings": (Weighing(Decimal(70), NOW - timedelta(minutes=10)),),
            "assessments": (phq_9(),),
            "doses": (),
            **changes,
        }
    )


def refusing(judged: DoseCase) -> list[str]:
    """Codes of the hard and soft findings."""
    return [found.code for found in evaluate(judged, DOSE_RULES) if found.severity != Severity.WARNING]


def warnings(judged: DoseCase) -> list[str]:
    """Codes of the warnings."""
    return [found.code for found in evaluate(judged, DOSE_RULES) if found.severity == Severity.WARNING]
