"""Where sessions that could not be booked as they stand could be moved to, and who could take over those under way."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

from services.runtime.clock import Clock
from services.scheduler.domain.booking import course_blockers, date_blockers
from services.scheduler.domain.cadence import earliest_date
from services.scheduler.domain.session import Session
from services.scheduler.domain.slots import Slot
from services.scheduler.domain.stranded import NeededHandOver, StrandedSession
from services.scheduler.ports.availability import StrandedFilter
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import Attempt, examine
from services.scheduler.use_cases.proposing import PROPOSALS, nearest_slots
from services.scheduler.use_cases.rescheduling import attempt_at
from services.scheduler.use_cases.supervising import successor

_DAYS = 14


async def list_stranded(page: Page, wanted: StrandedFilter, unit: UnitOfWork, clock: Clock) -> Listing[StrandedSession]:
    """Return a page of stranded sessions, with moves proposed for each, or a hand-over of one that is under way.

    Raises:
        InvalidArgumentError: the page's position is not one of this list.
    """
    now = clock.now()
    found = await unit.stranded.page(page, wanted, now)
    items = [
        one
        if one.hand_over
        else replace(one, proposals=await propose_moves(await unit.sessions.get(one.session_id), unit, now))
        for one in found.items
    ]
    return replace(found, items=await propose_hand_overs(items, unit))


async def propose_hand_overs(found: Iterable[StrandedSession], unit: UnitOfWork) -> tuple[StrandedSession, ...]:
    """Return the sessions with who could take over those that are under way, where anybody can."""
    return tuple([await _with_successor(one, unit) for one in found])


async def _with_successor(stranded: StrandedSession, unit: UnitOfWork) -> StrandedSession:
    if stranded.hand_over is None:
        return stranded
    since = stranded.hand_over.hand_over_time
    heir = await successor(await unit.sessions.get(stranded.session_id), since, unit)
    return replace(stranded, hand_over=NeededHandOver(since, heir))


async def propose_moves(session: Session, unit: UnitOfWork, now: datetime) -> tuple[Slot, ...]:
    """Return up to three places at its clinic that a session could be moved to, none where its course has ended.

    First the same time under another supervisor, where that is all that is the matter; then the first date from its
    own on that the patient's cadence allows and that has a free slot, the nearest times of the day first.
    """
    attempt = await attempt_at(session, unit)
    if course_blockers(attempt.course, 0):
        return ()
    later = await nearest_slots(attempt, await _dates(attempt, unit, now), unit, now)
    return (*await _as_it_stands(attempt, unit, now), *later)[:PROPOSALS]


async def _as_it_stands(attempt: Attempt, unit: UnitOfWork, now: datetime) -> tuple[Slot, ...]:
    found = await examine(attempt, unit, now)
    if found.blockers or found.plan is None or found.assignment is None:
        return ()
    slot = Slot(
        clinic_id=attempt.place.clinic_id,
        room_id=attempt.place.room_id,
        supervisor_id=found.assignment.practitioner_id,
        time_zone=attempt.place.time_zone,
        interval=found.plan.interval,
        preferred=False,
    )
    return (slot,)


async def _dates(attempt: Attempt, unit: UnitOfWork, now: datetime) -> list[date]:
    course = attempt.course
    commitments = await unit.sessions.commitments(course.patient_id, moving=attempt.moving)
    own = max(attempt.arrival.date, now.astimezone(attempt.zone).date())
    first = earliest_date(own, course.interval_days, commitments)
    days = (first + timedelta(days=n) for n in range(_DAYS + 1))
    return [day for day in days if not date_blockers(course, day, commitments)]
