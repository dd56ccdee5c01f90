"""Handing the supervision of a session over to another clinician."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.runtime.clock import Clock
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.scheduler.domain.blockers import sessions_in_the_way
from services.scheduler.domain.booking import Supervisor, assign, supervision_blockers
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.session import ATTENDED, Session
from services.scheduler.errors import BookingRefusedError, RaceLostError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import require_state

LATEST_REPORT = timedelta(minutes=15)
"""How long after it happened a hand-over may be recorded (project default)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """A session to hand over, as it was read.

    Attributes:
        hand_over_time: from when another supervises; now, or the start of a session that has not begun, where None.
        supervisor_id: who; anybody else who can, where None.
    """

    session_id: UUID
    etag: str
    hand_over_time: datetime | None
    supervisor_id: UUID | None


async def hand_over_supervision(command: HandOver, unit: UnitOfWork, clock: Clock) -> Session:
    """Let another clinician supervise a session from an instant until its end; no minute is without one.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: nobody supervises it any more.
        InvalidArgumentError: the instant is not within the session, or that clinician supervises then already.
        BookingRefusedError: with every blocker: they are not on shift, not credentialed, or at their ratio.
        RaceLostError: another transaction took a place at the same moment.
    """
    session = await unit.sessions.lock(command.session_id)
    require_state(session, command.etag, ATTENDED)
    now = clock.now()
    since = command.hand_over_time or max(now, session.plan.start_time)
    if session.plan.start_time < now and since < now - LATEST_REPORT:
        text = f"write a time at most {LATEST_REPORT} ago: who supervised before that stays on record"
        raise InvalidArgumentError([FieldViolation("hand_over_time", text)])
    present = _present(session, since, command.supervisor_id)
    await unit.sessions.lock_days([(session.clinic_id, session.plan.local_date)])
    rest = Interval(since, session.plan.end_time)
    others = await _others(session, rest, present, unit)
    blockers = supervision_blockers(rest, others, command.supervisor_id)
    in_the_way = sessions_in_the_way(blockers)
    if in_the_way and await unit.sessions.expire_holds(now, session.patient_id, (), in_the_way):
        others = await _others(session, rest, present, unit)
        blockers = supervision_blockers(rest, others, command.supervisor_id)
    if blockers:
        raise BookingRefusedError(blockers, session.name)
    assignment = assign(rest, others, command.supervisor_id)
    if assignment is None:
        raise RaceLostError
    await unit.sessions.supervise(session, since, rest, assignment)
    await unit.sessions.save_state(session.changed(now))
    stored = await unit.sessions.get(session.session_id)
    await unit.events.session_supervision_changed(stored)
    return stored


async def successor(session: Session, since: datetime, unit: UnitOfWork) -> UUID | None:
    """Return who could supervise a session from an instant on in place of whoever does then, if anybody can."""
    present = _supervising(session, since)
    if present is None:
        return None
    rest = Interval(since, session.plan.end_time)
    assignment = assign(rest, await _others(session, rest, present, unit))
    return assignment.practitioner_id if assignment else None


async def _others(session: Session, rest: Interval, present: UUID, unit: UnitOfWork) -> list[Supervisor]:
    """Return who could supervise the rest of a session but for whoever does at its beginning."""
    course = await unit.courses.get(session.course_id)
    found = await unit.sessions.supervisors(
        rest, session.plan.local_date, session.clinic_id, course.protocol_code, moving=session.session_id
    )
    return [one for one in found if one.practitioner_id != present]


def _present(session: Session, since: datetime, wanted: UUID | None) -> UUID:
    """Return who supervises a session at an instant, and is not the one who is wanted then."""
    present = _supervising(session, since)
    if present is None:
        fault = FieldViolation("hand_over_time", "write a time within the session, before its end")
        raise InvalidArgumentError([fault])
    if present == wanted:
        fault = FieldViolation("supervisor", "supervises the session at that time already; choose another")
        raise InvalidArgumentError([fault])
    return present


def _supervising(session: Session, at: datetime) -> UUID | None:
    for supervision in session.supervisions:
        if supervision.interval.start <= at < supervision.interval.end:
            return supervision.practitioner_id
    return None
