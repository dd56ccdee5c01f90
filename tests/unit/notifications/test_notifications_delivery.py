"""What follows from a try."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.domain.admission import Defer, End
from services.notifications.domain.delivery import (
    SendOutcome,
    Verdict,
    after,
    after_failed_preparation,
    after_lost_answer,
    backoff,
)
from services.notifications.domain.notification import Reason, State, TaskCode
from tests.unit.notifications.notification_examples import NOW, make_notification


def _after(verdict: Verdict, **changes: object) -> End | Defer | None:
    return after(make_notification(**changes), SendOutcome(verdict, "CODE"), now=NOW, jitter=0.5)


def test_an_accepted_message_is_done():
    decision = _after(Verdict.ACCEPTED)
    assert isinstance(decision, End)
    assert (decision.state, decision.task) == (State.ACCEPTED, None)


def test_a_refusal_for_good_is_final_and_told_to_staff():
    decision = _after(Verdict.REFUSED)
    assert isinstance(decision, End)
    assert (decision.state, decision.task) == (State.FAILED, TaskCode.UNDELIVERABLE)


@pytest.mark.parametrize("verdict", [Verdict.NOT_NOW, Verdict.UNAVAILABLE])
def test_a_passing_fault_is_tried_again_until_it_is_worth_nothing(verdict):
    decision = _after(verdict)
    assert isinstance(decision, Defer)
    assert decision.until > NOW
    near_its_end = _after(verdict, expire_time=NOW + timedelta(seconds=1))
    assert isinstance(near_its_end, Defer)
    assert near_its_end.until == NOW + timedelta(seconds=1)
    ended = _after(verdict, expire_time=NOW)
    assert isinstance(ended, End)
    assert ended.state is State.EXPIRED


def test_what_our_own_check_withheld_is_decided_elsewhere():
    assert _after(Verdict.WITHHELD) is None


def test_a_lost_answer_is_repeated_once_where_a_copy_does_no_harm():
    first = _after(Verdict.UNKNOWN, rule="booked")
    assert isinstance(first, Defer)
    assert first.reason == Reason.ANSWER_LOST
    second = _after(Verdict.UNKNOWN, rule="booked", may_have_been_sent=True)
    assert isinstance(second, End)
    assert (second.state, second.task) == (State.AMBIGUOUS, TaskCode.AMBIGUOUS_SEND)


def test_a_lost_answer_of_a_reminder_is_told_to_staff():
    decision = _after(Verdict.UNKNOWN, rule="24h_before")
    assert isinstance(decision, End)
    assert (decision.state, decision.task) == (State.AMBIGUOUS, TaskCode.AMBIGUOUS_SEND)


def test_no_time_left_to_repeat_is_ambiguous_and_not_expired():
    decision = after_lost_answer(make_notification("booked", expire_time=NOW), now=NOW, jitter=0)
    assert isinstance(decision, End)
    assert decision.state is State.AMBIGUOUS


def test_a_fault_of_ours_is_tried_until_it_expires():
    decision = after_failed_preparation(make_notification(), now=NOW, jitter=0)
    assert isinstance(decision, Defer)
    assert decision.reason == Reason.PREPARATION_FAILED


@given(attempts=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_waits_grow_to_a_quarter_of_an_hour_and_are_never_none(attempts, jitter):
    assert timedelta(seconds=7.5) <= backoff(attempts, jitter) <= timedelta(minutes=15)
