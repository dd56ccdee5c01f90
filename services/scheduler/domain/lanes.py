"""How many sessions a clinician supervises at once: lanes 1 to their ratio, in each of which sessions never overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.scheduler.domain.interval import Interval


@dataclass(frozen=True, slots=True)
class Occupied:
    """A session that a clinician supervises, and in which lane."""

    session_id: UUID
    lane: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Placement:
    """The lane for a further session, and the lanes that other sessions move to so that it fits."""

    lane: int
    moves: tuple[Occupied, ...] = ()


def place(interval: Interval, occupied: Sequence[Occupied], ratio: int) -> Placement | None:
    """Find a lane for a further session, or None where the clinician is at their ratio at some time in it.

    Cancellations leave gaps in lanes that no longer fit together; then the lanes are dealt out anew, in the order in
    which the sessions start, which needs no more lanes than there are sessions at once.
    """
    overlapping = [held for held in occupied if held.interval.overlaps(interval)]
    if _most_at_once(interval, overlapping) >= ratio:
        return None
    taken = {held.lane for held in overlapping}
    free = next((lane for lane in range(1, ratio + 1) if lane not in taken), None)
    if free is not None:
        return Placement(free)
    # Those beyond a ratio that was lowered since stay where they are: nobody is in their way.
    return _deal_anew(interval, _tied_to(interval, [held for held in occupied if held.lane <= ratio]))


def _tied_to(interval: Interval, occupied: Sequence[Occupied]) -> list[Occupied]:
    """Return the sessions that overlap an interval, or each other in a chain from it; others keep their lanes."""
    hull, tied = interval, list[Occupied]()
    while found := [held for held in occupied if held not in tied and held.interval.overlaps(hull)]:
        tied += found
        hull = Interval(min(one.interval.start for one in tied), max(one.interval.end for one in tied))
    return tied


def _most_at_once(interval: Interval, overlapping: Sequence[Occupied]) -> int:
    """Count the sessions at the fullest moment of an interval: one at which some session, or the interval, begins."""
    moments = {max(held.interval.start, interval.start) for held in overlapping}
    return max(
        (sum(held.interval.start <= moment < held.interval.end for held in overlapping) for moment in moments),
        default=0,
    )


def _deal_anew(interval: Interval, occupied: Sequence[Occupied]) -> Placement:
    last_in_lane: list[Interval] = []
    placed = 0
    moves = []
    for held in sorted([*occupied, Occupied(_NEW, 0, interval)], key=lambda one: (one.interval, one.session_id)):
        ended = (lane for lane, last in enumerate(last_in_lane, 1) if last.end <= held.interval.start)
        lane = next(ended, len(last_in_lane) + 1)
        last_in_lane[lane - 1 : lane] = [held.interval]
        if held.session_id == _NEW:
            placed = lane
        elif lane != held.lane:
            moves.append(Occupied(held.session_id, lane, held.interval))
    return Placement(placed, tuple(moves))


_NEW = UUID(int=0)
