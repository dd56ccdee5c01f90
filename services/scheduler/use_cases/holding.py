"""Holding a slot for a while, and booking what is held."""

from dataclasses import dataclass
from uuid import UUID

from services.runtime.clock import Clock
from services.scheduler.domain.blockers import Blocker, BlockerCode
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.domain.session import HOLD_EXPIRED, Session, SessionState
from services.scheduler.errors import BookingRefusedError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import Booking, free, lock_days, look, require_state, take_place
from services.scheduler.use_cases.rescheduling import attempt_at


@dataclass(frozen=True, slots=True)
class HeldBooking:
    """A held session to book, as the caller read it."""

    session_id: UUID
    etag: str


async def hold_slot(booking: Booking, unit: UnitOfWork, clock: Clock, policy: SchedulingPolicy) -> Session:
    """Keep a slot for a patient for a while: nobody else can take it, and nobody is told.

    Raises:
        NotFoundError: the course or the room is not known.
        BookingRefusedError: with every blocker, as for a booking.
        RaceLostError: another transaction took a place at the same moment.
    """
    now = clock.now()
    return await take_place(booking, unit, now, hold_expire_time=now + policy.hold)


async def book_held(held: HeldBooking, unit: UnitOfWork, clock: Clock) -> Session:
    """Book a session that is held, where it stands: under the supervisor of the hold, or else whoever is free.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not held.
        BookingRefusedError: with every blocker: the hold has expired, or what a booking needs is not there any more.
        RaceLostError: another transaction took a place at the same moment.
    """
    session = await unit.sessions.lock(held.session_id)
    now = clock.now()
    if session.hold_expired(now) or (session.state is SessionState.CANCELLED and session.cancel_reason == HOLD_EXPIRED):
        text = "the hold has expired; hold the slot again, or book it where it is still free"
        raise BookingRefusedError([Blocker(BlockerCode.HOLD_EXPIRED, text)], session.name)
    require_state(session, held.etag, frozenset({SessionState.HELD}))
    attempt = await attempt_at(session, unit)
    await lock_days([attempt], unit)
    seen = await look(attempt, unit, now, further_sessions=0)
    if seen.blockers:
        raise BookingRefusedError(seen.blockers, session.name)
    _, assignment = free(seen.finding)
    booked = session.changed(now, state=SessionState.BOOKED, hold_expire_time=None)
    await unit.sessions.move(booked, assignment)
    stored = await unit.sessions.get(session.session_id)
    await unit.events.session_booked(stored)
    return stored
