"""Lanes: nobody is over their ratio, and nobody is refused who fits within it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.identifiers import new_id
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.lanes import Occupied, place

START = datetime(2026, 3, 3, 8, tzinfo=UTC)


def interval(start_quarter: int, quarters: int) -> Interval:
    start = START + timedelta(minutes=15 * start_quarter)
    return Interval(start, start + timedelta(minutes=15 * quarters))


INTERVALS = st.builds(interval, st.integers(0, 30), st.integers(1, 12))


def at_once(intervals: list[Interval], within: Interval) -> int:
    moments = [max(one.start, within.start) for one in intervals]
    return max((sum(one.start <= moment < one.end for one in intervals) for moment in moments), default=0)


def overlap_in_a_lane(occupied: list[Occupied]) -> bool:
    return any(
        one.lane == other.lane and one.session_id < other.session_id and one.interval.overlaps(other.interval)
        for one in occupied
        for other in occupied
    )


@st.composite
def histories(draw) -> tuple[list[Occupied], int]:
    """Sessions placed one after another within a ratio, of which some are cancelled again."""
    ratio = draw(st.integers(1, 4))
    held: list[Occupied] = []
    for wanted in draw(st.lists(INTERVALS, max_size=12)):
        placement = place(wanted, held, ratio)
        if placement is not None:
            moved = {one.session_id: one for one in placement.moves}
            held = [moved.get(one.session_id, one) for one in held]
            held.append(Occupied(new_id(), placement.lane, wanted))
    return [one for one in held if draw(st.booleans())], ratio


@given(histories(), INTERVALS, st.data())
def test_a_session_is_placed_if_and_only_if_it_keeps_the_ratio(history, wanted, data) -> None:
    """Even where the ratio is lower now than what was placed under it."""
    held, before = history
    ratio = data.draw(st.integers(1, before))
    assert not overlap_in_a_lane(held)
    minutes = int((wanted.end - wanted.start).total_seconds() // 60)
    moments = [wanted.start + timedelta(minutes=n) for n in range(minutes)]
    fits = all(sum(one.interval.start <= moment < one.interval.end for one in held) < ratio for moment in moments)
    placement = place(wanted, held, ratio)
    assert (placement is not None) == fits
    if placement is not None:
        moved = {one.session_id: one for one in placement.moves}
        now = [*(moved.get(one.session_id, one) for one in held), Occupied(new_id(), placement.lane, wanted)]
        assert not overlap_in_a_lane(now)
        assert all(1 <= one.lane <= ratio for one in [now[-1], *placement.moves])
        assert at_once([one.interval for one in now if one.interval.overlaps(wanted)], wanted) <= ratio


def test_sessions_beyond_a_lowered_ratio_count_wherever_their_lanes_are() -> None:
    held = [Occupied(new_id(), lane, interval(0, 8)) for lane in (3, 4)]
    assert place(interval(4, 8), held, 2) is None
    assert place(interval(8, 8), held, 2) is not None


def test_lanes_are_dealt_out_anew_only_where_none_is_free() -> None:
    early, late = Occupied(new_id(), 1, interval(0, 10)), Occupied(new_id(), 2, interval(20, 10))
    placement = place(interval(5, 20), [early, late], 2)
    assert placement is not None
    assert placement.moves == (Occupied(late.session_id, 1, late.interval),)
    assert place(interval(10, 5), [early, late], 2).moves == ()
