"""The shipped protocols, and what a protocol file must say."""

import json
from importlib import resources

import pytest

from services.scheduler.domain.protocol import LIMIT_UNITS, LimitCode, Mark, Route, limit_codes
from services.scheduler.protocol_files import ProtocolFileError, default_protocols, read_protocol

SHIPPED = {file.name: file for file in (resources.files("services.scheduler") / "protocols").iterdir()}


def content(name: str = "iv_racemic_v1.json") -> dict:
    return json.loads(SHIPPED[name].read_text(encoding="utf-8"))


def faults(changed: dict) -> str:
    with pytest.raises(ProtocolFileError) as error:
        read_protocol("changed.json", json.dumps(changed))
    return str(error.value)


def test_four_protocols_are_shipped_with_every_limit_of_their_route() -> None:
    protocols = {protocol.code: protocol for protocol in default_protocols()}
    assert protocols.keys() == {"iv_racemic", "im_racemic", "sl_lozenge", "spravato_maintenance"}
    for protocol in protocols.values():
        assert {limit.code for limit in protocol.limits} == limit_codes(protocol.route)
        assert protocol.interval_days == 7
        assert (protocol.phases.preparation + protocol.phases.observation).seconds % 1800 == 0
        for limit in protocol.limits:
            assert limit.unit in LIMIT_UNITS[limit.code]
            assert (limit.source == "project default") == (limit.mark is Mark.PROJECT_DEFAULT)


@pytest.mark.parametrize(
    ("code", "cap", "review_after", "chair_minutes"),
    [
        ("iv_racemic", 12, 3, 150),
        ("im_racemic", 12, 3, 150),
        ("sl_lozenge", 12, 3, 180),
        ("spravato_maintenance", 26, 4, 150),
    ],
)
def test_the_reference_table_is_what_is_shipped(code, cap, review_after, chair_minutes) -> None:
    (protocol,) = (one for one in default_protocols() if one.code == code)
    assert (protocol.session_cap, protocol.review_after) == (cap, review_after)
    assert (protocol.phases.preparation + protocol.phases.observation).seconds == chair_minutes * 60


def test_limits_of_other_routes_do_not_apply() -> None:
    assert LimitCode.INFUSION_HARD_MIN in limit_codes(Route.INTRAVENOUS)
    assert LimitCode.INFUSION_HARD_MIN not in limit_codes(Route.NASAL)
    assert LimitCode.DOSE_MULTIPLE_OF in limit_codes(Route.SUBLINGUAL)
    assert LimitCode.DOSE_MULTIPLE_OF not in limit_codes(Route.INTRAMUSCULAR)


def test_every_fault_of_a_file_is_named() -> None:
    changed = content()
    changed["limits"] = [limit for limit in changed["limits"] if limit["code"] != "spo2.hard_min"]
    changed["limits"].append(changed["limits"][0])
    changed["limits"][5] |= {"unit": "min", "source": ""}
    named = faults(changed)
    for fault in (
        "spo2.hard_min: is missing",
        "age.minimum: stands twice",
        "course.hold_before: write the unit {session}",
        "course.hold_before: name the source",
    ):
        assert fault in named


@pytest.mark.parametrize(
    ("code", "value", "fault"),
    [
        ("interval.minimum", "6", "at least 7 days"),
        ("phase.observation", "90", "at least observation.minimum"),
        ("course.sessions.maximum", "5", "at most course.sessions.maximum"),
        ("dose.starting", "0.8", "over dose.standard_max"),
        ("dose.hard_max", "0.5", "over dose.hard_max"),
        ("phase.turnover", "-1", "negative"),
        ("phase.turnover", "1.5", "whole numbers"),
        ("phase.turnover", "soon", "InvalidOperation"),
    ],
)
def test_unsafe_values_are_refused(code, value, fault) -> None:
    changed = content()
    next(limit for limit in changed["limits"] if limit["code"] == code)["value"] = value
    assert fault in faults(changed)


@pytest.mark.parametrize(
    "change",
    [{"route": "oral"}, {"substance": "other"}, {"limits": [{"code": "dose.unknown"}]}, {"limits": "none"}],
)
def test_unknown_words_are_refused(change) -> None:
    assert "changed.json" in faults(content() | change)
