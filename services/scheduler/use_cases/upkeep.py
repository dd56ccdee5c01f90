"""What happens by itself when its time has come; whoever does it a second time finds it done."""

from uuid import UUID

from services.runtime.clock import Clock
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.domain.session import HOLD_EXPIRED, SessionState
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.sessions import cancel, held_up, miss


async def expire_hold(session_id: UUID, unit: UnitOfWork, clock: Clock) -> None:
    """Let go of a session that was held for too long.

    Raises:
        NotFoundError: the session is not known.
    """
    session = await unit.sessions.lock(session_id)
    if session.hold_expired(clock.now()):
        await cancel(session, HOLD_EXPIRED, unit, clock.now())


async def miss_session(session_id: UUID, unit: UnitOfWork, clock: Clock, policy: SchedulingPolicy) -> None:
    """Record a patient who did not come until the grace period was over as a no-show.

    Raises:
        NotFoundError: the session is not known.
    """
    session = await unit.sessions.lock(session_id)
    now = clock.now()
    due = session.state is SessionState.BOOKED and session.plan.start_time + policy.no_show_grace <= now
    # One who may not be checked in did not fail to come.
    if due and not held_up(session, await unit.courses.get(session.course_id)):
        await miss(session, unit, now)
