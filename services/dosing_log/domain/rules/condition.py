"""Rules on the patient's condition just before the dose: checks, vital signs, risk of suicide."""

from collections.abc import Iterator
from datetime import timedelta

from services.dosing_log.domain.assessments import HIGH_RISK, PHQ_9_SELF_HARM_ITEM
from services.dosing_log.domain.contents import Instrument
from services.dosing_log.domain.protocols import Limit
from services.dosing_log.domain.rules.case import DoseCase
from services.dosing_log.domain.rules.rule import Breach
from services.dosing_log.domain.values import Quantity, minutes

_ALERT = 5
_OLDER = 65


def identity_not_confirmed(case: DoseCase) -> Iterator[Breach]:
    """H6: identity not confirmed with two identifiers in this session."""
    if case.check is None:
        yield Breach("Confirm the patient's identity with two identifiers and record the check")


def vitals_missing(case: DoseCase) -> Iterator[Breach]:
    """H7: no vital signs from before the dose, or too old."""
    found, limit = case.vitals_before(), case.limit("vitals.validity")
    if found is None:
        yield Breach("Record vital signs before the dose", limit=limit)
    elif limit is not None and case.at - found[1] > minutes(limit.value.value):
        yield Breach("The vital signs are too old; take them again", limit=limit)


def vitals_forbid(case: DoseCase) -> Iterator[Breach]:
    """H7: vital signs at which no dose is given."""
    found = case.vitals_before()
    if found is None:
        return
    vitals = found[0]
    yield from _at_or_above(case, "systolic pressure", vitals.systolic, "bp.systolic.hard_max")
    yield from _at_or_above(case, "diastolic pressure", vitals.diastolic, "bp.diastolic.hard_max")
    yield from _below(case, "oxygen saturation", vitals.oxygen_saturation, "spo2.hard_min")
    yield from _below(case, "respiratory rate", vitals.respiratory_rate, "respiratory_rate.hard_min")
    yield from _above(case, "respiratory rate", vitals.respiratory_rate, "respiratory_rate.hard_max")
    yield from _above(case, "heart rate", vitals.heart_rate, "heart_rate.hard_max")
    if vitals.moaa_s < _ALERT:
        yield Breach("The patient is sedated before the dose (MOAA/S under 5); wait", str(vitals.moaa_s))


def pressure_raised(case: DoseCase) -> Iterator[Breach]:
    """S3: a raised blood pressure before the dose; the systolic limit is higher over 65."""
    found = case.vitals_before()
    if found is None:
        return
    vitals = found[0]
    older = case.course.age_on(case.today) > _OLDER
    systolic = "bp.systolic.soft_max_over_65" if older else "bp.systolic.soft_max"
    if not any(_at_or_above(case, "", vitals.systolic, "bp.systolic.hard_max")):
        yield from _above(case, "systolic pressure", vitals.systolic, systolic)
    if not any(_at_or_above(case, "", vitals.diastolic, "bp.diastolic.hard_max")):
        yield from _above(case, "diastolic pressure", vitals.diastolic, "bp.diastolic.soft_max")


def rate_or_saturation_unusual(case: DoseCase) -> Iterator[Breach]:
    """S4: an unusual heart rate or a somewhat low saturation."""
    found = case.vitals_before()
    if found is None:
        return
    vitals = found[0]
    yield from _below(case, "heart rate", vitals.heart_rate, "heart_rate.soft_min")
    if not any(_above(case, "", vitals.heart_rate, "heart_rate.hard_max")):
        yield from _above(case, "heart rate", vitals.heart_rate, "heart_rate.soft_max")
    if not any(_below(case, "", vitals.oxygen_saturation, "spo2.hard_min")):
        yield from _below(case, "oxygen saturation", vitals.oxygen_saturation, "spo2.soft_min")


def _above(case: DoseCase, what: str, found: Quantity, code: str) -> Iterator[Breach]:
    limit = case.limit(code)
    if limit is not None and found.value > limit.value.value:
        yield _outside(what, found, limit)


def _at_or_above(case: DoseCase, what: str, found: Quantity, code: str) -> Iterator[Breach]:
    limit = case.limit(code)
    if limit is not None and found.value >= limit.value.value:
        yield _outside(what, found, limit)


def _below(case: DoseCase, what: str, found: Quantity, code: str) -> Iterator[Breach]:
    limit = case.limit(code)
    if limit is not None and found.value < limit.value.value:
        yield _outside(what, found, limit)


def _outside(what: str, found: Quantity, limit: Limit) -> Breach:
    return Breach(f"The {what} is outside the limit; wait and measure again", str(found), limit)


def interacting_medicine(case: DoseCase) -> Iterator[Breach]:
    """S7: a medicine of today that interacts."""
    for interaction in case.check.interactions if case.check is not None else ():
        yield Breach("A medicine of today interacts with ketamine", interaction.value)


def not_fasting(case: DoseCase) -> Iterator[Breach]:
    """S8: ate or drank too recently."""
    if case.check is None:
        return
    for what, last, code in (
        ("ate", case.check.last_food_time, "fasting.food"),
        ("drank", case.check.last_fluid_time, "fasting.fluid"),
    ):
        limit = case.limit(code)
        if limit is not None and case.at - last < _duration(limit):
            yield Breach(f"The patient {what} too recently; wait", limit=limit)


def _duration(limit: Limit) -> timedelta:
    return minutes(limit.value.value * (60 if limit.value.unit == "h" else 1))


def suicide_risk(case: DoseCase) -> Iterator[Breach]:
    """H13: the newest C-SSRS is high, or PHQ-9 item 9 was positive and no C-SSRS was taken that day or since."""
    c_ssrs, phq_9 = case.latest(Instrument.C_SSRS), case.latest(Instrument.PHQ_9)
    if c_ssrs is not None and c_ssrs.assessment.band == HIGH_RISK:
        yield Breach("C-SSRS shows a high risk of suicide; the prescriber must assess the patient", HIGH_RISK)
    if phq_9 is None or not phq_9.assessment.items[PHQ_9_SELF_HARM_ITEM]:
        return
    asked_on = case.session.local_date(phq_9.time)
    if c_ssrs is None or case.session.local_date(c_ssrs.time) < asked_on:
        yield Breach("PHQ-9 item 9 is above 0; take a C-SSRS the same day")
