"""Rules on a dose that was given."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.dosing_log.domain.contents import Administration, Authorization
from services.dosing_log.domain.rules.given import GivenCase, GrantedAuthorization
from services.dosing_log.domain.rules.rule import evaluate
from services.dosing_log.domain.rules.table import GIVEN_RULES
from services.dosing_log.domain.values import Route
from tests.unit.dosing_log.dose_cases import COURSE, LOT, NOW, NURSE, PROTOCOL, mg, q

AUTHORIZATION = Authorization(
    order_id=UUID(int=20),
    lot_id=LOT,
    dose=q(35, "mg"),
    dose_per_weight=None,
    weight=None,
    weight_time=None,
    planned_duration=None,
    diluted=True,
    expire_time=NOW + timedelta(minutes=30),
    protocol_id=PROTOCOL,
)


def administration(**changes: Any) -> Administration:
    return Administration(
        **{
            "course_id": COURSE,
            "authorization_id": UUID(int=21),
            "lot_id": LOT,
            "route": Route.INTRAVENOUS,
            "drawn": mg("50"),
            "given": mg("35"),
            "wasted": mg("15"),
            "returned": mg("0"),
            "start_time": NOW,
            "end_time": NOW + timedelta(minutes=40),
            "body_site": "",
            "administrator": NURSE,
            "supervisor_subject": "physician",
            **changes,
        }
    )


GRANTED = GrantedAuthorization(AUTHORIZATION, NOW, used=False)


@pytest.mark.parametrize(
    ("given", "granted", "codes"),
    [
        (administration(), GRANTED, []),
        (administration(), None, ["D1"]),
        (administration(start_time=NOW + timedelta(minutes=30)), GRANTED, []),
        (administration(start_time=NOW + timedelta(minutes=30, seconds=1)), GRANTED, ["D2"]),
        (administration(start_time=NOW - timedelta(seconds=1)), GRANTED, ["D2"]),
        (administration(), replace(GRANTED, grant_time=NOW + timedelta(seconds=59)), []),  # charted to the minute
        (administration(), replace(GRANTED, grant_time=NOW + timedelta(seconds=60)), ["D2"]),
        (administration(), replace(GRANTED, used=True), ["D3"]),
        (administration(lot_id=UUID(int=50)), GRANTED, ["D4"]),
        (administration(given=mg("35.000001")), GRANTED, ["D4"]),
        (administration(given=mg("34.999999")), GRANTED, ["D5"]),
        (administration(supervisor_subject="nurse"), GRANTED, ["D6"]),
    ],
)
def test_a_given_dose_is_held_against_its_authorization(given, granted, codes):
    case = GivenCase(given, granted)
    assert [finding.code for finding in evaluate(case, GIVEN_RULES)] == codes
    assert case.authorized == (not set(codes) & {"D1", "D2", "D3", "D4"})
