"""Amounts, scores, canonical JSON, differences and stock: exact for every input."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, Inexact
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.dosing_log.domain.amounts import EXACT, DrugAmount, UnitMismatchError, content_mg, mg_of, unaccounted_mg
from services.dosing_log.domain.assessments import ITEMS, score
from services.dosing_log.domain.canonical import from_json, to_json
from services.dosing_log.domain.contents import Instrument
from services.dosing_log.domain.differences import Difference, differences
from services.dosing_log.domain.records import Finding, RecordVersion, Severity, version_from_json, version_to_json
from services.dosing_log.domain.stock import LotOnHand, MovementKind, is_dea_number
from services.dosing_log.domain.values import Quantity, plain
from tests.unit.dosing_log.dose_cases import NOW, NURSE, check, course, lot, mg, order, phq_9, q, vitals
from tests.unit.dosing_log.test_given_rules import AUTHORIZATION, administration

amounts = st.decimals(0, 999_999, places=6, allow_nan=False, allow_infinity=False)


@given(milliliters=amounts, strength=amounts)
def test_milliliters_are_exactly_their_mg(milliliters, strength):
    converted = mg_of(Quantity(milliliters, "mL"), Quantity(strength, "mg/mL"))
    assert int(converted * 10**12) == int(milliliters * 10**6) * int(strength * 10**6)


@given(given_mg=amounts, wasted=amounts, returned=amounts)
def test_every_milligram_is_accounted_for(given_mg, wasted, returned):
    drawn = EXACT.add(EXACT.add(given_mg, wasted), returned)
    parts = {
        name: mg(plain(value)) for name, value in (("given", given_mg), ("wasted", wasted), ("returned", returned))
    }
    assert unaccounted_mg(drawn=mg(plain(drawn)), **parts) == 0
    more = mg(plain(EXACT.add(drawn, Decimal("0.000001"))))
    assert unaccounted_mg(drawn=more, **parts) == Decimal("0.000001")


def test_arithmetic_raises_instead_of_rounding():
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))


@pytest.mark.parametrize(
    ("told", "strength"), [(q(1, "mL"), q(50, "mg")), (q(1, "ug"), q(50, "mg/mL")), (q(1, "{unit}"), q(50, "mg"))]
)
def test_units_that_say_nothing_about_the_form_are_refused(told, strength):
    with pytest.raises(UnitMismatchError):
        DrugAmount.of(told, strength)


def test_content_of_a_lot():
    assert content_mg(10, q(20, "mL"), q(10, "mg/mL")) == 2000
    assert content_mg(4, q(30, "{unit}"), q(50, "mg")) == 6000
    with pytest.raises(UnitMismatchError):
        content_mg(1, q(20, "mL"), q(10, "mg"))


@given(items=st.lists(st.integers(0, 3), min_size=9, max_size=9))
def test_phq_9_is_the_sum_with_its_band(items):
    scored = score(Instrument.PHQ_9, items)
    assert scored.total == sum(items)
    bands = ["minimal"] * 5 + ["mild"] * 5 + ["moderate"] * 5 + ["moderately_severe"] * 5 + ["severe"] * 8
    assert scored.band == bands[sum(items)]


@given(items=st.lists(st.integers(0, 3), min_size=7, max_size=7))
def test_gad_7_is_the_sum_with_its_band(items):
    scored = score(Instrument.GAD_7, items)
    bands = ["minimal"] * 5 + ["mild"] * 5 + ["moderate"] * 5 + ["severe"] * 7
    assert (scored.total, scored.band) == (sum(items), bands[sum(items)])


@given(items=st.lists(st.integers(0, 1), min_size=6, max_size=6), recent=st.booleans())
def test_c_ssrs_is_the_highest_item_never_a_sum(items, recent):
    scored = score(Instrument.C_SSRS, [*items, int(recent and items[5] == 1)])
    assert scored.total == max((number for number in range(1, 7) if items[number - 1]), default=0)
    high = items[3] or items[4] or (recent and items[5])
    moderate = items[2] or items[5]
    low = items[0] or items[1]
    assert scored.band == ("high" if high else "moderate" if moderate else "low" if low else "none")


@pytest.mark.parametrize(
    ("instrument", "items"),
    [
        (Instrument.PHQ_9, [0] * 8),
        (Instrument.PHQ_9, [0] * 8 + [4]),
        (Instrument.PHQ_9, [-1] + [0] * 8),
        (Instrument.C_SSRS, [0, 0, 0, 0, 0, 0, 1]),
        (Instrument.C_SSRS, [2] + [0] * 6),
        (Instrument.DISCHARGE_SCORE, [11]),
    ],
)
def test_items_that_the_instrument_has_not_are_refused(instrument, items):
    assert instrument in ITEMS
    with pytest.raises(ValueError, match="item"):
        score(instrument, items)


CONTENTS = [order().order, check(), vitals(weight=q("70.5", "kg")), phq_9().assessment, AUTHORIZATION, administration()]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: type(content).__name__)
def test_a_version_comes_back_from_its_canonical_json(content):
    finding = Finding(code="H1", severity=Severity.HARD, description="d", value="1 mg", limit="2 mg", source="s")
    version = RecordVersion(
        record_id=UUID(int=1),
        version=2,
        session_id=UUID(int=2),
        patient_id=UUID(int=3),
        event_time=NOW,
        record_time=NOW + timedelta(microseconds=1),
        recorder=NURSE,
        amendment_reason="was wrong",
        content=content,
    ).judged((finding,))
    canonical = rfc8785.dumps(version_to_json(version))
    assert version_from_json(json.loads(canonical)) == version
    assert version.deviation


@given(value=st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12))
def test_a_decimal_has_one_text(value):
    text = plain(value)
    assert Decimal(text) == value
    assert plain(Decimal(text + ("0" if "." in text else ".0"))) == text
    assert "E" not in text


def test_a_float_has_no_canonical_form():
    with pytest.raises(TypeError):
        to_json({"a": 1.5})


def test_differences_name_the_fields():
    before = administration()
    after = replace(before, given=mg("34.5"), wasted=mg("15.5"), body_site="left arm")
    assert differences(before, after) == (
        Difference("body_site", "", "left arm"),
        Difference("given.mg", "35", "34.5"),
        Difference("given.value", "35", "34.5"),
        Difference("wasted.mg", "15", "15.5"),
        Difference("wasted.value", "15", "15.5"),
    )
    assert differences(before, before) == ()


@given(digits=st.lists(st.integers(0, 9), min_size=6, max_size=6), wrong=st.integers(1, 9))
def test_the_seventh_digit_of_a_dea_number_checks_the_others(digits, wrong):
    checked = (digits[0] + digits[2] + digits[4] + 2 * (digits[1] + digits[3] + digits[5])) % 10
    stem = "".join(map(str, digits))
    assert is_dea_number(f"AB{stem}{checked}")
    assert is_dea_number(f"A9{stem}{checked}")
    assert not is_dea_number(f"AB{stem}{(checked + wrong) % 10}")
    assert not is_dea_number(f"9B{stem}{checked}")


@given(wanted=st.lists(st.decimals(-50, 20, places=3, allow_nan=False, allow_infinity=False), max_size=30))
def test_balances_chain_and_never_fall_below_zero(wanted):
    on_hand = LotOnHand(lot(), 1, Decimal(100))
    for amount in wanted:
        movement = on_hand.after(
            amount,
            movement_id=UUID(int=1),
            kind=MovementKind.ADMINISTER,
            event_time=NOW,
            record_time=NOW,
            recorder=NURSE,
            record_id=None,
        )
        assert movement.balance_after_mg == on_hand.balance_mg + movement.amount_mg >= 0
        assert movement.amount_mg == amount or movement.balance_after_mg == 0
        on_hand = LotOnHand(on_hand.lot, movement.sequence_number, movement.balance_after_mg)


@given(born=st.dates(datetime(1930, 1, 1, tzinfo=UTC).date(), datetime(2000, 12, 31, tzinfo=UTC).date()))
def test_age_rises_on_the_birthday(born):
    adult = born.replace(year=born.year + 18, day=28 if (born.month, born.day) == (2, 29) else born.day)
    patient = course(adult_date=adult)
    birthday = adult.replace(year=2026)
    assert patient.age_on(birthday) == 2026 - adult.year + 18
    assert patient.age_on(birthday - timedelta(days=1)) == 2026 - adult.year + 17


def test_unknown_json_is_not_read_as_something_else():
    with pytest.raises(ValueError, match="'purple'"):
        from_json(Severity, "purple")
