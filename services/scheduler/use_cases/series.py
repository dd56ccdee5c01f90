"""Booking a series: all of it or nothing, at the same time on the clinic's clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.runtime.clock import Clock
from services.scheduler.domain.blockers import Blocker, BlockerCode, sessions_in_the_way
from services.scheduler.domain.booking import course_blockers, date_blockers
from services.scheduler.domain.cadence import Commitment
from services.scheduler.domain.course import Course
from services.scheduler.domain.local_time import LocalTime, instants_of
from services.scheduler.domain.session import Session
from services.scheduler.domain.slots import Slot
from services.scheduler.errors import BookingRefusedError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import (
    Attempt,
    Booking,
    Finding,
    add_session,
    attempt_of,
    days_of,
    examine,
    lock_days,
)
from services.scheduler.use_cases.proposing import nearest_slots

ALTERNATIVE_DAYS = 6
"""How far from its date the alternatives of a clashing session may lie."""
ALTERNATIVES_AT_MOST = 12
"""For so many of its dates a series is told of alternatives."""

Seen = tuple[Attempt, Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """So many sessions, so many weeks apart, beginning with the first."""

    first: Booking
    interval_weeks: int
    count: int


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One session of a series: what stands in its way and, where something does, the nearest slots that are free."""

    arrival: LocalTime
    blockers: tuple[Blocker, ...]
    alternatives: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class SeriesFinding:
    """What stands in the way of a series as a whole, and of each of its sessions."""

    blockers: tuple[Blocker, ...]
    occurrences: tuple[Occurrence, ...]

    @property
    def all_blockers(self) -> list[Blocker]:
        """All of them; those of a session name its date and the nearest free slots."""
        named = [blocker for occurrence in self.occurrences for blocker in _named(occurrence)]
        return [*self.blockers, *named]


async def book_series(series: Series, unit: UnitOfWork, clock: Clock) -> list[Session]:
    """Book every session of a series, or none.

    Raises:
        NotFoundError: the course or the room is not known.
        BookingRefusedError: with every blocker of every date, and the nearest slots that are free.
        RaceLostError: another transaction took a place at the same moment.
    """
    course = await unit.courses.lock(series.first.course_id)
    attempts = await _attempts(series, course, unit)
    await lock_days(attempts, unit)
    now = clock.now()
    seen, found = await _look(series, course, attempts, unit, now)
    if blockers := found.all_blockers:
        raise BookingRefusedError(blockers, course.name)
    sessions = [await add_session(attempt, finding, unit, now) for attempt, finding in seen]
    for session in sessions:
        await unit.events.session_booked(session)
    return sessions


async def validate_series(series: Series, unit: UnitOfWork, clock: Clock) -> SeriesFinding:
    """Return every blocker of a series and the nearest free slots for each clashing date, and write nothing.

    Raises:
        NotFoundError: the course or the room is not known.
    """
    course = await unit.courses.get(series.first.course_id)
    attempts = await _attempts(series, course, unit)
    async with unit.rehearsal():  # expired holds in the way are taken out for the look
        _, found = await _look(series, course, attempts, unit, clock.now())
        return found


async def _attempts(series: Series, course: Course, unit: UnitOfWork) -> list[Attempt]:
    first = await attempt_of(series.first, course, unit)
    return [replace(first, arrival=_arrival(first, series, number)) for number in range(series.count)]


async def _look(
    series: Series, course: Course, attempts: Sequence[Attempt], unit: UnitOfWork, now: datetime
) -> tuple[list[Seen], SeriesFinding]:
    """Look at everything in the way of a series; holds that have expired are ended where they are in the way."""
    ended = await unit.sessions.expire_holds(now, course.patient_id, days_of(attempts))
    seen = await _examine_all(attempts, unit, now)
    in_the_way = [one for _, finding in seen for one in sessions_in_the_way(finding.blockers)]
    if in_the_way and await unit.sessions.expire_holds(now, course.patient_id, (), in_the_way):
        ended, seen = True, await _examine_all(attempts, unit, now)
    if ended:
        course = await unit.courses.get(course.course_id)
    return seen, await _finding(series, course, seen, unit, now)


async def _examine_all(attempts: Sequence[Attempt], unit: UnitOfWork, now: datetime) -> list[Seen]:
    return [(attempt, await examine(attempt, unit, now)) for attempt in attempts]


async def _finding(
    series: Series, course: Course, seen: Sequence[Seen], unit: UnitOfWork, now: datetime
) -> SeriesFinding:
    held = await unit.sessions.commitments(course.patient_id) if any(finding.blockers for _, finding in seen) else []
    others = [_commitment(attempt, course) for attempt, _ in seen]
    occurrences: list[Occurrence] = []
    for number, (attempt, finding) in enumerate(seen):
        alternatives: list[Slot] = []
        if finding.blockers and sum(bool(one.alternatives) for one in occurrences) < ALTERNATIVES_AT_MOST:
            apart = [*held, *others[:number], *others[number + 1 :]]
            alternatives = await _alternatives(attempt, apart, unit, now)
        occurrences.append(Occurrence(attempt.arrival, finding.blockers, tuple(alternatives)))
    blockers = [*course_blockers(course, series.count), *_too_dense(series, course)]
    return SeriesFinding(tuple(blockers), tuple(occurrences))


def _commitment(attempt: Attempt, course: Course) -> Commitment:
    """The date that a session of the series takes, before it has an id."""
    return Commitment(session_id=course.course_id, day=attempt.arrival.date, interval_days=course.interval_days)


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


async def _alternatives(attempt: Attempt, apart: Sequence[Commitment], unit: UnitOfWork, now: datetime) -> list[Slot]:
    """Return the free slots nearest to a session's time: on its date, otherwise on the nearest allowed ones."""
    days = range(-ALTERNATIVE_DAYS, ALTERNATIVE_DAYS + 1)
    nearby = [attempt.arrival.date + timedelta(days=day) for day in days]
    allowed = [day for day in nearby if not date_blockers(attempt.course, day, apart)]
    return await nearest_slots(attempt, allowed, unit, now)


def _named(occurrence: Occurrence) -> list[Blocker]:
    """Name the date in each blocker, and the nearest slots that are free."""
    free = "; ".join(_written(slot) for slot in occurrence.alternatives)
    nearest = f"; nearest that are free: {free}" if free else "; nothing is free near that date"
    day = occurrence.arrival.date
    return [replace(one, description=f"{day}: {one.description}{nearest}") for one in occurrence.blockers]


def _written(slot: Slot) -> str:
    return f"{slot.interval.start.astimezone(ZoneInfo(slot.time_zone)):%Y-%m-%d %H:%M}"
