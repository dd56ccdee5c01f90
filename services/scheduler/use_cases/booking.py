"""Booking and moving sessions: everything that stands in the way is named, or the whole of it is done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.runtime.clock import Clock
from services.runtime.identifiers import new_id
from services.scheduler.domain.blockers import Blocker, sessions_in_the_way
from services.scheduler.domain.booking import (
    Assignment,
    assign,
    closed,
    course_blockers,
    date_blockers,
    time_blockers,
)
from services.scheduler.domain.course import Course
from services.scheduler.domain.local_time import LocalTime, resolve
from services.scheduler.domain.protocol import Protocol
from services.scheduler.domain.session import Plan, Session, SessionState, plan
from services.scheduler.errors import BookingRefusedError, RaceLostError, StaleEtagError, WrongStateError
from services.scheduler.ports.roster import Place
from services.scheduler.ports.sessions import NewSession
from services.scheduler.ports.unit import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A session to book. Without `supervisor_id`, one who can supervise is chosen."""

    course_id: UUID
    room_id: UUID
    arrival: LocalTime
    supervisor_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One session that is to stand somewhere: of which course, where, when, and which one is being moved.

    `supervisor_id` is the one who is to supervise it, nobody else; `preferred_supervisor_id` does where they can.
    `planned` is how it stood, where it is to stand just so again; otherwise its protocol says how long it takes.
    """

    course: Course
    protocol: Protocol
    place: Place
    arrival: LocalTime
    supervisor_id: UUID | None
    preferred_supervisor_id: UUID | None = None
    moving: UUID | None = None
    planned: Plan | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The clinic's zone."""
        return ZoneInfo(self.place.time_zone)

    def plan(self) -> Plan | Blocker:
        """Lay out the session, or say why its local time means no single instant."""
        if self.planned is not None:
            return self.planned
        arrival = resolve(self.arrival, self.zone)
        return arrival if isinstance(arrival, Blocker) else plan(arrival, self.protocol.phases, self.zone)


@dataclass(frozen=True, slots=True)
class Finding:
    """What an attempt met: blockers of the date, blockers of the time on it, or else a plan and who supervises."""

    date_blockers: tuple[Blocker, ...]
    time_blockers: tuple[Blocker, ...]
    plan: Plan | None = None
    assignment: Assignment | None = None

    @property
    def blockers(self) -> tuple[Blocker, ...]:
        """All of them."""
        return self.date_blockers + self.time_blockers


async def validate_booking(booking: Booking, unit: UnitOfWork, clock: Clock) -> list[Blocker]:
    """Return every blocker of a booking and write nothing.

    Raises:
        NotFoundError: the course or the room is not known.
    """
    course = await unit.courses.get(booking.course_id)
    attempt = await attempt_of(booking, course, unit)
    async with unit.rehearsal():  # an expired hold in the way is taken out for the look
        return (await look(attempt, unit, clock.now(), further_sessions=1)).blockers


async def book_session(booking: Booking, unit: UnitOfWork, clock: Clock) -> Session:
    """Book one session.

    Raises:
        NotFoundError: the course or the room is not known.
        BookingRefusedError: with every blocker.
        RaceLostError: another transaction took a place at the same moment; trying again tells what is in the way.
    """
    now = clock.now()
    session = await take_place(booking, unit, now)
    await unit.events.session_booked(session)
    return session


async def take_place(
    booking: Booking, unit: UnitOfWork, now: datetime, hold_expire_time: datetime | None = None
) -> Session:
    """Store a session where nothing is in the way: booked, or held until that time.

    Raises:
        NotFoundError: the course or the room is not known.
        BookingRefusedError: with every blocker.
        RaceLostError: another transaction took a place at the same moment.
    """
    course = await unit.courses.lock(booking.course_id)
    place, alone = await unit.sessions.try_lock_day(booking.room_id, booking.arrival.date)
    attempt = await attempt_of(booking, course, unit, place)
    seen = await look(attempt, unit, now, further_sessions=1)
    if not (alone or seen.blockers):  # who is refused anyway need not wait for the others
        await lock_days([attempt], unit)
        seen = await look(attempt, unit, now, further_sessions=1)
    if seen.blockers:
        raise BookingRefusedError(seen.blockers, course.name)
    return await add_session(seen.attempt, seen.finding, unit, now, hold_expire_time)


def require_booked(session: Session, etag: str) -> None:
    """Refuse to change a session that the caller has not read as it is, or that has begun or is cancelled.

    Raises:
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not booked.
    """
    require_state(session, etag, frozenset({SessionState.BOOKED}))


def require_state(session: Session, etag: str, states: frozenset[SessionState]) -> None:
    """Refuse to change a session that the caller has not read as it is, or that is in another state.

    Raises:
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is in none of these states.
    """
    if etag != session.etag:
        raise StaleEtagError(session.name)
    if session.state not in states:
        raise WrongStateError(session.name, session.state, " or ".join(sorted(states)))


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of an attempt, and everything that stands in its way."""

    attempt: Attempt
    finding: Finding
    blockers: list[Blocker]


async def look(attempt: Attempt, unit: UnitOfWork, now: datetime, *, further_sessions: int) -> Look:
    """Look at everything in the way of an attempt; holds that have expired are ended where they are."""
    seen = await _look(attempt, unit, now, further_sessions)
    in_the_way = sessions_in_the_way(seen.blockers)
    patient_id, days = attempt.course.patient_id, days_of([attempt])
    if seen.blockers and await unit.sessions.expire_holds(now, patient_id, days, in_the_way):
        course = await unit.courses.get(attempt.course.course_id)
        seen = await _look(replace(attempt, course=course), unit, now, further_sessions)
    return seen


async def _look(attempt: Attempt, unit: UnitOfWork, now: datetime, further_sessions: int) -> Look:
    finding = await examine(attempt, unit, now)
    return Look(attempt, finding, [*course_blockers(attempt.course, further_sessions), *finding.blockers])


async def lock_days(attempts: Sequence[Attempt], unit: UnitOfWork) -> None:
    """Let bookers of the same clinic and date come one after the other."""
    await unit.sessions.lock_days(days_of(attempts))


def days_of(attempts: Sequence[Attempt]) -> list[tuple[UUID, date]]:
    """Return the clinic and the date of each attempt."""
    return [(attempt.place.clinic_id, attempt.arrival.date) for attempt in attempts]


async def examine(attempt: Attempt, unit: UnitOfWork, now: datetime) -> Finding:
    """Look at everything around an attempt; what concerns the course as a whole is not part of it."""
    course, day = attempt.course, attempt.arrival.date
    planned = attempt.plan()
    if isinstance(planned, Blocker):
        commitments = await unit.sessions.commitments(course.patient_id, moving=attempt.moving)
        hours = await unit.sessions.opening(attempt.place.clinic_id, day)
        of_date = date_blockers(course, day, commitments)
        return Finding(tuple(of_date), (planned,) if hours else (planned, closed(day)))
    around = await unit.sessions.around(planned, attempt.place, course, moving=attempt.moving)
    of_date = date_blockers(course, day, around.commitments)
    of_time = time_blockers(planned, around, now=now, wanted_supervisor=attempt.supervisor_id)
    assignment = assign(
        planned.interval,
        around.supervisors,
        attempt.supervisor_id,
        preferred_supervisor=attempt.preferred_supervisor_id,
    )
    return Finding(tuple(of_date), tuple(of_time), planned, assignment)


async def add_session(
    attempt: Attempt, found: Finding, unit: UnitOfWork, now: datetime, hold_expire_time: datetime | None = None
) -> Session:
    """Store the session of an attempt without blockers."""
    planned, assignment = free(found)
    new = NewSession(
        session_id=new_id(),
        course=attempt.course,
        place=attempt.place,
        plan=planned,
        assignment=assignment,
        create_time=now,
        hold_expire_time=hold_expire_time,
    )
    return await unit.sessions.add(new)


def free(found: Finding) -> tuple[Plan, Assignment]:
    """Return where a session stands and who supervises it, of a finding without blockers.

    Raises:
        RaceLostError: it was blocked after all.
    """
    if found.plan is None or found.assignment is None:
        raise RaceLostError
    return found.plan, found.assignment


async def attempt_of(booking: Booking, course: Course, unit: UnitOfWork, place: Place | None = None) -> Attempt:
    """Gather what a booking refers to. `place` is where the room is, if that is known already.

    Raises:
        NotFoundError: the room is not known.
    """
    return Attempt(
        course=course,
        protocol=await unit.protocols.get(course.protocol_id),
        place=place or await unit.roster.place(booking.room_id),
        arrival=booking.arrival,
        supervisor_id=booking.supervisor_id,
    )
