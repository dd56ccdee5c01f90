"""Booking a series: all of it or nothing, at the same time on the clinic's clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.runtime.clock import Clock
from services.scheduler.domain.blockers import Blocker, BlockerCode
from services.scheduler.domain.booking import course_blockers
from services.scheduler.domain.course import Course
from services.scheduler.domain.local_time import LocalTime, instants_of
from services.scheduler.domain.session import Session
from services.scheduler.domain.slots import SlotSearch
from services.scheduler.errors import BookingRefusedError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import (
    Attempt,
    Booking,
    Finding,
    add_session,
    attempt_of,
    examine,
    lock_days,
)

ALTERNATIVES = 3
_SLOTS_OF_A_DAY = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """So many sessions, so many weeks apart, beginning with the first."""

    first: Booking
    interval_weeks: int
    count: int


async def book_series(series: Series, unit: UnitOfWork, clock: Clock) -> list[Session]:
    """Book every session of a series, or none.

    Raises:
        NotFoundError: the course or the room is not known.
        BookingRefusedError: with every blocker of every date and, where the time is the matter, the nearest times
            that are free on that date.
        RaceLostError: another transaction took a place at the same moment.
    """
    course = await unit.courses.lock(series.first.course_id)
    first = await attempt_of(series.first, course, unit)
    attempts = [replace(first, arrival=_arrival(first, series, number)) for number in range(series.count)]
    await lock_days(attempts, unit)
    now = clock.now()
    findings = [await examine(attempt, unit, now) for attempt in attempts]
    blockers = [*course_blockers(course, series.count), *_too_dense(series, course)]
    for attempt, found in zip(attempts, findings, strict=True):
        blockers += await _named(attempt, found, unit, now)
    if blockers:
        raise BookingRefusedError(blockers, f"courses/{course.course_id}")
    return [await add_session(attempt, found, unit, now) for attempt, found in zip(attempts, findings, strict=True)]


def _arrival(first: Attempt, series: Series, number: int) -> LocalTime:
    arrival = first.arrival
    day = arrival.date + timedelta(weeks=series.interval_weeks * number)
    # The offset of the first date means nothing on others, except to choose where the time exists twice.
    chooses = number == 0 or len(instants_of(day, arrival.time, first.zone)) > 1
    return LocalTime(day, arrival.time, arrival.utc_offset if chooses else None)


def _too_dense(series: Series, course: Course) -> list[Blocker]:
    if series.count == 1 or series.interval_weeks * 7 >= course.interval_days:
        return []
    text = f"{series.interval_weeks} weeks between sessions are under the protocol's {course.interval_days} days"
    return [Blocker(BlockerCode.CADENCE, text)]


async def _named(attempt: Attempt, found: Finding, unit: UnitOfWork, now: datetime) -> list[Blocker]:
    """Name the date in each blocker and, where another time on it would do, the nearest that are free."""
    free = ""
    if found.time_blockers and not found.date_blockers:
        times = await _nearest_free_times(attempt, unit, now)
        free = f"; free on that date: {', '.join(times)}" if times else "; nothing is free on that date"
    day = attempt.arrival.date
    return [
        *(replace(one, description=f"{day}: {one.description}") for one in found.date_blockers),
        *(replace(one, description=f"{day}: {one.description}{free}") for one in found.time_blockers),
    ]


async def _nearest_free_times(attempt: Attempt, unit: UnitOfWork, now: datetime) -> list[str]:
    phases = attempt.protocol.phases
    search = SlotSearch(
        protocol_code=attempt.protocol.code,
        clinic_ids=(attempt.place.clinic_id,),
        dates=(attempt.arrival.date,),
        attendance=phases.attendance,
        turnover=phases.turnover,
        after=now,
    )
    slots = await unit.slots.find(search, limit=_SLOTS_OF_A_DAY)
    starts = [slot.interval.start for slot in slots]
    return _nearest(starts, attempt.arrival.time, attempt.zone)


def _nearest(starts: Sequence[datetime], wanted: time, zone: ZoneInfo) -> list[str]:
    def distance(start: datetime) -> int:
        local = start.astimezone(zone)
        return abs((local.hour - wanted.hour) * 60 + local.minute - wanted.minute)

    nearest = sorted(sorted(starts, key=distance)[:ALTERNATIVES])
    return [f"{start.astimezone(zone):%H:%M}" for start in nearest]
