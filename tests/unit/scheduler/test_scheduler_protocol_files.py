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
    ("code", "sessions", "review", "chair_minutes"),
    [
        ("iv_racemic", (6, 12), (3, 5), 150),
        ("im_racemic", (6, 12), (3, 5), 150),
        ("sl_lozenge", (6, 12), (3, 5), 180),
        ("spravato_maintenance", (26, 26), (4, 5), 150),
    ],
)
def test_the_reference_table_is_what_is_shipped(code, sessions, review, chair_minutes) -> None:
    (protocol,) = (one for one in default_protocols() if one.code == code)
    assert (protocol.sessions_planned, protocol.session_maximum) == sessions
    assert (protocol.review_after, protocol.hold_before) == review
    assert (protocol.phases.preparation + protocol.phases.observation).seconds == chair_minutes * 60


# Table (a) of the clinical reference: value and mark, by route. V verified, D project default, U unverified.
REFERENCE = {
    "dose.starting": ("0.5 mg/kg V", "0.5 mg/kg D", "100 mg V", "56 mg V"),
    "dose.standard_max": ("0.75 mg/kg V", "1 mg/kg D", "300 mg V", "84 mg V"),
    "dose.hard_max": ("1 mg/kg V", "1.5 mg/kg D", "450 mg V", "84 mg V"),
    "dose.absolute_cap": ("100 mg D", "150 mg D", "450 mg D", "84 mg D"),
    "dose.max_step": ("0.25 mg/kg D", "0.25 mg/kg D", "100 mg D", "28 mg V"),
    "dose.multiple_of": ("", "", "50 mg V", "28 mg V"),
    "dose.tolerance.soft": ("5 % D",) * 4,
    "dose.tolerance.hard": ("10 % D",) * 4,
    "infusion.duration.soft_min": ("40 min V", "", "", ""),
    "infusion.duration.hard_min": ("20 min D", "", "", ""),
    "interval.minimum": ("7 d D", "7 d D", "7 d D", "7 d V"),
    "course.sessions.planned": (*("6 {session} V",) * 3, "26 {session} D"),
    "course.sessions.maximum": (*("12 {session} V",) * 3, "26 {session} D"),
    "course.review_after": (*("3 {session} V",) * 3, "4 {session} V"),
    "course.hold_before": ("5 {session} D",) * 4,
    "age.minimum": ("18 a D",) * 4,
    "consent.validity": ("180 d D",) * 4,
    "weight.validity": ("30 d D",) * 4,
    "assessment.phq9.validity": ("7 d D",) * 4,
    "bp.systolic.soft_max": ("140 mm[Hg] V",) * 4,
    "bp.systolic.soft_max_over_65": ("150 mm[Hg] V",) * 4,
    "bp.diastolic.soft_max": ("90 mm[Hg] V",) * 4,
    "bp.systolic.hard_max": ("180 mm[Hg] D",) * 4,
    "bp.diastolic.hard_max": ("110 mm[Hg] D",) * 4,
    "heart_rate.soft_min": ("50 /min D",) * 4,
    "heart_rate.soft_max": ("110 /min D",) * 4,
    "heart_rate.hard_max": ("150 /min V",) * 4,
    "respiratory_rate.hard_min": ("10 /min V",) * 4,
    "respiratory_rate.hard_max": ("30 /min V",) * 4,
    "spo2.soft_min": ("95 % D",) * 4,
    "spo2.hard_min": ("92 % V",) * 4,
    "vitals.during.every": ("10 min V", "15 min D", "15 min D", "40 min V"),
    "vitals.after.every": ("15 min V", "15 min D", "30 min D", "40 min D"),
    "observation.minimum": (*("120 min D",) * 3, "120 min V"),
    "discharge.systolic_max": ("160 mm[Hg] D",) * 4,
    "discharge.score_min": ("9 {score} V",) * 4,
    "discharge.spo2_min": ("92 % V",) * 4,
    "fasting.food": ("6 h U", "6 h U", "2 h D", "2 h V"),
    "fasting.fluid": ("2 h U", "2 h U", "30 min D", "30 min V"),
}
MARKS = {Mark.VERIFIED: "V", Mark.UNVERIFIED: "U", Mark.PROJECT_DEFAULT: "D", Mark.SECONDARY: "S"}


@pytest.mark.parametrize("code", REFERENCE)
def test_every_limit_and_mark_is_that_of_the_reference_table(code) -> None:
    protocols = {protocol.code: protocol for protocol in default_protocols()}
    shipped = []
    for route in ("iv_racemic", "im_racemic", "sl_lozenge", "spravato_maintenance"):
        found = [limit for limit in protocols[route].limits if limit.code == code]
        shipped.append("".join(f"{limit.value} {limit.unit} {MARKS[limit.mark]}" for limit in found))
    assert tuple(shipped) == REFERENCE[code]


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
        ("course.sessions.maximum", "5", "course.sessions.planned: over course.sessions.maximum; write at most 5"),
        ("course.hold_before", "3", "over course.review_after"),
        ("course.review_after", "0", "from 1 to 100"),
        ("course.sessions.maximum", "101", "from 1 to 100"),
        ("age.minimum", "17", "from 18 to 120"),
        ("interval.minimum", "367", "from 0 to 366"),
        ("phase.turnover", "1300", "within a day"),
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
