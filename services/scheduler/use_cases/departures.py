"""A practitioner leaves: their sessions are handed to others at the same time, or re-offered."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from services.runtime.clock import Clock
from services.runtime.errors import NotFoundError
from services.runtime.names import etag_of, format_name
from services.scheduler.domain.booking import assign
from services.scheduler.domain.roster import Practitioner
from services.scheduler.domain.roster_changes import Kind
from services.scheduler.domain.session import UNDER_WAY, Session, SessionState, Supervision
from services.scheduler.domain.slots import Slot
from services.scheduler.domain.stranded import NeededHandOver
from services.scheduler.errors import RaceLostError, StaleEtagError
from services.scheduler.ports.availability import Supervised
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.stranded import propose_moves
from services.scheduler.use_cases.supervising import successor


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A practitioner, as they were read, and the last clinic-local date on which they work."""

    practitioner_id: UUID
    etag: str
    last_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Reoffered:
    """A session whose supervisor leaves: who supervises it now, or else where it could be moved to.

    Or one that is under way, and the hand-over that it needs: who supervises a patient who is there, people say.
    """

    session: Session
    supervisor_id: UUID | None = None
    proposals: tuple[Slot, ...] = ()
    hand_over: NeededHandOver | None = None


@dataclass(frozen=True, slots=True)
class Departed:
    """A practitioner who leaves, and what becomes of their sessions, by start."""

    practitioner: Practitioner
    sessions: tuple[Reoffered, ...]


async def depart_practitioner(departure: Departure, unit: UnitOfWork, clock: Clock) -> Departed:
    """Record when a practitioner leaves; each session after that is handed to another who can supervise it, if any.

    One that is under way stays as it is, and a hand-over is proposed.

    Raises:
        NotFoundError: the practitioner is not known.
        StaleEtagError: they were changed since they were read.
        RaceLostError: their sessions changed at the same moment.
    """
    now = clock.now()
    affected = await unit.departures.supervised_after(departure.practitioner_id, departure.last_date, now)
    sessions = await _locked(affected, unit)
    practitioner = await unit.roster_changes.lock(Kind.PRACTITIONER, departure.practitioner_id)
    name = format_name("practitioners", departure.practitioner_id)
    if not isinstance(practitioner, Practitioner):
        raise NotFoundError(name)
    if departure.etag != etag_of(practitioner):
        raise StaleEtagError(name)
    if affected != await unit.departures.supervised_after(departure.practitioner_id, departure.last_date, now):
        raise RaceLostError
    await unit.roster_changes.set_leave_date(departure.practitioner_id, departure.last_date)
    reoffered = [
        await _reoffer(session, departure.practitioner_id, unit, now)
        for session in sessions
        if not session.hold_expired(now)
    ]
    return Departed(replace(practitioner, leave_date=departure.last_date), tuple(reoffered))


async def _locked(affected: tuple[Supervised, ...], unit: UnitOfWork) -> list[Session]:
    """Lock as bookings do, patients first, then days: whoever books waits, and nobody waits for each other."""
    sessions = [await unit.sessions.lock(one.session_id) for one in affected]
    await unit.sessions.lock_days(sorted({(one.clinic_id, one.local_date) for one in affected}))
    return sorted(sessions, key=lambda session: session.plan.start_time)


async def _reoffer(session: Session, leaver: UUID, unit: UnitOfWork, now: datetime) -> Reoffered:
    await unit.sessions.expire_holds(now, session.patient_id, [(session.clinic_id, session.plan.local_date)])
    periods = [period for period in session.supervisions if period.practitioner_id == leaver]
    if session.state in UNDER_WAY:
        since = min(max(period.interval.start, now) for period in periods if period.interval.end > now)
        return Reoffered(session=session, hand_over=NeededHandOver(since, await successor(session, since, unit)))
    heirs = [await _hand_over(session, period, unit, now) for period in periods]
    stored = await unit.sessions.get(session.session_id)
    if any(heirs) and stored.state is not SessionState.HELD:  # of a held one nobody was told
        await unit.events.session_supervision_changed(stored)
    if None in heirs:
        return Reoffered(session=stored, proposals=await propose_moves(stored, unit, now))
    return Reoffered(session=stored, supervisor_id=heirs[-1])


async def _hand_over(session: Session, supervision: Supervision, unit: UnitOfWork, now: datetime) -> UUID | None:
    """Give a period to whoever can supervise it, and return whom, or None."""
    course = await unit.courses.get(session.course_id)
    found = await unit.sessions.supervisors(
        supervision.interval,
        session.plan.local_date,
        session.clinic_id,
        course.protocol_code,
        moving=session.session_id,
    )
    assignment = assign(supervision.interval, found)
    if assignment is None:
        return None
    await unit.sessions.reassign(session, supervision, assignment)
    await unit.sessions.save_state(session.changed(now))
    return assignment.practitioner_id
