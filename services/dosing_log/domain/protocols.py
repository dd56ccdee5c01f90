"""Protocols of treatment: versioned limits, each with where it comes from."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.dosing_log.domain.values import Quantity, Route, Substance


class Mark(StrEnum):
    """How sure a limit's source is."""

    VERIFIED = "verified"
    SECONDARY = "secondary"
    UNVERIFIED = "unverified"
    PROJECT_DEFAULT = "project_default"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit with its source."""

    code: str
    value: Quantity
    source: str
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One immutable version of a protocol."""

    protocol_id: UUID
    code: str
    version: int
    title: str
    substance: Substance
    route: Route
    limits: tuple[Limit, ...]

    def limit(self, code: str) -> Limit | None:
        """Return the protocol's limit of that code, or the suite's where the protocol is silent, if there is one."""
        own = next((limit for limit in self.limits if limit.code == code), None)
        return own or SUITE_LIMITS.get(code)


def _suite(code: str, value: str, unit: str, source: str, mark: Mark = Mark.PROJECT_DEFAULT) -> tuple[str, Limit]:
    return code, Limit(code, Quantity(Decimal(value), unit), source, mark)


_ED = "emergency department contraindications to low-dose ketamine (PMC7081852, table 1)"

# A protocol that forgets one of these must not become a protocol without the limit.
SUITE_LIMITS = dict(
    [
        _suite("interval.minimum", "7", "d", "project default"),
        _suite("weight.validity", "30", "d", "project default"),
        _suite("assessment.phq9.validity", "7", "d", "project default"),
        _suite("vitals.validity", "30", "min", "project default"),
        _suite("authorization.validity", "30", "min", "project default"),
        _suite("observation.minimum", "120", "min", "SPRAVATO REMS, adopted for every route", Mark.VERIFIED),
        _suite("bp.systolic.soft_max", "140", "mm[Hg]", "SPRAVATO label", Mark.VERIFIED),
        _suite("bp.systolic.soft_max_over_65", "150", "mm[Hg]", "SPRAVATO phase 3 protocols", Mark.VERIFIED),
        _suite("bp.diastolic.soft_max", "90", "mm[Hg]", "SPRAVATO label", Mark.VERIFIED),
        _suite("bp.systolic.hard_max", "180", "mm[Hg]", "project default"),
        _suite("bp.diastolic.hard_max", "110", "mm[Hg]", "project default"),
        _suite("heart_rate.soft_min", "50", "/min", _ED, Mark.VERIFIED),
        _suite("heart_rate.soft_max", "110", "/min", "project default"),
        _suite("heart_rate.hard_max", "150", "/min", _ED, Mark.VERIFIED),
        _suite("respiratory_rate.hard_min", "10", "/min", _ED, Mark.VERIFIED),
        _suite("respiratory_rate.hard_max", "30", "/min", _ED, Mark.VERIFIED),
        _suite("spo2.soft_min", "95", "%", "project default"),
        _suite("spo2.hard_min", "92", "%", "pre-dose saturation, sedation guidance", Mark.VERIFIED),
        _suite("dose.tolerance.soft", "5", "%", "project default"),
        _suite("dose.tolerance.hard", "10", "%", "project default"),
        _suite("discharge.systolic_max", "160", "mm[Hg]", "project default"),
        _suite("discharge.systolic_from_baseline", "20", "%", "PADSS, vital signs", Mark.VERIFIED),
        _suite("discharge.score_min", "9", "{score}", "PADSS or Aldrete of 9 or more", Mark.VERIFIED),
        _suite("discharge.spo2_min", "92", "%", "modified Aldrete", Mark.VERIFIED),
        _suite("discharge.moaa_s", "5", "{score}", "MOAA/S 5: responds readily to name", Mark.VERIFIED),
    ]
)
