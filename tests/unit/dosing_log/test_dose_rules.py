"""Every rule of a dose on both sides of its limit, and on it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dosing_log.domain.contents import Interaction
from services.dosing_log.domain.protocols import Mark
from services.dosing_log.domain.records import Severity
from services.dosing_log.domain.rules.case import Weighing
from services.dosing_log.domain.rules.rule import evaluate
from services.dosing_log.domain.rules.table import DOSE_RULES, GIVEN_RULES
from services.dosing_log.domain.stock import LotOnHand
from services.dosing_log.domain.values import Route, Substance
from tests.unit.dosing_log.dose_cases import (
    INTRAVENOUS,
    NOW,
    NURSE,
    c_ssrs,
    case,
    check,
    course,
    limit,
    lot,
    order,
    past_dose,
    phq_9,
    q,
    refusing,
    session,
    vitals,
    warnings,
    weekly,
    with_limits,
)

SECOND = timedelta(seconds=1)


def dosed(dose: str, **changes):
    """A dose as ordered, after earlier ones of 35 mg."""
    return case(dose_mg=Decimal(dose), **{"order": order(dose), "doses": weekly(1, "50"), **changes})


def measured(**changes):
    return case(vitals=((vitals(**changes), NOW - timedelta(minutes=10)),))


def from_lot(balance: str = "500", **changes):
    return case(lot=LotOnHand(lot(**changes), 1, Decimal(balance)))


def test_the_plain_case_is_not_refused():
    assert refusing(case()) == []


@pytest.mark.parametrize(
    ("judged", "codes"),
    [
        # H1, S2: 70 kg; standard 0.75 mg/kg is 52.5 mg, hard 1 mg/kg is 70 mg
        (dosed("52.5"), []),
        (dosed("52.500001"), ["S2"]),
        (dosed("67"), ["S2"]),
        (dosed("70", doses=weekly(1, "60")), ["S2"]),
        (dosed("70.000001", doses=weekly(1, "60")), ["H1"]),
        (case(dose_mg=Decimal(0)), ["H1", "H4"]),
        # absolute cap, whatever the weight
        (dosed("100", weighings=(Weighing(Decimal(150), NOW),), doses=weekly(1, "90")), []),
        (dosed("100.000001", weighings=(Weighing(Decimal(150), NOW),), doses=weekly(1, "90")), ["H1"]),
        # a limit per weight needs a weight
        (case(weighings=()), ["H1"]),
        # first dose of the course: 0.5 mg/kg is 35 mg
        (dosed("35", doses=()), []),
        (dosed("35.000001", doses=()), ["S2"]),
        # step of at most 0.25 mg/kg, 17.5 mg
        (dosed("52.5", doses=weekly(1, "35")), []),
        (dosed("52.5", doses=weekly(1, "34.999999")), ["S2"]),
        # infusion: 20 min hard, 40 min soft
        (case(duration=timedelta(minutes=40)), []),
        (case(duration=timedelta(minutes=40) - SECOND), ["S9"]),
        (case(duration=timedelta(minutes=20)), ["S9"]),
        (case(duration=timedelta(minutes=20) - SECOND), ["H1"]),
        (case(duration=None), ["H1"]),
        # S12, H4: 5 % and 10 % from an order of 35 mg
        (dosed("36.75", order=order("35")), []),
        (dosed("36.750001", order=order("35")), ["S12"]),
        (dosed("33.25", order=order("35")), []),
        (dosed("33.249999", order=order("35")), ["S12"]),
        (dosed("38.5", order=order("35")), ["S12"]),
        (dosed("38.500001", order=order("35")), ["H4"]),
    ],
)
def test_amount_and_rate(judged, codes):
    assert refusing(judged) == codes


@pytest.mark.parametrize(
    ("judged", "codes"),
    [
        (case(course=course(contraindications=("HYPERSENSITIVITY",))), ["H2"]),
        (case(course=course(adult_date=date(2026, 3, 10))), []),
        (case(course=course(adult_date=date(2026, 3, 11))), ["H3"]),
        (case(order=None), ["H4"]),
        (case(order=replace(order(), signed=False)), ["H4"]),
        (case(order=order(expire_date=date(2026, 3, 10))), []),
        (case(order=order(expire_date=date(2026, 3, 9))), ["H4"]),
        (case(order=order(course_id=UUID(int=77), route=Route.NASAL)), ["H4", "H4"]),
        (case(order=order(protocol_id=UUID(int=77))), ["H4"]),
        (case(order=order(substance=Substance.ESKETAMINE)), ["H4"]),
        (case(course=course(consent_expire_date=date(2026, 3, 10))), []),
        (case(course=course(consent_expire_date=date(2026, 3, 9))), ["H5"]),
        (case(check=check(consent_confirmed=False)), ["H5"]),
        (case(check=None), ["H6"]),
        (case(actor=replace(NURSE, credential="")), ["H10"]),
        (case(session=session(cancelled=True)), ["D8"]),
        (case(doses=weekly(11)), []),
        (case(doses=weekly(12)), ["H16"]),
        (case(doses=weekly(6)), []),
        (case(doses=weekly(6), order=replace(order(), event_time=NOW - timedelta(days=8))), ["S10"]),
        (case(doses=weekly(5), order=replace(order(), event_time=NOW - timedelta(days=8))), []),
    ],
)
def test_course_order_and_consent(judged, codes):
    assert refusing(judged) == codes


@pytest.mark.parametrize(
    ("judged", "codes"),
    [
        (case(vitals=()), ["H7"]),
        (case(vitals=((vitals(), NOW - timedelta(minutes=30)),)), []),
        (case(vitals=((vitals(), NOW - timedelta(minutes=30, seconds=1)),)), ["H7"]),
        (measured(systolic=q(140, "mm[Hg]")), []),
        (measured(systolic=q(141, "mm[Hg]")), ["S3"]),
        (measured(systolic=q(179, "mm[Hg]")), ["S3"]),
        (measured(systolic=q(180, "mm[Hg]")), ["H7"]),
        (measured(diastolic=q(90, "mm[Hg]")), []),
        (measured(diastolic=q(91, "mm[Hg]")), ["S3"]),
        (measured(diastolic=q(110, "mm[Hg]")), ["H7"]),
        (measured(heart_rate=q(50, "/min")), []),
        (measured(heart_rate=q(49, "/min")), ["S4"]),
        (measured(heart_rate=q(110, "/min")), []),
        (measured(heart_rate=q(111, "/min")), ["S4"]),
        (measured(heart_rate=q(150, "/min")), ["S4"]),
        (measured(heart_rate=q(151, "/min")), ["H7"]),
        (measured(respiratory_rate=q(10, "/min")), []),
        (measured(respiratory_rate=q(9, "/min")), ["H7"]),
        (measured(respiratory_rate=q(30, "/min")), []),
        (measured(respiratory_rate=q(31, "/min")), ["H7"]),
        (measured(oxygen_saturation=q(95, "%")), []),
        (measured(oxygen_saturation=q(94, "%")), ["S4"]),
        (measured(oxygen_saturation=q(92, "%")), ["S4"]),
        (measured(oxygen_saturation=q("91.9", "%")), ["H7"]),
        (measured(moaa_s=4), ["H7"]),
        (case(check=check(interactions=(Interaction.OPIOID, Interaction.STIMULANT))), ["S7", "S7"]),
        (case(check=check(last_food_time=NOW - timedelta(hours=6))), []),
        (case(check=check(last_food_time=NOW - timedelta(hours=6) + SECOND)), ["S8"]),
        (case(check=check(last_fluid_time=NOW - timedelta(hours=2))), []),
        (case(check=check(last_fluid_time=NOW - timedelta(hours=2) + SECOND)), ["S8"]),
    ],
)
def test_condition_before_the_dose(judged, codes):
    assert refusing(judged) == codes


def test_the_systolic_limit_is_higher_over_65():
    raised = ((vitals(systolic=q(150, "mm[Hg]")), NOW),)
    assert refusing(case(vitals=raised, course=course(adult_date=date(1978, 3, 10)))) == []  # 66 today
    assert refusing(case(vitals=raised, course=course(adult_date=date(1978, 3, 11)))) == ["S3"]  # 66 tomorrow
    higher = ((vitals(systolic=q(151, "mm[Hg]")), NOW),)
    assert refusing(case(vitals=higher, course=course(adult_date=date(1978, 3, 10)))) == ["S3"]


@pytest.mark.parametrize(
    ("assessments", "codes"),
    [
        ((phq_9(item_9=1),), ["H13"]),
        ((phq_9(item_9=1), c_ssrs(1)), []),
        ((phq_9(item_9=1), c_ssrs(1, days_ago=1)), ["H13"]),
        ((phq_9(item_9=1, days_ago=2), c_ssrs(1, days_ago=1)), []),
        ((phq_9(), c_ssrs(1, 2, 3)), []),
        ((phq_9(), c_ssrs(4)), ["H13"]),
        ((phq_9(), c_ssrs(5)), ["H13"]),
        ((phq_9(), c_ssrs(6)), []),
        ((phq_9(), c_ssrs(6, 7)), ["H13"]),
        ((phq_9(), c_ssrs(), c_ssrs(5, days_ago=3)), []),
    ],
)
def test_risk_of_suicide(assessments, codes):
    assert refusing(case(assessments=assessments)) == codes


@pytest.mark.parametrize(
    ("totals", "given_doses", "codes"),
    [
        ((16, 20), 3, []),  # 20 % better
        ((17, 20), 3, ["S5"]),
        ((17, 20), 2, []),
        ((20, 16), 0, []),
        ((21, 16), 0, ["S5"]),
        ((0, 0), 3, []),
    ],
)
def test_progress_at_the_review_point(totals, given_doses, codes):
    taken = tuple(phq_9(total=total, days_ago=7 * age) for age, total in enumerate(totals))
    assert refusing(case(assessments=taken, doses=weekly(given_doses))) == codes


@pytest.mark.parametrize(
    ("judged", "codes"),
    [
        (from_lot(expire_date=date(2026, 3, 10)), []),
        (from_lot(expire_date=date(2026, 3, 9)), ["H8"]),
        (from_lot(substance=Substance.ESKETAMINE), ["H4", "H8"]),
        (from_lot(routes=(Route.INTRAMUSCULAR,)), ["H8"]),
        (from_lot(clinic_id=UUID(int=88)), ["H8"]),
        (from_lot("35"), []),
        (from_lot("34.999999"), ["H8"]),
        (from_lot(strength=q(100, "mg/mL")), ["H9"]),
        (from_lot(strength=q("99.9", "mg/mL")), []),
    ],
)
def test_lot(judged, codes):
    assert refusing(judged) == codes


def test_the_strongest_ketamine_may_go_into_a_vein_diluted():
    strong = LotOnHand(lot(strength=q(100, "mg/mL")), 1, Decimal(500))
    assert refusing(case(lot=strong, diluted=True)) == []


@pytest.mark.parametrize(
    ("last", "codes"),
    [
        # Tuesday 15:00 to the Tuesday before, over the start of summer time: seven local days, 167 hours
        (datetime(2026, 3, 3, 20, 0, tzinfo=UTC), []),
        # last minute of that Tuesday, first minute of the Wednesday, local time
        (datetime(2026, 3, 4, 4, 59, tzinfo=UTC), []),
        (datetime(2026, 3, 4, 5, 0, tzinfo=UTC), ["H12"]),
        (NOW - timedelta(hours=1), ["H12"]),
        # a later dose, when an earlier one is told late
        (NOW + timedelta(days=3), ["H12"]),
    ],
)
def test_seven_clinic_local_days_between_doses(last, codes):
    assert refusing(case(doses=(past_dose(last),))) == codes


def test_the_interval_counts_doses_of_every_course():
    other = past_dose(NOW - timedelta(days=6), course_id=UUID(int=66))
    assert refusing(case(doses=(other,))) == ["H12"]


@given(days=st.integers(0, 30), minutes=st.integers(0, 1439))
def test_the_interval_is_hard_exactly_under_seven_local_days(days, minutes):
    last = NOW - timedelta(days=days, minutes=minutes)
    local_days = (case().today - case().session.local_date(last)).days
    assert ("H12" in refusing(case(doses=(past_dose(last),)))) == (local_days < 7)


def test_a_protocol_may_ask_for_a_longer_interval_and_never_for_a_shorter():
    fortnightly = with_limits(INTRAVENOUS, limit("interval.minimum", 14, "d"))
    assert refusing(case(protocol=fortnightly, doses=(past_dose(NOW - timedelta(days=13)),))) == ["S1"]
    assert refusing(case(protocol=fortnightly, doses=(past_dose(NOW - timedelta(days=14)),))) == []
    daily = with_limits(INTRAVENOUS, limit("interval.minimum", 2, "d"))
    assert refusing(case(protocol=daily, doses=(past_dose(NOW - timedelta(days=6)),))) == ["H12"]


def test_another_session_that_is_still_open_refuses():
    assert refusing(case(doses=(past_dose(NOW - timedelta(days=7), departed=False),))) == ["H12"]


@pytest.mark.parametrize(
    ("weighings", "codes"),
    [
        ((Weighing(Decimal(70), NOW - timedelta(days=30)),), []),
        ((Weighing(Decimal(70), NOW - timedelta(days=30, seconds=1)),), ["S11"]),
        ((Weighing(Decimal(77), NOW), Weighing(Decimal(70), NOW - timedelta(days=7))), []),
        ((Weighing(Decimal("77.1"), NOW), Weighing(Decimal(70), NOW - timedelta(days=7))), ["S11"]),
    ],
)
def test_weight(weighings, codes):
    assert refusing(case(weighings=weighings)) == codes


def test_solid_and_device_doses():
    lozenge = with_limits(
        replace(INTRAVENOUS, route=Route.SUBLINGUAL),
        limit("dose.starting", 100, "mg"),
        limit("dose.standard_max", 300, "mg"),
        limit("dose.hard_max", 450, "mg"),
        limit("dose.absolute_cap", 450, "mg"),
        limit("dose.max_step", 100, "mg"),
        limit("dose.multiple_of", 50, "mg"),
    )
    held = {
        "protocol": lozenge,
        "route": Route.SUBLINGUAL,
        "duration": None,
        "weighings": (),
        "lot": LotOnHand(lot(routes=(Route.SUBLINGUAL,), strength=q(50, "mg")), 1, Decimal(500)),
    }
    assert refusing(case(dose_mg=Decimal(100), order=order("100", route=Route.SUBLINGUAL), **held)) == []
    assert refusing(case(dose_mg=Decimal(75), order=order("75", route=Route.SUBLINGUAL), **held)) == ["H1"]


@pytest.mark.parametrize(
    ("dose", "codes"), [("56", []), ("28", ["S13"]), ("84", []), ("112", ["H1", "H1", "H11", "S2"])]
)
def test_nasal_esketamine(dose, codes):
    spravato = with_limits(
        replace(INTRAVENOUS, substance=Substance.ESKETAMINE, route=Route.NASAL),
        limit("dose.starting", 84, "mg"),
        limit("dose.standard_max", 84, "mg"),
        limit("dose.hard_max", 84, "mg"),
        limit("dose.absolute_cap", 84, "mg"),
        limit("dose.multiple_of", 28, "mg"),
    )
    device = lot(substance=Substance.ESKETAMINE, routes=(Route.NASAL,), strength=q(28, "mg"))
    ordered = order(dose, substance=Substance.ESKETAMINE, route=Route.NASAL)
    judged = case(
        protocol=spravato,
        route=Route.NASAL,
        duration=None,
        dose_mg=Decimal(dose),
        order=ordered,
        lot=LotOnHand(device, 1, Decimal(500)),
    )
    assert refusing(judged) == codes


def test_a_protocol_without_a_highest_dose_refuses():
    silent = replace(INTRAVENOUS, limits=())
    assert refusing(case(protocol=silent)) == ["H1"]


def test_a_protocol_that_forgets_a_vital_limit_has_the_suites():
    assert INTRAVENOUS.limit("bp.systolic.hard_max") is not None
    assert refusing(measured(systolic=q(200, "mm[Hg]"))) == ["H7"]


def test_all_findings_come_together_the_farthest_reaching_first():
    bad = case(check=None, vitals=(), order=None, duration=timedelta(minutes=30), session=session(ordinal=1))
    found = evaluate(bad, DOSE_RULES)
    assert {finding.code for finding in found} >= {"H4", "H6", "H7", "S9", "W1"}
    reach = [list(Severity).index(finding.severity) for finding in found]
    assert reach == sorted(reach)
    assert all(finding.source for finding in found)


@pytest.mark.parametrize(
    ("judged", "code"),
    [
        (case(session=session(ordinal=3)), "W1"),
        (case(course=course(adult_date=date(1979, 3, 10))), "W2"),
        (case(assessments=()), "W3"),
        (case(assessments=(phq_9(days_ago=8),)), "W3"),
        (from_lot(expire_date=date(2026, 4, 8)), "W4"),
        (case(course=course(contraindications=("PREGNANCY",))), "S6"),
        (case(protocol=with_limits(INTRAVENOUS, replace(INTRAVENOUS.limits[0], mark=Mark.UNVERIFIED))), "W12"),
    ],
)
def test_warnings_do_not_refuse(judged, code):
    assert code in warnings(judged)
    assert refusing(judged) == []


def test_no_warning_just_outside_its_limit():
    assert warnings(case()) == []
    assert "W4" not in warnings(from_lot(expire_date=date(2026, 4, 9)))
    assert "W2" not in warnings(case(course=course(adult_date=date(1979, 3, 11))))


def test_the_table_is_well_formed():
    for rule in (*DOSE_RULES, *GIVEN_RULES):
        assert rule.title, rule.code
        assert rule.source, rule.code
        if rule.code[0] in "HW":
            assert rule.severity == {"H": Severity.HARD, "W": Severity.WARNING}[rule.code[0]]
