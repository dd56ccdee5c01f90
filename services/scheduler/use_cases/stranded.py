"""Where sessions that could not be booked as they stand could be moved to."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from services.runtime.clock import Clock
from services.scheduler.domain.booking import course_blockers, date_blockers
from services.scheduler.domain.cadence import earliest_date
from services.scheduler.domain.session import Session
from services.scheduler.domain.slots import Slot
from services.scheduler.domain.stranded import StrandedSession
from services.scheduler.ports.availability import StrandedFilter
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import Attempt, examine
from services.scheduler.use_cases.proposing import PROPOSALS, nearest_slots
from services.scheduler.use_cases.rescheduling import attempt_at

_DAYS = 14


async def list_stranded(page: Page, wanted: StrandedFilter, unit: UnitOfWork, clock: Clock) -> Listing[StrandedSession]:
    """Return a page of stranded sessions, with moves proposed for each.

    Raises:
        InvalidArgumentError: the page's position is not one of this list.
    """
    now = clock.now()
    found = await unit.stranded.page(page, wanted, now)
    items = [
        replace(one, proposals=await propose_moves(await unit.sessions.get(one.session_id), unit, now))
        for one in found.items
    ]
    return replace(found, items=tuple(items))


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
