"""Finding free slots."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from services.runtime.clock import Clock
from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.booking import course_blockers, date_blockers
from services.scheduler.domain.course import Course
from services.scheduler.domain.protocol import Protocol
from services.scheduler.domain.slots import DateWithoutSlot, Slot, SlotPosition, SlotSearch
from services.scheduler.ports.unit import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotQuestion:
    """Where and when a course's next session could be; `dates` are those on the wanted weekdays."""

    course_id: UUID
    clinic_ids: tuple[UUID, ...]
    dates: tuple[date, ...]
    earliest_time: time | None
    latest_time: time | None
    preferred_supervisor: UUID | None
    size: int
    after: SlotPosition | None


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """Slots, best first; the dates without one, and why; where the next page begins, if there is more."""

    slots: tuple[Slot, ...]
    dates_without_slot: tuple[DateWithoutSlot, ...]
    next_position: SlotPosition | None


async def find_slots(question: SlotQuestion, unit: UnitOfWork, clock: Clock) -> SlotAnswer:
    """Find free slots for the next session of a course.

    Raises:
        NotFoundError: the course or a clinic is not known.
    """
    course = await unit.courses.get(question.course_id)
    of_date = await _codes_by_date(course, question.dates, unit)
    search = _search(question, await unit.protocols.get(course.protocol_id), of_date, clock.now())
    found = await unit.slots.free_time(search, limit=question.size + 1, after=question.after)
    of_time = {(one.clinic_id, one.date): one.codes for one in found.without}
    without = [
        DateWithoutSlot(clinic_id, day, codes)
        for clinic_id in question.clinic_ids
        for day in question.dates
        if (codes := (*of_date[day], *of_time.get((clinic_id, day), ())))
    ]
    return _page(found.slots, without, question.size)


def _search(
    question: SlotQuestion, protocol: Protocol, of_date: Mapping[date, tuple[BlockerCode, ...]], now: datetime
) -> SlotSearch:
    return SlotSearch.of(
        protocol,
        clinic_ids=question.clinic_ids,
        dates=question.dates,
        after=now,
        earliest_time=question.earliest_time,
        latest_time=question.latest_time,
        preferred_supervisor=question.preferred_supervisor,
        excluded_dates=tuple(day for day in question.dates if of_date[day]),
    )


async def _codes_by_date(
    course: Course, dates: tuple[date, ...], unit: UnitOfWork
) -> dict[date, tuple[BlockerCode, ...]]:
    commitments = await unit.sessions.commitments(course.patient_id)
    of_course = course_blockers(course, 1)
    return {
        day: tuple(blocker.code for blocker in (*of_course, *date_blockers(course, day, commitments))) for day in dates
    }


def _page(slots: tuple[Slot, ...], without: list[DateWithoutSlot], size: int) -> SlotAnswer:
    shown = slots[:size]
    more = len(slots) > size
    last = shown[-1] if shown else None
    position = SlotPosition(last.preferred, last.interval.start, last.clinic_id) if more and last else None
    return SlotAnswer(shown, tuple(without), position)
