"""What becomes of a session until the dose: cancelled, confirmed, come, not come, or entered in error."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.runtime.clock import Clock
from services.runtime.errors import Blocker
from services.scheduler.domain.blockers import Blocker as DomainBlocker
from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.course import Course, CourseState, treatment_blockers
from services.scheduler.domain.session import LIVE, OPEN, Session, SessionState
from services.scheduler.errors import CheckInRefusedError, DoseRecordedError, NotYetDueError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import free, lock_days, look, require_booked, require_state
from services.scheduler.use_cases.rescheduling import attempt_at

_EXPECTED = frozenset({SessionState.BOOKED, SessionState.NO_SHOW})
_NOT_IN_ERROR = frozenset(SessionState) - {SessionState.ENTERED_IN_ERROR}


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session to change, as the caller read it; `reason` where one is asked for."""

    session_id: UUID
    etag: str
    reason: str = ""


async def cancel_session(change: SessionChange, unit: UnitOfWork, clock: Clock) -> Session:
    """Cancel a session, also where the patient came and was not treated, or let go of a held one; all of it is free.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not held, booked or checked in.
        DoseRecordedError: a dose was given in it.
    """
    session = await unit.sessions.lock(change.session_id)
    require_state(session, change.etag, OPEN | {SessionState.CHECKED_IN})
    if session.state is SessionState.CHECKED_IN and await unit.sessions.has_dose(session.session_id):
        raise DoseRecordedError(session.name)
    return await cancel(session, change.reason, unit, clock.now())


async def cancel_series(change: SessionChange, unit: UnitOfWork, clock: Clock) -> list[Session]:
    """Cancel a booked session and all booked ones of its course after it.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not booked.
    """
    session = await unit.sessions.lock(change.session_id)
    require_booked(session, change.etag)
    now = clock.now()
    return [await cancel(one, change.reason, unit, now) for one in await unit.sessions.following(session)]


async def cancel(session: Session, reason: str, unit: UnitOfWork, now: datetime) -> Session:
    """Cancel an open session; nobody is told of one that was only held."""
    cancelled = session.changed(
        now,
        state=SessionState.CANCELLED,
        cancel_reason=reason,
        hold_expire_time=None,
        revision=session.revision + 1,
    )
    await unit.sessions.save_state(cancelled)
    if session.state is not SessionState.HELD:
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
    if session.confirm_time is not None and session.state in LIVE:
        return session
    require_booked(session, change.etag)
    now = clock.now()
    confirmed = session.changed(now, confirm_time=now)
    await unit.sessions.save_state(confirmed)
    await unit.events.session_confirmed(confirmed)
    return confirmed


async def mark_no_show(change: SessionChange, unit: UnitOfWork, clock: Clock) -> Session:
    """Record that the patient did not come; room and supervisor are free again.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not booked.
        NotYetDueError: it has not begun.
    """
    session = await unit.sessions.lock(change.session_id)
    require_booked(session, change.etag)
    now = clock.now()
    if now < session.plan.start_time:
        raise NotYetDueError(session.name)
    return await miss(session, unit, now)


async def miss(session: Session, unit: UnitOfWork, now: datetime) -> Session:
    """Record a booked session as missed, and tell of it."""
    missed = session.changed(now, state=SessionState.NO_SHOW)
    await unit.sessions.save_state(missed)
    await unit.events.session_no_show(missed)
    return missed


async def mark_entered_in_error(change: SessionChange, unit: UnitOfWork, clock: Clock) -> Session:
    """Record that a session should never have been there; it stays readable, and holds nothing.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is so already.
        DoseRecordedError: a dose was given in it, so it took place.
    """
    session = await unit.sessions.lock(change.session_id)
    require_state(session, change.etag, _NOT_IN_ERROR)
    if await unit.sessions.has_dose(session.session_id):
        raise DoseRecordedError(session.name)
    withdrawn = session.changed(
        clock.now(),
        state=SessionState.ENTERED_IN_ERROR,
        cancel_reason=change.reason,
        hold_expire_time=None,
        revision=session.revision + 1,
    )
    await unit.sessions.save_state(withdrawn)
    if session.state not in {SessionState.HELD, SessionState.CANCELLED}:
        await unit.events.session_cancelled(withdrawn)
    return withdrawn


async def check_in_session(change: SessionChange, unit: UnitOfWork, clock: Clock) -> Session:
    """Record that the patient has come, on the session's own date on the clinic's clock.

    One who was taken for a no-show may still come, where the session's room has not been taken since and somebody can
    supervise it: whoever did, or else whoever is free.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is neither booked nor a no-show.
        CheckInRefusedError: with every blocker: another date, no valid consent, a patient who is too young by the date
            of birth as it is known now, a course that is not active, a review that this session waits for, or too early
            after a dose.
    """
    session = await unit.sessions.lock(change.session_id)
    require_state(session, change.etag, _EXPECTED)
    now = clock.now()
    course = await unit.courses.get(session.course_id)
    if blockers := _arrival_blockers(session, course, now):
        raise CheckInRefusedError(blockers)
    arrived = session.changed(now, state=SessionState.CHECKED_IN, check_in_time=now)
    if session.state is not SessionState.NO_SHOW:
        await unit.sessions.save_state(arrived)
    elif blockers := await stand_again(arrived, unit, now):
        raise CheckInRefusedError(blockers)
    else:
        arrived = await unit.sessions.get(session.session_id)  # others may supervise it now
    await unit.events.session_checked_in(arrived)
    return arrived


async def stand_again(session: Session, unit: UnitOfWork, now: datetime) -> list[Blocker]:
    """Let a session that was a no-show stand where it stood, in its new state; or say what is there now.

    Where another clinician supervises it from now on, that is told.
    """
    attempt = replace(await attempt_at(session, unit), planned=session.plan)
    await lock_days([attempt], unit)
    seen = await look(attempt, unit, now, further_sessions=int(not session.counted))
    in_the_way = [one for one in seen.blockers if one.code is not BlockerCode.PAST]
    if not in_the_way:
        _, assignment = free(seen.finding)
        if await unit.sessions.restore(replace(session, too_early=False), assignment):
            if {one.practitioner_id for one in session.supervisions} != {assignment.practitioner_id}:
                await unit.events.session_supervision_changed(await unit.sessions.get(session.session_id))
            return []
        text = "its place was given away meanwhile; book another"
        in_the_way = [DomainBlocker(BlockerCode.ROOM_BUSY, text)]
    return [Blocker(one.code, session.name, one.description) for one in in_the_way]


def _arrival_blockers(session: Session, course: Course, now: datetime) -> list[Blocker]:
    name, blockers = session.name, []
    today = now.astimezone(session.zone).date()
    if now >= session.plan.end_time and today == session.plan.local_date:
        blockers.append(Blocker(BlockerCode.PAST, name, "the session is over; book another"))
    if today != session.plan.local_date:
        text = f"the session is on {session.plan.local_date}, and it is {today} at the clinic; reschedule it first"
        blockers.append(Blocker("OTHER_DATE", name, text))
    return [*blockers, *held_up(session, course)]


def held_up(session: Session, course: Course) -> list[Blocker]:
    """Return what keeps a session from taking place whenever the patient comes."""
    name, unfit = session.name, treatment_blockers(course, session.plan.local_date)
    blockers = [Blocker(one.code, name, one.description) for one in unfit]
    if course.state is not CourseState.ACTIVE:
        text = f"the course is {course.state}; have it resumed first"
        blockers.append(Blocker(BlockerCode.COURSE_NOT_ACTIVE, name, text))
    if session.ordinal >= course.hold_from:
        text = (
            f"it is session {session.ordinal} of its course; from session {course.hold_from} on a supervisor's review "
            f"is needed, which is due after {course.review_point}"
        )
        blockers.append(Blocker(BlockerCode.REVIEW_DUE, name, text))
    if session.too_early and session.state is SessionState.BOOKED:  # one that was missed is judged as it stands again
        text = "the dose given before it leaves less than the protocol's interval; reschedule it"
        blockers.append(Blocker(BlockerCode.CADENCE, name, text))
    return blockers
