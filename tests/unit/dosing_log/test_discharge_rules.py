"""Discharge on both sides of each of its limits."""

from datetime import timedelta
from typing import Any

import pytest

from services.dosing_log.domain.assessments import score
from services.dosing_log.domain.contents import Instrument, Phase
from services.dosing_log.domain.discharge import DischargeCase, readiness
from services.dosing_log.domain.rules.case import Taken
from tests.unit.dosing_log.dose_cases import INTRAVENOUS, NOW, limit, q, vitals, with_limits
from tests.unit.dosing_log.test_given_rules import administration

SECOND = timedelta(seconds=1)
END = NOW + timedelta(hours=2)


def at_discharge(**changes: Any) -> tuple[Any, Any]:
    return (vitals(Phase.DISCHARGE, **changes), END - timedelta(minutes=5))


def discharge(*newest: Any, **changes: Any) -> DischargeCase:
    found = newest or (at_discharge(),)
    return DischargeCase(
        **{
            "now": END,
            "protocol": INTRAVENOUS,
            "administrations": (administration(),),
            "vitals": (*found, (vitals(), NOW - timedelta(minutes=10))),
            "assessments": (Taken(score(Instrument.DISCHARGE_SCORE, [9]), END - timedelta(minutes=5)),),
            "escort_arranged": True,
            **changes,
        }
    )


def missing(case: DischargeCase) -> list[str]:
    return [condition.code for condition in readiness(case).conditions if not condition.met]


def with_score(value: int, minutes_before: int = 5) -> tuple[Taken, ...]:
    return (Taken(score(Instrument.DISCHARGE_SCORE, [value]), END - timedelta(minutes=minutes_before)),)


@pytest.mark.parametrize(
    ("case", "codes"),
    [
        (discharge(), []),
        (discharge(now=END - SECOND), ["OBSERVATION_TIME"]),
        (discharge(protocol=with_limits(INTRAVENOUS, limit("observation.minimum", 121, "min"))), ["OBSERVATION_TIME"]),
        (discharge(now=END + timedelta(minutes=25)), []),
        (discharge(now=END + timedelta(minutes=25) + SECOND), ["DISCHARGE_VITALS"]),
        (discharge((vitals(Phase.AFTER), END)), ["DISCHARGE_VITALS"]),
        (discharge(at_discharge(moaa_s=4)), ["ALERTNESS"]),
        (discharge(at_discharge(dissociation=True)), ["DISSOCIATION"]),
        (discharge(at_discharge(oxygen_saturation=q(92, "%"))), []),
        (discharge(at_discharge(oxygen_saturation=q(91, "%"))), ["OXYGEN_SATURATION"]),
        (discharge(at_discharge(systolic=q(144, "mm[Hg]"))), []),
        (discharge(at_discharge(systolic=q(145, "mm[Hg]"))), ["SYSTOLIC_NEAR_BASELINE"]),
        (discharge(at_discharge(systolic=q(96, "mm[Hg]"))), []),
        (discharge(at_discharge(systolic=q(95, "mm[Hg]"))), ["SYSTOLIC_NEAR_BASELINE"]),
        (discharge(at_discharge(systolic=q(161, "mm[Hg]"))), ["SYSTOLIC_PRESSURE", "SYSTOLIC_NEAR_BASELINE"]),
        (discharge(assessments=with_score(8)), ["DISCHARGE_SCORE"]),
        (discharge(assessments=()), ["DISCHARGE_SCORE"]),
        (discharge(assessments=with_score(10, minutes_before=121)), ["DISCHARGE_SCORE"]),
        (discharge(escort_arranged=False), ["ESCORT"]),
        (discharge(administrations=()), ["DOSE_GIVEN"]),
    ],
)
def test_what_discharge_misses(case, codes):
    assert missing(case) == codes
    assert readiness(case).ready == (not codes)


def test_a_saturation_as_low_as_before_the_dose_is_enough():
    low = discharge(
        at_discharge(oxygen_saturation=q(90, "%")),
        vitals=(
            at_discharge(oxygen_saturation=q(90, "%")),
            (vitals(oxygen_saturation=q(90, "%")), NOW - timedelta(minutes=10)),
        ),
    )
    assert missing(low) == []


def test_observation_counts_from_the_last_dose():
    second = administration(start_time=NOW + timedelta(minutes=30))
    case = discharge(administrations=(administration(), second))
    assert readiness(case).observation_end_time == END + timedelta(minutes=30)
    assert "OBSERVATION_TIME" in missing(case)
