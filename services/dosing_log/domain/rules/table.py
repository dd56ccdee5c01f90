"""Every rule of a dose, in one table.

H is hard: refused. S is soft: refused without a second person's override. W is a warning. D judges a dose that was
given. Numbers follow the clinical reference. Not here, since nothing that is recorded can decide them: the floor of S1
(the interval is hard), S14 before the dose, W5 to W11. H14, H15 and H17 hold elsewhere: discharge, versions, amounts.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from services.dosing_log.domain.records import Severity
from services.dosing_log.domain.rules import condition, course, dose, given, lot
from services.dosing_log.domain.rules.case import DoseCase
from services.dosing_log.domain.rules.given import GivenCase
from services.dosing_log.domain.rules.rule import Breach, Rule

Case = TypeVar("Case")
Judge = Callable[[Case], Iterable[Breach]]

_DEFAULT = "project default"
_KETAMINE = "ketamine injection label"
_SPRAVATO = "SPRAVATO label"


def _hard(
    code: str, title: str, judge: Judge[Case], *limits: str, source: str = _DEFAULT, of_fact: bool = False
) -> Rule[Case]:
    return Rule(code, Severity.HARD, title, source, judge, limits, of_fact)


def _soft(
    code: str, title: str, judge: Judge[Case], *limits: str, source: str = _DEFAULT, of_fact: bool = False
) -> Rule[Case]:
    return Rule(code, Severity.SOFT, title, source, judge, limits, of_fact)


def _warning(code: str, title: str, judge: Judge[Case], *limits: str, source: str = _DEFAULT) -> Rule[Case]:
    return Rule(code, Severity.WARNING, title, source, judge, limits)


DOSE_RULES: tuple[Rule[DoseCase], ...] = (
    _hard(
        "H1",
        "Dose within the protocol's highest",
        dose.above_hard_maximum,
        "dose.hard_max",
        "dose.absolute_cap",
        of_fact=True,
    ),
    _hard("H1", "Dose divisible as the product is", dose.not_a_multiple, "dose.multiple_of", of_fact=True),
    _hard("H1", "Infusion not far too fast", dose.infusion_far_too_fast, "infusion.duration.hard_min", of_fact=True),
    _hard("H2", "No absolute contraindication", course.absolute_contraindication, source=_SPRAVATO),
    _hard("H3", "Adult", course.under_age, "age.minimum", of_fact=True),
    _hard("H4", "Active signed order for this drug, route, protocol and course", course.no_order),
    _hard("H4", "Dose as ordered", dose.far_from_order, "dose.tolerance.hard"),
    _hard("H5", "Consent valid", course.no_consent),
    _hard("H6", "Identity confirmed by two identifiers", condition.identity_not_confirmed),
    _hard("H7", "Recent vital signs", condition.vitals_missing, "vitals.validity"),
    _hard(
        "H7",
        "Vital signs allow a dose",
        condition.vitals_forbid,
        "bp.systolic.hard_max",
        "bp.diastolic.hard_max",
        "spo2.hard_min",
        "respiratory_rate.hard_min",
        "respiratory_rate.hard_max",
        "heart_rate.hard_max",
        source="MOAA/S 5: responds readily to name",
    ),
    _hard("H8", "Lot fit for use", lot.lot_unfit, source="21 CFR 1304.21: records of each lot", of_fact=True),
    _hard("H8", "Lot has enough", lot.lot_short, source="21 CFR 1304.21: complete and accurate record", of_fact=True),
    _hard("H9", "Diluted for a vein", dose.undiluted, source=_KETAMINE, of_fact=True),
    _hard("H10", "Given by a credentialed person", course.uncertified, of_fact=True),
    _hard("H11", "At most 84 mg of esketamine a session", dose.above_device_maximum, source=_SPRAVATO, of_fact=True),
    _hard(
        "H12",
        "Seven clinic-local days between doses",
        course.too_early,
        source=f"{_DEFAULT}: 7 clinic-local days",
        of_fact=True,
    ),
    _hard("H12", "No other session open", course.other_session_open),
    _hard(
        "H13", "No unresolved risk of suicide", condition.suicide_risk, source="Columbia protocol triage; PHQ-9 item 9"
    ),
    _hard("H16", "Course not over", course.course_is_over, "course.sessions.maximum", of_fact=True),
    _hard("D8", "Session stands", course.session_cancelled),
    _soft("S1", "The protocol's interval", course.earlier_than_protocol, "interval.minimum", of_fact=True),
    _soft(
        "S2",
        "Usual dose, small steps, low start",
        dose.above_standard_maximum,
        "dose.standard_max",
        "dose.max_step",
        "dose.starting",
        of_fact=True,
    ),
    _soft(
        "S3",
        "Blood pressure not raised",
        condition.pressure_raised,
        "bp.systolic.soft_max",
        "bp.systolic.soft_max_over_65",
        "bp.diastolic.soft_max",
        source=_SPRAVATO,
    ),
    _soft(
        "S4",
        "Usual heart rate and saturation",
        condition.rate_or_saturation_unusual,
        "heart_rate.soft_min",
        "heart_rate.soft_max",
        "spo2.soft_min",
    ),
    _soft(
        "S5",
        "Improvement by the review point",
        course.no_progress,
        "course.review_after",
        source="Transl Psychiatry 2024, s41398-024-03027-2",
    ),
    _soft("S7", "No interacting medicine today", condition.interacting_medicine, source=_KETAMINE),
    _soft("S8", "Fasting", condition.not_fasting, "fasting.food", "fasting.fluid", source=_KETAMINE),
    _soft("S9", "Infusion not fast", dose.infusion_fast, "infusion.duration.soft_min", of_fact=True),
    _soft("S10", "Order renewed beyond the plan", course.beyond_plan, "course.sessions.planned"),
    _soft("S11", "Weight recent and steady", course.weight_is_old, "weight.validity"),
    _soft("S12", "Dose close to the order", dose.differs_from_order, "dose.tolerance.soft"),
    _soft("S13", "Labelled dose", dose.single_device, source=_SPRAVATO),
    _warning(
        "S6",
        "Accepted relative contraindication",
        course.accepted_contraindication,
        source="accepted by a second person at the course's activation",
    ),
    _warning("W1", "First sessions", course.early_session, source="Yale series of 2,342 infusions"),
    _warning("W2", "Older patient", course.old_age, source=_SPRAVATO),
    _warning("W3", "Recent PHQ-9", course.old_phq_9, "assessment.phq9.validity"),
    _warning("W4", "Lot far from expiry", lot.lot_expires_soon),
    _warning("W12", "Limits with a source", course.weak_sources),
)

GIVEN_RULES: tuple[Rule[GivenCase], ...] = (
    _hard("D1", "Authorized", given.not_authorized),
    _hard("D2", "While the authorization was valid", given.out_of_time, "authorization.validity"),
    _hard("D3", "One dose for each authorization", given.used_before),
    _hard("D4", "As authorized", given.otherwise),
    _warning("D5", "All of it given", given.less_than_authorized),
    _soft("D6", "Supervised by another", given.own_supervisor),
)
