"""Rules on the amount of a dose and how fast it is given."""

from collections.abc import Iterator
from decimal import Decimal

from services.dosing_log.domain.amounts import EXACT, MG_PER_ML, total
from services.dosing_log.domain.protocols import Limit
from services.dosing_log.domain.rules.case import DoseCase
from services.dosing_log.domain.rules.rule import Breach
from services.dosing_log.domain.values import Route, Substance, minutes, plain

UNDILUTED_MAXIMUM_MG_PER_ML = Decimal(100)
SPRAVATO_SESSION_MAXIMUM_MG = Decimal(84)
SPRAVATO_DEVICE_MG = Decimal(28)


def mg(amount: Decimal) -> str:
    """Return an amount as text with its unit."""
    return f"{plain(amount)} mg"


def _above(case: DoseCase, code: str) -> Iterator[Breach]:
    limit = case.limit(code)
    if limit is None:
        return
    limit_mg = case.limit_mg(limit)
    if limit_mg is None:
        yield Breach("The limit is per body weight: record the weight, then ask again", limit=limit)
    elif case.dose_mg > limit_mg:
        yield Breach(f"The dose is above {_as_mg(limit, limit_mg)}; lower it", mg(case.dose_mg), limit)


def _as_mg(limit: Limit, limit_mg: Decimal) -> str:
    return mg(limit_mg) if limit.value.unit == "mg" else f"{limit.value}, which is {mg(limit_mg)} here"


def above_hard_maximum(case: DoseCase) -> Iterator[Breach]:
    """H1: above what the protocol ever allows, per weight or in all."""
    if case.dose_mg <= 0:
        yield Breach("The dose is not above zero", mg(case.dose_mg))
    if case.limit("dose.hard_max") is None and case.limit("dose.absolute_cap") is None:
        yield Breach("The protocol states no highest dose; install a version that does")
    yield from _above(case, "dose.hard_max")
    yield from _above(case, "dose.absolute_cap")


def not_a_multiple(case: DoseCase) -> Iterator[Breach]:
    """H1: not a whole number of units of the product."""
    limit = case.limit("dose.multiple_of")
    if limit is not None and EXACT.remainder(case.dose_mg, limit.value.value) != 0:
        yield Breach("The product cannot be divided to this dose; choose a multiple", mg(case.dose_mg), limit)


def infusion_far_too_fast(case: DoseCase) -> Iterator[Breach]:
    """H1: an infusion that is far too short, or whose duration is not stated."""
    limit = case.limit("infusion.duration.hard_min")
    if case.route != Route.INTRAVENOUS or limit is None:
        return
    if case.duration is None:
        yield Breach("State the duration of the infusion", limit=limit)
    elif case.duration < minutes(limit.value.value):
        yield Breach("The infusion is far too short; give it more slowly", f"{case.duration}", limit)


def infusion_fast(case: DoseCase) -> Iterator[Breach]:
    """S9: an infusion shorter than usual."""
    hard, soft = case.limit("infusion.duration.hard_min"), case.limit("infusion.duration.soft_min")
    if case.route != Route.INTRAVENOUS or soft is None or case.duration is None:
        return
    if case.duration < minutes(soft.value.value) and not (hard and case.duration < minutes(hard.value.value)):
        yield Breach("The infusion is shorter than usual; give it more slowly", f"{case.duration}", soft)


def above_standard_maximum(case: DoseCase) -> Iterator[Breach]:
    """S2: above the usual highest dose, a step too large, or a first dose above the starting dose."""
    standard, hard = case.limit("dose.standard_max"), case.limit("dose.hard_max")
    if standard is not None:
        standard_mg = case.limit_mg(standard)
        hard_mg = case.limit_mg(hard) if hard is not None else None
        if standard_mg is not None and case.dose_mg > standard_mg and not (hard_mg and case.dose_mg > hard_mg):
            yield Breach("The dose is above the usual maximum; lower it", mg(case.dose_mg), standard)
    yield from _first_dose(case)
    yield from _step(case)


def _first_dose(case: DoseCase) -> Iterator[Breach]:
    limit = case.limit("dose.starting")
    limit_mg = case.limit_mg(limit) if limit is not None else None
    if not case.course_doses() and limit_mg is not None and case.dose_mg > limit_mg:
        yield Breach("The course's first dose is above the starting dose; lower it", mg(case.dose_mg), limit)


def _step(case: DoseCase) -> Iterator[Breach]:
    limit = case.limit("dose.max_step")
    limit_mg = case.limit_mg(limit) if limit is not None else None
    earlier = case.course_doses()
    if not earlier or limit_mg is None:
        return
    step = EXACT.subtract(case.dose_mg, earlier[0].given_mg)
    if step > limit_mg:
        yield Breach("The step up from the dose before is too large; lower the dose", mg(step), limit)


def _beyond_tolerance(case: DoseCase, limit: Limit | None) -> bool:
    if case.order is None or limit is None:
        return False
    ordered = case.order.order.dose.value
    difference = abs(EXACT.subtract(case.dose_mg, ordered))
    return EXACT.multiply(difference, Decimal(100)) > EXACT.multiply(limit.value.value, ordered)


def far_from_order(case: DoseCase) -> Iterator[Breach]:
    """H4: a dose that is not the one ordered."""
    limit = case.limit("dose.tolerance.hard")
    if _beyond_tolerance(case, limit):
        yield Breach("The dose differs too much from the order; give what is ordered", mg(case.dose_mg), limit)


def differs_from_order(case: DoseCase) -> Iterator[Breach]:
    """S12: a dose that differs somewhat from the one ordered."""
    limit = case.limit("dose.tolerance.soft")
    if _beyond_tolerance(case, limit) and not _beyond_tolerance(case, case.limit("dose.tolerance.hard")):
        yield Breach("The dose differs from the order; give what is ordered", mg(case.dose_mg), limit)


def undiluted(case: DoseCase) -> Iterator[Breach]:
    """H9: 100 mg/mL ketamine into a vein without dilution."""
    strength = case.lot.lot.strength
    if (
        case.route == Route.INTRAVENOUS
        and case.substance == Substance.KETAMINE
        and strength.unit == MG_PER_ML
        and strength.value >= UNDILUTED_MAXIMUM_MG_PER_ML
        and not case.diluted
    ):
        yield Breach("This strength must not go into a vein undiluted; dilute it and say so", str(strength))


def above_device_maximum(case: DoseCase) -> Iterator[Breach]:
    """H11: more than 84 mg of nasal esketamine in one session."""
    in_session = total(d.given_mg for d in case.doses if d.session_id == case.session.session_id)
    amount = EXACT.add(in_session, case.dose_mg)
    if case.substance == Substance.ESKETAMINE and amount > SPRAVATO_SESSION_MAXIMUM_MG:
        yield Breach("More than 84 mg of esketamine in one session; lower the dose", mg(amount))


def single_device(case: DoseCase) -> Iterator[Breach]:
    """S13: 28 mg of nasal esketamine, which the label does not have for this age and use."""
    if case.substance == Substance.ESKETAMINE and case.dose_mg == SPRAVATO_DEVICE_MG:
        yield Breach("28 mg is not a labelled dose; give 56 or 84 mg", mg(case.dose_mg))
