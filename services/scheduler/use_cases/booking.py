"""Booking and moving sessions: everything that stands in the way is named, or the whole of it is done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.runtime.clock import Clock
from services.runtime.identifiers import new_id
from services.scheduler.domain.blockers import Blocker
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
class Reschedule:
    """A session to move, as it was read. Without `room_id` it stays in its room."""

    session_id: UUID
    etag: str
    arrival: LocalTime
    room_id: UUID | None
    supervisor_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One session that is to stand somewhere: of which course, where, when, and which one is being moved."""

    course: Course
    protocol: Protocol
    place: Place
    arrival: LocalTime
    supervisor_id: UUID | None
    moving: UUID | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The clinic's zone."""
        return ZoneInfo(self.place.time_zone)

    def plan(self) -> Plan | Blocker:
        """Lay out the session, or say why its local time means no single instant."""
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
    found = await examine(await attempt_of(booking, course, unit), unit, clock.now())
    return [*course_blockers(course, 1), *found.blockers]


async def book_session(booking: Booking, unit: UnitOfWork, clock: Clock) -> Session:
    """Book one session.

    Raises:
        NotFoundError: the course or the room is not known.
        BookingRefusedError: with every blocker.
        RaceLostError: another transaction took a place at the same moment; trying again tells what is in the way.
    """
    course = await unit.courses.lock(booking.course_id)
    attempt = await attempt_of(booking, course, unit)
    await lock_days([attempt], unit)
    found = await examine(attempt, unit, clock.now())
    if blockers := [*course_blockers(course, 1), *found.blockers]:
        raise BookingRefusedError(blockers, f"courses/{course.course_id}")
    return await add_session(attempt, found, unit, clock.now())


async def reschedule_session(command: Reschedule, unit: UnitOfWork, clock: Clock) -> Session:
    """Move a session that has not begun, keeping its id; a confirmation of the old time does not count any more.

    Raises:
        NotFoundError: the session or the room is not known.
        StaleEtagError: the session was changed since it was read.
        WrongStateError: it is not booked.
        BookingRefusedError: with every blocker at the new time, the session's own place left out.
        RaceLostError: another transaction took a place at the same moment.
    """
    session = await unit.sessions.lock(command.session_id)
    require_booked(session, command.etag)
    attempt = Attempt(
        course=await unit.courses.get(session.course_id),
        protocol=await unit.protocols.get(session.protocol_id),
        place=await unit.roster.place(command.room_id or session.room_id),
        arrival=command.arrival,
        supervisor_id=command.supervisor_id,
        moving=session.session_id,
    )
    await lock_days([attempt], unit)
    found = await examine(attempt, unit, clock.now())
    if blockers := [*course_blockers(attempt.course, 0), *found.blockers]:
        raise BookingRefusedError(blockers, f"sessions/{session.session_id}")
    planned, assignment = _free(found)
    await unit.sessions.move(_moved(session, attempt.place, planned, clock.now()), assignment)
    stored = await unit.sessions.get(session.session_id)
    await unit.events.session_rescheduled(stored, session)
    return stored


def _moved(session: Session, place: Place, planned: Plan, now: datetime) -> Session:
    return replace(
        session,
        clinic_id=place.clinic_id,
        room_id=place.room_id,
        time_zone=place.time_zone,
        plan=planned,
        too_early=False,
        confirm_time=None,
        revision=session.revision + 1,
        version=session.version + 1,
        update_time=now,
    )


def require_booked(session: Session, etag: str) -> None:
    """Refuse to change a session that the caller has not read as it is, or that has begun or is cancelled.

    Raises:
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not booked.
    """
    name = f"sessions/{session.session_id}"
    if etag != session.etag:
        raise StaleEtagError(name)
    if session.state is not SessionState.BOOKED:
        raise WrongStateError(name, session.state, SessionState.BOOKED)


async def lock_days(attempts: Sequence[Attempt], unit: UnitOfWork) -> None:
    """Let bookers of the same clinic and date come one after the other."""
    await unit.sessions.lock_days([(attempt.place.clinic_id, attempt.arrival.date) for attempt in attempts])


async def examine(attempt: Attempt, unit: UnitOfWork, now: datetime) -> Finding:
    """Look at everything around an attempt; what concerns the course as a whole is not part of it."""
    day = attempt.arrival.date
    commitments = await unit.sessions.commitments(attempt.course.patient_id, moving=attempt.moving)
    of_date = tuple(date_blockers(attempt.course, day, commitments))
    planned = attempt.plan()
    if isinstance(planned, Blocker):
        hours = await unit.sessions.opening(attempt.place.clinic_id, day)
        return Finding(of_date, (planned,) if hours else (planned, closed(day)))
    around = await unit.sessions.around(
        planned, attempt.place, attempt.course.protocol_code, commitments, moving=attempt.moving
    )
    of_time = time_blockers(planned, around, now=now, wanted_supervisor=attempt.supervisor_id)
    return Finding(of_date, tuple(of_time), planned, assign(planned, around, attempt.supervisor_id))


async def add_session(attempt: Attempt, found: Finding, unit: UnitOfWork, now: datetime) -> Session:
    """Store the session of an attempt without blockers, and tell of it."""
    planned, assignment = _free(found)
    session_id = new_id()
    new = NewSession(
        session_id=session_id,
        course=attempt.course,
        place=attempt.place,
        plan=planned,
        assignment=assignment,
        create_time=now,
    )
    await unit.sessions.add(new)
    stored = await unit.sessions.get(session_id)
    await unit.events.session_booked(stored)
    return stored


def _free(found: Finding) -> tuple[Plan, Assignment]:
    if found.plan is None or found.assignment is None:
        raise RaceLostError
    return found.plan, found.assignment


async def attempt_of(booking: Booking, course: Course, unit: UnitOfWork) -> Attempt:
    """Gather what a booking refers to.

    Raises:
        NotFoundError: the room is not known.
    """
    return Attempt(
        course=course,
        protocol=await unit.protocols.get(course.protocol_id),
        place=await unit.roster.place(booking.room_id),
        arrival=booking.arrival,
        supervisor_id=booking.supervisor_id,
    )
