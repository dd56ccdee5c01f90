"""The cadence floor, against the same rule written as sets of days."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.identifiers import new_id
from services.scheduler.domain.cadence import Commitment, earliest_date, too_close

START = date(2026, 3, 1)
DAYS = st.integers(0, 60).map(lambda n: START + timedelta(days=n))
INTERVALS = st.integers(7, 28)
COMMITMENTS = st.lists(
    st.builds(lambda day, days: Commitment(session_id=new_id(), day=day, interval_days=days), DAYS, INTERVALS),
    max_size=6,
)


def kept_free(day: date, interval_days: int) -> set[date]:
    return {day + timedelta(days=n) for n in range(interval_days)}


@given(DAYS, INTERVALS, COMMITMENTS)
def test_too_close_is_where_the_days_that_both_keep_meet(day, interval, commitments) -> None:
    mine = kept_free(day, interval)
    meeting = [held for held in commitments if mine & kept_free(held.day, held.interval_days)]
    assert too_close(day, interval, commitments) == meeting


@given(DAYS, INTERVALS, COMMITMENTS)
def test_the_earliest_date_is_allowed_and_no_earlier_one_is(day, interval, commitments) -> None:
    earliest = earliest_date(day, interval, commitments)
    assert earliest >= day
    assert too_close(earliest, interval, commitments) == []
    for n in range((earliest - day).days):
        assert too_close(day + timedelta(days=n), interval, commitments)


def test_seven_days_later_is_allowed_and_six_are_not() -> None:
    held = [Commitment(session_id=new_id(), day=START, interval_days=7)]
    assert too_close(START + timedelta(days=7), 7, held) == []
    assert too_close(START + timedelta(days=6), 7, held) == held
    assert too_close(START - timedelta(days=6), 7, held) == held
    assert too_close(START - timedelta(days=7), 7, held) == []


def test_the_interval_of_the_earlier_one_counts() -> None:
    sparse = [Commitment(session_id=new_id(), day=START, interval_days=14)]
    assert too_close(START + timedelta(days=10), 7, sparse) == sparse
    assert too_close(START - timedelta(days=10), 7, sparse) == []
