"""What becomes of a booked session until the dose: cancelled, confirmed, or the patient has come."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.runtime.clock import Clock
from services.runtime.errors import Blocker
from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.course import Course, CourseState
from services.scheduler.domain.session import Session, SessionState
from services.scheduler.errors import CheckInRefusedError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import require_booked


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session to change, as the caller read it; `reason` where one is asked for."""

    session_id: UUID
    etag: str
    reason: str = ""


async def cancel_session(change: SessionChange, unit: UnitOfWork, clock: Clock) -> Session:
    """Cancel a session that has not begun; all that it held is free again.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not booked.
    """
    session = await unit.sessions.lock(change.session_id)
    require_booked(session, change.etag)
    return await cancel(session, change.reason, unit, clock)


async def cancel(session: Session, reason: str, unit: UnitOfWork, clock: Clock) -> Session:
    """Cancel a session that has not begun and is locked, and tell of it."""
    cancelled = replace(
        _changed(session, clock.now()),
        state=SessionState.CANCELLED,
        cancel_reason=reason,
        revision=session.revision + 1,
    )
    await unit.sessions.save_state(cancelled)
    await unit.events.session_cancelled(cancelled)
    return cancelled


async def confirm_session(change: SessionChange, unit: UnitOfWork, clock: Clock) -> Session:
    """Record that the patient will come; a session that is confirmed stays as it is.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not booked.
    """
    session = await unit.sessions.lock(change.session_id)
    if session.confirm_time is not None and session.state is not SessionState.CANCELLED:
        return session
    require_booked(session, change.etag)
    now = clock.now()
    confirmed = replace(_changed(session, now), confirm_time=now)
    await unit.sessions.save_state(confirmed)
    await unit.events.session_confirmed(confirmed)
    return confirmed


async def check_in_session(change: SessionChange, unit: UnitOfWork, clock: Clock) -> Session:
    """Record that the patient has come, on the session's own date on the clinic's clock.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not booked.
        CheckInRefusedError: with every blocker: another date, a course that is not active, a review that this session
            waits for, or too early after a dose.
    """
    session = await unit.sessions.lock(change.session_id)
    require_booked(session, change.etag)
    now = clock.now()
    course = await unit.courses.get(session.course_id)
    if blockers := _arrival_blockers(session, course, now):
        raise CheckInRefusedError(blockers)
    arrived = replace(_changed(session, now), state=SessionState.CHECKED_IN, check_in_time=now)
    await unit.sessions.save_state(arrived)
    await unit.events.session_checked_in(arrived)
    return arrived


def _changed(session: Session, now: datetime) -> Session:
    return replace(session, version=session.version + 1, update_time=now)


def _arrival_blockers(session: Session, course: Course, now: datetime) -> list[Blocker]:
    name = f"sessions/{session.session_id}"
    blockers = []
    today = now.astimezone(session.zone).date()
    if today != session.plan.local_date:
        text = f"the session is on {session.plan.local_date}, and it is {today} at the clinic; reschedule it first"
        blockers.append(Blocker("OTHER_DATE", name, text))
    if course.state is not CourseState.ACTIVE:
        text = f"the course is {course.state}; have it resumed first"
        blockers.append(Blocker(BlockerCode.COURSE_NOT_ACTIVE, name, text))
    if session.ordinal >= course.hold_from:
        text = (
            f"it is session {session.ordinal} of its course; from session {course.hold_from} on a supervisor's review "
            f"is needed, which is due after {course.review_point}"
        )
        blockers.append(Blocker(BlockerCode.REVIEW_DUE, name, text))
    if session.too_early:
        text = "the dose given before it leaves less than the protocol's interval; reschedule it"
        blockers.append(Blocker(BlockerCode.CADENCE, name, text))
    return blockers
