"""When a review is due, what it holds up, what it needs to say, and who may sign it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.actor import Actor
from services.runtime.identifiers import new_id
from services.scheduler.domain.booking import course_blockers
from services.scheduler.domain.cadence import Commitment, clashing
from services.scheduler.domain.course import Contraindication, CourseState
from services.scheduler.domain.protocol import Substance
from services.scheduler.domain.review import Observation, ReviewDecision, Signature, reason_needed, scores_of
from tests.unit.scheduler.test_scheduler_blockers import COURSE, codes

NOW = datetime(2026, 3, 3, 14, tzinfo=UTC)
CONTINUE, STOP = ReviewDecision.CONTINUE, ReviewDecision.STOP
DAY = date(2026, 3, 3)


def phq_9(*totals: int) -> tuple:
    return scores_of(Observation("PHQ_9", total, NOW + timedelta(days=7 * n)) for n, total in enumerate(totals))


@pytest.mark.parametrize(
    ("totals", "needed"),
    [
        ((20, 16), ""),
        ((20, 17), "did not fall by 20 %"),
        ((20, 24), "did not fall by 20 %"),
        ((20, 25), "rose by 5 points"),
        ((18, 30, 14), ""),
        ((0, 0), ""),
        ((0, 1), "did not fall"),
        ((12,), "did not fall"),
        ((), "no PHQ-9 score"),
    ],
)
def test_a_review_to_continue_needs_a_reason_where_the_score_gives_none(totals, needed) -> None:
    found = reason_needed(CONTINUE, phq_9(*totals))
    assert needed in found
    assert bool(found) == bool(needed)


def test_a_review_to_stop_always_needs_a_reason() -> None:
    assert "why the course ends" in reason_needed(STOP, phq_9(20, 4))


@given(first=st.integers(0, 27), latest=st.integers(0, 27))
def test_without_a_reason_nobody_continues_who_did_not_improve(first, latest) -> None:
    if not reason_needed(CONTINUE, phq_9(first, latest)):
        assert latest <= first * 0.8


def test_scores_are_the_first_and_the_newest_of_each_instrument_whatever_the_order() -> None:
    later, earlier = NOW + timedelta(days=14), NOW - timedelta(days=1)
    found = scores_of(
        [
            Observation("PHQ_9", 12, NOW),
            Observation("GAD_7", 0, NOW),
            Observation("DISCHARGE_SCORE", 9, NOW),
            Observation("PHQ_9", 11, later),
            Observation("PHQ_9", 18, earlier),
            Observation("GAD_7", 3, later),
        ]
    )
    assert [(one.instrument, one.baseline, one.latest) for one in found] == [("GAD_7", 0, 3), ("PHQ_9", 18, 11)]
    assert [one.change_percent for one in found] == [None, Decimal("-38.9")]
    assert (found[1].baseline_time, found[1].latest_time) == (earlier, later)


@pytest.mark.parametrize(("minutes", "recent"), [(-1, True), (0, True), (15, True), (15.01, False)])
def test_who_signs_has_signed_in_within_15_minutes(minutes, recent) -> None:
    signer = Actor(subject="s", printed_name="Dr. A", credential="MD", roles=("supervisor",))
    signature = Signature(signer, "Dr. A", NOW - timedelta(minutes=minutes))
    assert signature.is_recent(NOW) == recent
    assert signature.is_own_name
    assert not replace(signature, signed_name="Dr. B").is_own_name


@pytest.mark.parametrize(
    ("base", "taken", "due", "left"),
    [(0, 2, False, 1), (0, 3, True, 0), (0, 4, True, 0), (3, 5, False, 1), (3, 6, True, 0)],
)
def test_a_review_is_due_so_many_sessions_after_the_last(base, taken, due, left) -> None:
    course = replace(COURSE, review_base=base, taken_count=taken)
    assert (course.review_due, course.sessions_until_review) == (due, left)
    assert replace(course, state=CourseState.ON_HOLD).review_due == due
    assert not replace(course, state=CourseState.COMPLETED).review_due
    assert not course.continued().review_due
    assert course.continued().hold_from == taken + 5


@pytest.mark.parametrize(
    ("taken", "booked", "further", "found"),
    [
        (2, 5, 1, []),
        (2, 0, 12, []),
        (3, 3, 1, []),
        (3, 3, 2, ["REVIEW_DUE"]),
        (3, 4, 1, ["REVIEW_DUE"]),
        (3, 4, 0, []),
        (3, 12, 1, ["REVIEW_DUE", "COURSE_CAP"]),
    ],
)
def test_nothing_is_booked_that_waits_for_a_review_that_is_due(taken, booked, further, found) -> None:
    course = replace(COURSE, taken_count=taken, session_count=booked)
    assert codes(course_blockers(course, further)) == found


def test_a_paused_course_says_how_it_becomes_active() -> None:
    found = course_blockers(replace(COURSE, state=CourseState.ON_HOLD, hold_reason="away"), 1)
    assert codes(found) == ["COURSE_NOT_ACTIVE"]
    assert "have it resumed" in found[0].description
    assert "away" not in found[0].description


def test_what_a_supervisor_accepts_with_a_reason_alone() -> None:
    screening = replace(COURSE.screening, contraindications=(Contraindication.STROKE,), prior_treatment_trials=1)
    assert screening.concerns(Substance.KETAMINE) == ("STROKE", "fewer than 2 adequate treatments before")
    assert COURSE.screening.concerns(Substance.KETAMINE) == ()
    assert COURSE.screening.concerns(Substance.ESKETAMINE) == ("no documented induction",)
    assert replace(COURSE.screening, induction_documented=True).concerns(Substance.ESKETAMINE) == ()


def held(day: int, interval: int) -> Commitment:
    return Commitment(session_id=new_id(), day=DAY + timedelta(days=day), interval_days=interval)


def test_sessions_with_a_longer_interval_clash_with_each_other_and_with_what_stays() -> None:
    first, second, third = held(14, 14), held(28, 14), held(35, 14)
    assert clashing([first, second], [held(0, 7)]) == []
    assert clashing([first, second, third], [held(0, 7)]) == [second, third]
    assert clashing([first, second], [held(21, 7)]) == [first]
    assert clashing([first, second], [held(27, 7)]) == [first, second]
