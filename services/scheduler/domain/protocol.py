"""Treatment protocols: versioned, immutable, every limit with its source and how sure that source is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from services.scheduler.domain.cadence import MINIMUM_INTERVAL_DAYS


class Mark(StrEnum):
    """How sure a limit's source is (marks V, S, U and D of the clinical reference)."""

    VERIFIED = "verified"
    SECONDARY = "secondary"
    UNVERIFIED = "unverified"
    PROJECT_DEFAULT = "project_default"


class Substance(StrEnum):
    """The drug, measured as its base."""

    KETAMINE = "ketamine"
    ESKETAMINE = "esketamine"


class Route(StrEnum):
    """How the drug reaches the patient."""

    INTRAVENOUS = "intravenous"
    INTRAMUSCULAR = "intramuscular"
    SUBLINGUAL = "sublingual"
    NASAL = "nasal"


class LimitCode(StrEnum):
    """Every limit that a protocol may hold. The dose log builds its rules from the same codes."""

    AGE_MINIMUM = "age.minimum"
    INTERVAL_MINIMUM = "interval.minimum"
    SESSIONS_PLANNED = "course.sessions.planned"
    SESSIONS_MAXIMUM = "course.sessions.maximum"
    REVIEW_AFTER = "course.review_after"
    HOLD_BEFORE = "course.hold_before"
    CONSENT_VALIDITY = "consent.validity"
    WEIGHT_VALIDITY = "weight.validity"
    PHQ9_VALIDITY = "assessment.phq9.validity"
    OBSERVATION_MINIMUM = "observation.minimum"
    PHASE_PREPARATION = "phase.preparation"
    PHASE_OBSERVATION = "phase.observation"
    PHASE_TURNOVER = "phase.turnover"
    DOSE_STARTING = "dose.starting"
    DOSE_STANDARD_MAX = "dose.standard_max"
    DOSE_HARD_MAX = "dose.hard_max"
    DOSE_ABSOLUTE_CAP = "dose.absolute_cap"
    DOSE_MAX_STEP = "dose.max_step"
    DOSE_MULTIPLE_OF = "dose.multiple_of"
    DOSE_TOLERANCE_SOFT = "dose.tolerance.soft"
    DOSE_TOLERANCE_HARD = "dose.tolerance.hard"
    INFUSION_SOFT_MIN = "infusion.duration.soft_min"
    INFUSION_HARD_MIN = "infusion.duration.hard_min"
    VITALS_VALIDITY = "vitals.validity"
    VITALS_DURING_EVERY = "vitals.during.every"
    VITALS_AFTER_EVERY = "vitals.after.every"
    SYSTOLIC_SOFT_MAX = "bp.systolic.soft_max"
    SYSTOLIC_SOFT_MAX_OVER_65 = "bp.systolic.soft_max_over_65"
    DIASTOLIC_SOFT_MAX = "bp.diastolic.soft_max"
    SYSTOLIC_HARD_MAX = "bp.systolic.hard_max"
    DIASTOLIC_HARD_MAX = "bp.diastolic.hard_max"
    HEART_RATE_SOFT_MIN = "heart_rate.soft_min"
    HEART_RATE_SOFT_MAX = "heart_rate.soft_max"
    HEART_RATE_HARD_MAX = "heart_rate.hard_max"
    RESPIRATORY_RATE_HARD_MIN = "respiratory_rate.hard_min"
    RESPIRATORY_RATE_HARD_MAX = "respiratory_rate.hard_max"
    SPO2_SOFT_MIN = "spo2.soft_min"
    SPO2_HARD_MIN = "spo2.hard_min"
    DISCHARGE_SYSTOLIC_MAX = "discharge.systolic_max"
    DISCHARGE_SCORE_MIN = "discharge.score_min"
    DISCHARGE_SPO2_MIN = "discharge.spo2_min"
    DISCHARGE_MOAA_S = "discharge.moaa_s"
    FASTING_FOOD = "fasting.food"
    FASTING_FLUID = "fasting.fluid"
    AUTHORIZATION_VALIDITY = "authorization.validity"


_DOSE_UNITS = ("mg/kg", "mg")
_UNITS_BY_PREFIX: Sequence[tuple[str, tuple[str, ...]]] = (
    ("age.", ("a",)),
    ("interval.", ("d",)),
    ("course.", ("{session}",)),
    ("consent.", ("d",)),
    ("weight.", ("d",)),
    ("assessment.", ("d",)),
    ("observation.", ("min",)),
    ("phase.", ("min",)),
    ("dose.absolute_cap", ("mg",)),
    ("dose.multiple_of", ("mg",)),
    ("dose.tolerance.", ("%",)),
    ("dose.", _DOSE_UNITS),
    ("infusion.", ("min",)),
    ("vitals.", ("min",)),
    ("bp.", ("mm[Hg]",)),
    ("heart_rate.", ("/min",)),
    ("respiratory_rate.", ("/min",)),
    ("spo2.", ("%",)),
    ("discharge.systolic_max", ("mm[Hg]",)),
    ("discharge.spo2_min", ("%",)),
    ("discharge.", ("{score}",)),
    ("fasting.", ("h", "min")),
    ("authorization.", ("min",)),
)

_WHOLE_UNITS = frozenset({"a", "d", "min", "{session}"})
_SAME_DOSE_UNIT = frozenset(
    {LimitCode.DOSE_STARTING, LimitCode.DOSE_STANDARD_MAX, LimitCode.DOSE_HARD_MAX, LimitCode.DOSE_MAX_STEP}
)

_HIGHEST = 10_000
_MINUTES_OF_A_DAY = 1_440
_PHASES = (LimitCode.PHASE_PREPARATION, LimitCode.PHASE_OBSERVATION, LimitCode.PHASE_TURNOVER)
_BOUNDS: Mapping[LimitCode, tuple[int, int]] = MappingProxyType(
    {
        LimitCode.AGE_MINIMUM: (18, 120),
        LimitCode.INTERVAL_MINIMUM: (0, 366),
        LimitCode.SESSIONS_PLANNED: (1, 100),
        LimitCode.SESSIONS_MAXIMUM: (1, 100),
        LimitCode.REVIEW_AFTER: (1, 100),
        LimitCode.HOLD_BEFORE: (1, 100),
        LimitCode.CONSENT_VALIDITY: (1, 366),
        LimitCode.OBSERVATION_MINIMUM: (1, _MINUTES_OF_A_DAY),
        **dict.fromkeys(_PHASES, (0, _MINUTES_OF_A_DAY)),
    }
)
"""The lowest and the highest value of a limit, both included. Nobody under 18 is treated (rule H3)."""
_NOT_OVER = (
    (LimitCode.SESSIONS_PLANNED, LimitCode.SESSIONS_MAXIMUM),
    (LimitCode.DOSE_STARTING, LimitCode.DOSE_STANDARD_MAX),
    (LimitCode.DOSE_STANDARD_MAX, LimitCode.DOSE_HARD_MAX),
)

LIMIT_UNITS: Mapping[LimitCode, tuple[str, ...]] = MappingProxyType(
    {code: next(units for prefix, units in _UNITS_BY_PREFIX if code.startswith(prefix)) for code in LimitCode}
)
"""The UCUM units that each limit may be written in."""

_ONLY_FOR: Mapping[LimitCode, frozenset[Route]] = MappingProxyType(
    {
        LimitCode.INFUSION_SOFT_MIN: frozenset({Route.INTRAVENOUS}),
        LimitCode.INFUSION_HARD_MIN: frozenset({Route.INTRAVENOUS}),
        LimitCode.DOSE_MULTIPLE_OF: frozenset({Route.SUBLINGUAL, Route.NASAL}),
    }
)


def limit_codes(route: Route) -> frozenset[LimitCode]:
    """Return the limits that a protocol of this route holds: all of them, and no others."""
    return frozenset(code for code in LimitCode if route in _ONLY_FOR.get(code, Route))


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: an exact value in a UCUM unit, and where it comes from."""

    code: LimitCode
    value: Decimal
    unit: str
    source: str
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolDefinition:
    """What a protocol version says. `faults_of` names the faults of its limits."""

    code: str
    version: int
    title: str
    substance: Substance
    route: Route
    limits: tuple[Limit, ...]
    no_show_counts: bool

    def limit(self, code: LimitCode) -> Decimal:
        """Return the value of a limit, in its unit.

        Raises:
            KeyError: a protocol of this route does not hold it.
        """
        for limit in self.limits:
            if limit.code is code:
                return limit.value
        raise KeyError(code)

    @property
    def interval_days(self) -> int:
        """Clinic-local dates from one session to the next, at least."""
        return int(self.limit(LimitCode.INTERVAL_MINIMUM))

    @property
    def minimum_age(self) -> int:
        """In whole years, how old a patient is at least."""
        return int(self.limit(LimitCode.AGE_MINIMUM))

    @property
    def sessions_planned(self) -> int:
        """Live sessions that a course may hold before it is extended."""
        return int(self.limit(LimitCode.SESSIONS_PLANNED))

    @property
    def session_maximum(self) -> int:
        """Live sessions that a course may be extended to."""
        return int(self.limit(LimitCode.SESSIONS_MAXIMUM))

    @property
    def review_after(self) -> int:
        """So many sessions after a review the next is due."""
        return int(self.limit(LimitCode.REVIEW_AFTER))

    @property
    def hold_before(self) -> int:
        """The session after a review, counted from 1, that waits for the next."""
        return int(self.limit(LimitCode.HOLD_BEFORE))

    @property
    def phases(self) -> "Phases":
        """How long a session takes."""
        return Phases(
            preparation=self._minutes(LimitCode.PHASE_PREPARATION),
            observation=self._minutes(LimitCode.PHASE_OBSERVATION),
            turnover=self._minutes(LimitCode.PHASE_TURNOVER),
        )

    def _minutes(self, code: LimitCode) -> timedelta:
        return timedelta(minutes=int(self.limit(code)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol(ProtocolDefinition):
    """A protocol version in use in an organization."""

    protocol_id: UUID
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Phases:
    """A session's phases: arrival to dose, dose to discharge, discharge to the room being free again."""

    preparation: timedelta
    observation: timedelta
    turnover: timedelta

    @property
    def attendance(self) -> timedelta:
        """From arrival to discharge."""
        return self.preparation + self.observation


@dataclass(frozen=True, slots=True)
class LimitFault:
    """What is wrong with a limit, and what to write instead."""

    code: LimitCode
    description: str

    def __str__(self) -> str:
        """Return both, for people."""
        return f"{self.code}: {self.description}"


def faults_of(definition: ProtocolDefinition) -> list[LimitFault]:
    """Return everything that is wrong with a definition's limits; nothing for one that can be used."""
    codes = [limit.code for limit in definition.limits]
    wanted = limit_codes(definition.route)
    faults = [LimitFault(code, "is missing") for code in sorted(wanted.difference(codes))]
    faults += [LimitFault(code, f"does not apply to {definition.route}") for code in sorted(set(codes) - wanted)]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    faults += [LimitFault(code, "stands twice") for code in twice]
    for limit in definition.limits:
        if limit.unit not in LIMIT_UNITS[limit.code]:
            faults.append(LimitFault(limit.code, f"write the unit {' or '.join(LIMIT_UNITS[limit.code])}"))
        if not limit.source:
            faults.append(LimitFault(limit.code, "name the source"))
    return faults or [*_impossible_values(definition), *_unsafe_values(definition)]


def _impossible_values(definition: ProtocolDefinition) -> Iterator[LimitFault]:
    for limit in definition.limits:
        lowest, highest = _BOUNDS.get(limit.code, (0, _HIGHEST))
        if not lowest <= limit.value <= highest:
            negative = "; no limit is negative" if limit.value < 0 else ""
            yield LimitFault(limit.code, f"from {lowest} to {highest}{negative}")
        if limit.unit in _WHOLE_UNITS and limit.value % 1:
            yield LimitFault(limit.code, "years, days, minutes and sessions are whole numbers")


def _unsafe_values(definition: ProtocolDefinition) -> Iterator[LimitFault]:
    value = definition.limit
    if value(LimitCode.INTERVAL_MINIMUM) < MINIMUM_INTERVAL_DAYS:
        yield LimitFault(LimitCode.INTERVAL_MINIMUM, f"at least {MINIMUM_INTERVAL_DAYS} days")
    for lower, higher in _NOT_OVER:
        if value(lower) > value(higher):
            yield LimitFault(lower, f"over {higher}; write at most {value(higher)}")
    if value(LimitCode.PHASE_OBSERVATION) < value(LimitCode.OBSERVATION_MINIMUM):
        yield LimitFault(LimitCode.PHASE_OBSERVATION, "at least observation.minimum")
    if value(LimitCode.HOLD_BEFORE) <= value(LimitCode.REVIEW_AFTER):
        yield LimitFault(LimitCode.HOLD_BEFORE, "over course.review_after")
    if sum(value(phase) for phase in _PHASES) > _MINUTES_OF_A_DAY:
        yield LimitFault(LimitCode.PHASE_OBSERVATION, "all phases together within a day")
    units = {limit.unit for limit in definition.limits if limit.code in _SAME_DOSE_UNIT}
    if len(units) > 1:
        yield LimitFault(LimitCode.DOSE_STARTING, "one unit for start, maximum and step of a dose")
