"""Moving sessions: one, or it and all that follow in its course."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.runtime.clock import Clock
from services.scheduler.domain.blockers import Blocker
from services.scheduler.domain.local_time import LocalTime, instants_of, local_time_of
from services.scheduler.domain.session import Session, SessionState
from services.scheduler.errors import BookingRefusedError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import Attempt, Look, free, lock_days, look, require_booked


@dataclass(frozen=True, slots=True, kw_only=True)
class Reschedule:
    """A session to move, as it was read. Without `room_id` it stays in its room."""

    session_id: UUID
    etag: str
    arrival: LocalTime
    room_id: UUID | None
    supervisor_id: UUID | None


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
    attempt = await attempt_to_move(session, command, unit)
    (moved,) = await move_all([(session, attempt)], unit, clock.now())
    return moved


async def reschedule_series(command: Reschedule, unit: UnitOfWork, clock: Clock) -> list[Session]:
    """Move a session and all booked ones of its course after it by as many days, to the same local time.

    All of them are moved, or none.

    Raises:
        NotFoundError: the session or the room is not known.
        StaleEtagError: the session was changed since it was read.
        WrongStateError: it is not booked.
        BookingRefusedError: with every blocker of every date.
        RaceLostError: another transaction took a place at the same moment.
    """
    session = await unit.sessions.lock(command.session_id)
    require_booked(session, command.etag)
    days = command.arrival.date - session.plan.local_date
    moves = [
        (one, await _attempt_to_follow(one, command, days, unit)) for one in await unit.sessions.following(session)
    ]
    return await move_all(moves, unit, clock.now())


async def move_all(moves: Sequence[tuple[Session, Attempt]], unit: UnitOfWork, now: datetime) -> list[Session]:
    """Put sessions where they are to stand, all of them or none, and tell of each.

    None of them is in the way of another's new place.

    Raises:
        BookingRefusedError: with every blocker; where several move, each names the date.
        RaceLostError: another transaction took a place at the same moment.
    """
    await lock_days([attempt for _, attempt in moves], unit)
    await unit.sessions.lift([session.session_id for session, _ in moves])
    blockers: list[Blocker] = []
    for session, attempt in moves:
        seen = await look(attempt, unit, now, further_sessions=0)
        blockers += _dated(seen, attempt) if len(moves) > 1 else seen.blockers
        if not seen.blockers:
            planned, assignment = free(seen.finding)
            moved = session.changed(
                now,
                clinic_id=attempt.place.clinic_id,
                room_id=attempt.place.room_id,
                time_zone=attempt.place.time_zone,
                plan=planned,
                too_early=False,
                confirm_time=None,
                revision=session.revision + 1,
            )
            await unit.sessions.move(moved, assignment)
    if blockers:
        raise BookingRefusedError(blockers, moves[0][0].name)
    return [await _told(session, unit) for session, _ in moves]


async def attempt_at(session: Session, unit: UnitOfWork) -> Attempt:
    """Return the attempt of a session to stand where it stands, under whoever can supervise it.

    Best under the one that it begins with. Whether they were asked for when it was booked is not known any more.
    """
    return Attempt(
        course=await unit.courses.get(session.course_id),
        protocol=await unit.protocols.get(session.protocol_id),
        place=await unit.roster.place(session.room_id),
        arrival=local_time_of(session.plan.start_time, session.zone),
        supervisor_id=None,
        preferred_supervisor_id=session.supervisions[0].practitioner_id,
        moving=session.session_id,
    )


async def attempt_to_move(session: Session, to: Reschedule, unit: UnitOfWork) -> Attempt:
    """Return the attempt of a session to stand where it is to be moved: in its own room unless another is named.

    Raises:
        NotFoundError: the room is not known.
    """
    attempt = await attempt_at(session, unit)
    place = await unit.roster.place(to.room_id) if to.room_id else attempt.place
    return replace(
        attempt, place=place, arrival=to.arrival, supervisor_id=to.supervisor_id, preferred_supervisor_id=None
    )


async def _attempt_to_follow(session: Session, command: Reschedule, days: timedelta, unit: UnitOfWork) -> Attempt:
    attempt = await attempt_to_move(session, command, unit)
    return replace(attempt, arrival=_arrival(session, command, days, attempt.zone))


def _arrival(session: Session, command: Reschedule, days: timedelta, zone: ZoneInfo) -> LocalTime:
    day = session.plan.local_date + days
    # The offset of the first date means nothing on others, except to choose where the time exists twice.
    chooses = session.session_id == command.session_id or len(instants_of(day, command.arrival.time, zone)) > 1
    return LocalTime(day, command.arrival.time, command.arrival.utc_offset if chooses else None)


def _dated(seen: Look, attempt: Attempt) -> list[Blocker]:
    return [replace(one, description=f"{attempt.arrival.date}: {one.description}") for one in seen.blockers]


async def _told(previous: Session, unit: UnitOfWork) -> Session:
    stored = await unit.sessions.get(previous.session_id)
    if previous.state is not SessionState.HELD:  # of which nobody was told
        await unit.events.session_rescheduled(stored, previous)
    return stored
