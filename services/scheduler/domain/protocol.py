"""Treatment protocols: versioned, immutable, every limit with its source and how sure that source is."""

from collections.abc import Mapping, Sequence
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
    """What a protocol version says. `validate` names its faults."""

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
    def session_cap(self) -> int:
        """Live sessions in a course, at most."""
        return int(self.limit(LimitCode.SESSIONS_MAXIMUM))

    @property
    def review_after(self) -> int:
        """Sessions after which a supervisor's review is due."""
        return int(self.limit(LimitCode.REVIEW_AFTER))

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


def faults_of(definition: ProtocolDefinition) -> list[str]:
    """Return everything that is wrong with a definition; nothing for one that can be used."""
    codes = [limit.code for limit in definition.limits]
    wanted = limit_codes(definition.route)
    faults = [f"{code}: is missing" for code in sorted(wanted.difference(codes))]
    faults += [f"{code}: does not apply to {definition.route}" for code in sorted(set(codes) - wanted)]
    faults += [f"{code}: stands twice" for code in sorted({code for code in codes if codes.count(code) > 1})]
    for limit in definition.limits:
        if limit.unit not in LIMIT_UNITS[limit.code]:
            faults.append(f"{limit.code}: write the unit {' or '.join(LIMIT_UNITS[limit.code])}")
        if not limit.source:
            faults.append(f"{limit.code}: name the source")
    return faults or _unsafe_values(definition)


def _unsafe_values(definition: ProtocolDefinition) -> list[str]:
    value = definition.limit
    rules = (
        (value(LimitCode.INTERVAL_MINIMUM) >= MINIMUM_INTERVAL_DAYS, "interval.minimum: at least 7 days"),
        (
            value(LimitCode.PHASE_OBSERVATION) >= value(LimitCode.OBSERVATION_MINIMUM),
            "phase.observation: at least observation.minimum",
        ),
        (
            value(LimitCode.SESSIONS_PLANNED) <= value(LimitCode.SESSIONS_MAXIMUM),
            "course.sessions.planned: at most course.sessions.maximum",
        ),
        (value(LimitCode.DOSE_STARTING) <= value(LimitCode.DOSE_STANDARD_MAX), "dose.starting: over dose.standard_max"),
        (value(LimitCode.DOSE_STANDARD_MAX) <= value(LimitCode.DOSE_HARD_MAX), "dose.standard_max: over dose.hard_max"),
        (len({limit.unit for limit in definition.limits if limit.code in _SAME_DOSE_UNIT}) == 1, "dose.*: one unit"),
        (all(limit.value >= 0 for limit in definition.limits), "no limit is negative"),
        (
            all(limit.value % 1 == 0 for limit in definition.limits if limit.unit in _WHOLE_UNITS),
            "years, days, minutes and sessions: whole numbers",
        ),
    )
    return [fault for holds, fault in rules if not holds]
