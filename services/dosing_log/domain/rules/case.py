"""The facts that a dose is judged by, gathered before any rule looks at them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from services.dosing_log.domain.amounts import EXACT
from services.dosing_log.domain.contents import Assessment, Check, Instrument, Order, Phase, VitalSigns
from services.dosing_log.domain.protocols import Limit, Protocol
from services.dosing_log.domain.sessions import Course, Session
from services.dosing_log.domain.stock import LotOnHand
from services.dosing_log.domain.values import Route, Substance
from services.runtime.actor import Actor

PER_WEIGHT = "mg/kg"


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """The present version of an order, and whether its prescriber signed it."""

    order: Order
    event_time: datetime
    signed: bool


@dataclass(frozen=True, slots=True)
class Weighing:
    """A body weight in kg and when it was measured."""

    kg: Decimal
    time: datetime


@dataclass(frozen=True, slots=True)
class PastDose:
    """Another dose of the patient. `departed` where the patient is known to have left that session."""

    session_id: UUID
    course_id: UUID
    start_time: datetime
    given_mg: Decimal
    departed: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """An assessment and when it was taken."""

    assessment: Assessment
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseCase:
    """One dose, asked for or given, with all that the rules look at. Times up to `at`, except `doses`: all others.

    Attributes:
        at: when the dose is asked for, or when it began.
        actor: who is to give it.
        duration: of an infusion.
        weighings: the newest first.
        vitals: of this session, the newest first.
        assessments: the newest first.
        doses: every other dose of the patient in the organization, the newest first.
    """

    at: datetime
    session: Session
    course: Course
    protocol: Protocol
    actor: Actor
    dose_mg: Decimal
    duration: timedelta | None
    diluted: bool
    route: Route
    order: PlacedOrder | None
    lot: LotOnHand
    check: Check | None
    vitals: tuple[tuple[VitalSigns, datetime], ...]
    weighings: tuple[Weighing, ...]
    assessments: tuple[Taken, ...]
    doses: tuple[PastDose, ...]

    @property
    def today(self) -> date:
        """The clinic's date of the dose."""
        return self.session.local_date(self.at)

    @property
    def weight(self) -> Weighing | None:
        """The newest weight."""
        return self.weighings[0] if self.weighings else None

    @property
    def substance(self) -> Substance:
        """What is in the lot."""
        return self.lot.lot.substance

    def limit(self, code: str) -> Limit | None:
        """Return the limit of that code that holds for this dose."""
        return self.protocol.limit(code)

    def limit_mg(self, limit: Limit) -> Decimal | None:
        """Return what a limit in mg or mg/kg is for this patient in mg; None where the weight is not known."""
        if limit.value.unit != PER_WEIGHT:
            return limit.value.value
        return EXACT.multiply(limit.value.value, self.weight.kg) if self.weight else None

    def course_doses(self) -> tuple[PastDose, ...]:
        """Return the earlier doses of this course."""
        return tuple(d for d in self.doses if d.course_id == self.course.course_id and d.start_time < self.at)

    def latest(self, instrument: Instrument) -> Taken | None:
        """Return the newest assessment with an instrument."""
        return next(self.taken(instrument), None)

    def taken(self, instrument: Instrument) -> Iterator[Taken]:
        """Yield the assessments with an instrument, the newest first."""
        return (taken for taken in self.assessments if taken.assessment.instrument == instrument)

    def vitals_before(self) -> tuple[VitalSigns, datetime] | None:
        """Return the newest vital signs from before the dose."""
        return next(((vitals, time) for vitals, time in self.vitals if vitals.phase == Phase.BEFORE), None)
