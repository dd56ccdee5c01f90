"""What the dose log reports. These are facts: they are recorded in whatever state the session is."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.runtime.clock import Clock
from services.scheduler.domain.session import Session, SessionState
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.sessions import stand_again

_BEFORE_DOSE = frozenset({SessionState.BOOKED, SessionState.CHECKED_IN})
_BEFORE_DEPARTURE = _BEFORE_DOSE | {SessionState.IN_PROGRESS}


@dataclass(frozen=True, slots=True)
class DoseGiven:
    """A dose that was given in a session, beginning at that instant."""

    administration_id: UUID
    session_id: UUID
    start_time: datetime


async def record_dose(dose: DoseGiven, unit: UnitOfWork, clock: Clock) -> None:
    """Count the patient's next interval from a dose; later sessions that now stand too early are flagged.

    Raises:
        NotFoundError: the session is not known.
    """
    session = await unit.sessions.lock(dose.session_id)
    course = await unit.courses.get(session.course_id)
    await unit.sessions.add_dose(dose.administration_id, session, dose.start_time, course.interval_days)
    if session.state in _BEFORE_DOSE:
        await _enter(SessionState.IN_PROGRESS, session, unit, clock)
    elif session.state is SessionState.NO_SHOW:
        # They came after all. Where the place was given away meanwhile the dose counts and the session stays missed.
        await stand_again(session.changed(clock.now(), state=SessionState.IN_PROGRESS), unit, clock.now())


async def record_departure(session_id: UUID, unit: UnitOfWork, clock: Clock) -> None:
    """Record that the patient of a session left.

    Raises:
        NotFoundError: the session is not known.
    """
    session = await unit.sessions.lock(session_id)
    if session.state in _BEFORE_DEPARTURE:
        await _enter(SessionState.FULFILLED, session, unit, clock)


async def _enter(state: SessionState, session: Session, unit: UnitOfWork, clock: Clock) -> None:
    await unit.sessions.save_state(session.changed(clock.now(), state=state))
