"""Where sessions that could not be booked as they stand could be moved to."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from services.runtime.clock import Clock
from services.scheduler.domain.booking import course_blockers, date_blockers
from services.scheduler.domain.cadence import earliest_date
from services.scheduler.domain.course import Course
from services.scheduler.domain.local_time import LocalTime
from services.scheduler.domain.protocol import Protocol
from services.scheduler.domain.session import Session
from services.scheduler.domain.slots import Slot, SlotSearch
from services.scheduler.domain.stranded import StrandedSession
from services.scheduler.ports.availability import StrandedFilter
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.roster import Place
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import Attempt, examine

PROPOSALS = 3
_DAYS = 14
_SLOTS_OF_A_DAY = 96


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
    course = await unit.courses.get(session.course_id)
    if course_blockers(course, 0):
        return ()
    protocol = await unit.protocols.get(session.protocol_id)
    stays = await _as_it_stands(session, course, protocol, unit, now)
    return (*stays, *await _later(session, course, protocol, unit, now))[:PROPOSALS]


async def _as_it_stands(
    session: Session, course: Course, protocol: Protocol, unit: UnitOfWork, now: datetime
) -> tuple[Slot, ...]:
    local = session.plan.start_time.astimezone(session.zone)
    attempt = Attempt(
        course=course,
        protocol=protocol,
        place=Place(session.room_id, session.clinic_id, session.time_zone),
        arrival=LocalTime(local.date(), local.time(), local.utcoffset()),
        supervisor_id=None,
        moving=session.session_id,
    )
    found = await examine(attempt, unit, now)
    if found.blockers or found.plan is None or found.assignment is None:
        return ()
    slot = Slot(
        clinic_id=session.clinic_id,
        room_id=session.room_id,
        supervisor_id=found.assignment.practitioner_id,
        time_zone=session.time_zone,
        interval=found.plan.interval,
        preferred=False,
    )
    return (slot,)


async def _later(
    session: Session, course: Course, protocol: Protocol, unit: UnitOfWork, now: datetime
) -> tuple[Slot, ...]:
    search = SlotSearch(
        protocol_code=protocol.code,
        clinic_ids=(session.clinic_id,),
        dates=await _dates(session, course, unit, now),
        attendance=protocol.phases.attendance,
        turnover=protocol.phases.turnover,
        after=now,
    )
    slots = await unit.slots.find(search, limit=_SLOTS_OF_A_DAY) if search.dates else []
    wanted = session.plan.start_time.astimezone(session.zone)

    def distance(slot: Slot) -> tuple[date, int]:
        local = slot.interval.start.astimezone(session.zone)
        return local.date(), abs((local.hour - wanted.hour) * 60 + local.minute - wanted.minute)

    return tuple(sorted(slots, key=distance)[:PROPOSALS])


async def _dates(session: Session, course: Course, unit: UnitOfWork, now: datetime) -> tuple[date, ...]:
    commitments = await unit.sessions.commitments(session.patient_id, moving=session.session_id)
    own = max(session.plan.local_date, now.astimezone(session.zone).date())
    first = earliest_date(own, course.interval_days, commitments)
    days = (first + timedelta(days=n) for n in range(_DAYS + 1))
    return tuple(day for day in days if not date_blockers(course, day, commitments))
