"""What discharge needs (rule H14): observation, vital signs, scores and an escort."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.dosing_log.domain.amounts import EXACT
from services.dosing_log.domain.contents import Administration, Instrument, Phase, VitalSigns
from services.dosing_log.domain.protocols import Limit, Protocol
from services.dosing_log.domain.rules.case import Taken
from services.dosing_log.domain.values import Quantity, minutes


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of discharge: what there is and what is missing, and where it comes from."""

    code: str
    met: bool
    description: str
    source: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Every condition, and when the observation time is over; None where no dose was given."""

    conditions: tuple[Condition, ...]
    observation_end_time: datetime | None

    @property
    def ready(self) -> bool:
        """True where every condition is met."""
        return all(condition.met for condition in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeCase:
    """What discharge is judged by: of this session, the newest first."""

    now: datetime
    protocol: Protocol
    administrations: tuple[Administration, ...]
    vitals: tuple[tuple[VitalSigns, datetime], ...]
    assessments: tuple[Taken, ...]
    escort_arranged: bool

    def limit(self, code: str) -> Limit:
        """Return a limit that the suite has for every protocol."""
        limit = self.protocol.limit(code)
        if limit is None:
            raise LookupError(f"no limit {code}")
        return limit

    @property
    def dose_start(self) -> datetime:
        """When the last dose began."""
        return max(given.start_time for given in self.administrations)

    @property
    def observation_end(self) -> datetime:
        """When the observation time is over."""
        return self.dose_start + minutes(self.limit("observation.minimum").value.value)

    def baseline(self) -> VitalSigns | None:
        """Return the newest vital signs from before the dose."""
        return next((vitals for vitals, time in self.vitals if vitals.phase == Phase.BEFORE), None)

    def at_discharge(self) -> VitalSigns | None:
        """Return recent vital signs that were taken for discharge, after the dose."""
        valid = minutes(self.limit("vitals.validity").value.value)
        return next(
            (
                vitals
                for vitals, time in self.vitals
                if vitals.phase == Phase.DISCHARGE and time >= self.dose_start and self.now - time <= valid
            ),
            None,
        )


def readiness(case: DischargeCase) -> Readiness:
    """Return what discharge has and needs."""
    if not case.administrations:
        missing = Condition(
            code="DOSE_GIVEN",
            met=False,
            description="No dose was given: record the departure instead",
            source="project default",
        )
        return Readiness((missing,), None)
    conditions = (*_observation(case), *_vital_signs(case), *_score(case), *_escort(case))
    return Readiness(conditions, case.observation_end)


def _condition(code: str, *, met: bool, description: str, limit: Limit) -> Condition:
    return Condition(code, met, f"{description}; the limit is {limit.value}", limit.source)


def _observation(case: DischargeCase) -> Iterator[Condition]:
    until = case.observation_end
    yield _condition(
        "OBSERVATION_TIME",
        met=case.now >= until,
        description=f"Observe until {until.isoformat(timespec='minutes')}",
        limit=case.limit("observation.minimum"),
    )


def _vital_signs(case: DischargeCase) -> Iterator[Condition]:
    vitals, validity = case.at_discharge(), case.limit("vitals.validity")
    yield _condition(
        "DISCHARGE_VITALS",
        met=vitals is not None,
        description="Recent vital signs for discharge",
        limit=validity,
    )
    if vitals is None:
        return
    yield _at_least(case, "ALERTNESS", "MOAA/S", Quantity(Decimal(vitals.moaa_s), "{score}"), "discharge.moaa_s")
    yield Condition("DISSOCIATION", not vitals.dissociation, "Dissociation is over", "SPRAVATO REMS")
    yield _saturation(case, vitals)
    systolic = case.limit("discharge.systolic_max")
    yield _condition(
        "SYSTOLIC_PRESSURE",
        met=vitals.systolic.value <= systolic.value.value,
        description=f"Systolic pressure is {vitals.systolic}",
        limit=systolic,
    )
    yield from _near_baseline(case, vitals)


def _at_least(case: DischargeCase, code: str, what: str, found: Quantity, limit_code: str) -> Condition:
    limit = case.limit(limit_code)
    return _condition(code, met=found.value >= limit.value.value, description=f"{what} is {found}", limit=limit)


def _saturation(case: DischargeCase, vitals: VitalSigns) -> Condition:
    limit, baseline = case.limit("discharge.spo2_min"), case.baseline()
    found = vitals.oxygen_saturation
    as_before = baseline is not None and found.value >= baseline.oxygen_saturation.value
    return _condition(
        "OXYGEN_SATURATION",
        met=found.value >= limit.value.value or as_before,
        description=f"Oxygen saturation is {found}, or as before the dose",
        limit=limit,
    )


def _near_baseline(case: DischargeCase, vitals: VitalSigns) -> Iterator[Condition]:
    limit, baseline = case.limit("discharge.systolic_from_baseline"), case.baseline()
    if baseline is None:
        return
    difference = abs(EXACT.subtract(vitals.systolic.value, baseline.systolic.value))
    allowed = EXACT.multiply(limit.value.value, baseline.systolic.value)
    yield _condition(
        "SYSTOLIC_NEAR_BASELINE",
        met=EXACT.multiply(difference, Decimal(100)) <= allowed,
        description=f"Systolic pressure is {vitals.systolic}, before the dose {baseline.systolic}",
        limit=limit,
    )


def _score(case: DischargeCase) -> Iterator[Condition]:
    limit = case.limit("discharge.score_min")
    newest = next(
        (
            taken.assessment.total
            for taken in case.assessments
            if taken.assessment.instrument == Instrument.DISCHARGE_SCORE and taken.time >= case.dose_start
        ),
        None,
    )
    yield _condition(
        "DISCHARGE_SCORE",
        met=newest is not None and newest >= limit.value.value,
        description=f"Discharge score is {newest}" if newest is not None else "Record a discharge score",
        limit=limit,
    )


def _escort(case: DischargeCase) -> Iterator[Condition]:
    yield Condition(
        "ESCORT", case.escort_arranged, "A responsible adult takes the patient home", "ketamine injection label"
    )
