"""A session takes longer: what it runs into is named with a way out, and moved with it or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.runtime.clock import Clock
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.scheduler.domain.blockers import Blocker, BlockerCode, sessions_in_the_way
from services.scheduler.domain.booking import assign, date_blockers, supervision_blockers
from services.scheduler.domain.extension import Cover, Hit
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.local_time import local_time_of
from services.scheduler.domain.session import ATTENDED, Session, SessionState
from services.scheduler.domain.slots import Slot
from services.scheduler.errors import BookingRefusedError, ExtensionRefusedError, StaleEtagError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import Attempt, free, look, require_state
from services.scheduler.use_cases.proposing import nearest_slots
from services.scheduler.use_cases.rescheduling import Reschedule, attempt_at, attempt_to_move, move_all

PROPOSAL_DAYS = 6
"""How many days after its own date a proposal for a session that is hit may lie."""
LONGEST = timedelta(hours=12)
_NOT_BEGUN = frozenset({SessionState.HELD, SessionState.BOOKED, SessionState.CHECKED_IN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A session that is to end later, as it was read, and where those that it runs into are to stand."""

    session_id: UUID
    etag: str
    end_time: datetime
    moves: tuple[Reschedule, ...] = ()


@dataclass(frozen=True, slots=True)
class Extended:
    """The session with its later end, the sessions that it runs into, and those that were moved for it."""

    session: Session
    hits: tuple[Hit, ...]
    moved: tuple[Session, ...] = ()


async def validate_extension(command: Extension, unit: UnitOfWork, clock: Clock) -> Extended:
    """Say what a later end would run into, with a proposed move for each session that it hits; write nothing.

    Raises:
        NotFoundError: the session is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not booked or going on.
        InvalidArgumentError: the end is not later than it is now, or much too late.
        BookingRefusedError: nobody can supervise the longer time, whatever is moved.
    """
    async with unit.rehearsal():
        session, longer = await _longer(command, unit, clock.now())
        hits = await _make_way(session, longer, unit, clock.now())
        proposed = await _propose(hits, unit, clock.now())
        return Extended(await unit.sessions.get(session.session_id), proposed)


async def extend_session(command: Extension, unit: UnitOfWork, clock: Clock) -> Extended:
    """Let a session end later. Sessions in the way are moved as the command says, in the same transaction.

    Opening hours do not stand in the way: a patient stays for as long as they need to.

    Raises:
        NotFoundError: a session or room is not known.
        StaleEtagError: a session was changed since it was read.
        WrongStateError: it is not booked or going on.
        InvalidArgumentError: the end is not later than it is now, or a move is of a session that is not in the way.
        ExtensionRefusedError: with every session in the way that the command does not move, and a proposed move.
        BookingRefusedError: nobody can supervise the longer time, or with every blocker of a move.
        RaceLostError: another transaction took a place at the same moment.
    """
    now = clock.now()
    session, longer = await _longer(command, unit, now)
    hits = await _make_way(session, longer, unit, now)
    moves = {move.session_id: move for move in command.moves}
    _require_possible(command.moves, hits)
    if any(hit.session.session_id not in moves for hit in hits):
        raise ExtensionRefusedError(await _propose(hits, unit, now), session.name)
    for hit in hits:
        if moves[hit.session.session_id].etag != hit.session.etag:
            raise StaleEtagError(hit.session.name)
    wanted = [(hit.session, await attempt_to_move(hit.session, moves[hit.session.session_id], unit)) for hit in hits]
    moved = await move_all(wanted, unit, now) if wanted else []
    stored = await unit.sessions.get(session.session_id)
    await unit.events.session_extended(stored)
    return Extended(stored, tuple(hits), tuple(moved))


async def _longer(command: Extension, unit: UnitOfWork, now: datetime) -> tuple[Session, Session]:
    """Return the session as it is, and as it is to be."""
    session = await unit.sessions.lock(command.session_id)
    require_state(session, command.etag, ATTENDED)
    plan = session.plan
    if not plan.end_time < command.end_time <= plan.start_time + LONGEST:
        text = f"write a time after the session's present end, at most {LONGEST} after its start"
        raise InvalidArgumentError([FieldViolation("end_time", text)])
    by = command.end_time - plan.end_time
    later = replace(plan, end_time=command.end_time, release_time=plan.release_time + by)
    return session, session.changed(now, plan=later)


async def _make_way(session: Session, longer: Session, unit: UnitOfWork, now: datetime) -> list[Hit]:
    """Take everything that the later end runs into out of the schedule, and store the later end."""
    await unit.sessions.expire_holds(now, session.patient_id, [(session.clinic_id, session.plan.local_date)])
    attempt = await attempt_at(session, unit)
    around = await unit.sessions.around(longer.plan, attempt.place, attempt.course, moving=session.session_id)
    in_room = [await unit.sessions.lock(one) for one in sorted(around.room_sessions)]
    begun = [one.session_id for one in in_room if one.state not in _NOT_BEGUN]
    if begun:
        text = "a session in the room has begun already; move one of the two patients to another room first"
        raise BookingRefusedError([Blocker(BlockerCode.ROOM_BUSY, text, tuple(begun))], session.name)
    await unit.sessions.lift([one.session_id for one in in_room])
    hits = [Hit(one, BlockerCode.ROOM_BUSY) for one in in_room]
    cover, supervised = await _cover(session, longer, attempt, unit)
    await unit.sessions.prolong(longer)
    await unit.sessions.supervise(longer, cover.interval.start, cover.interval, cover.assignment)
    return sorted([*hits, *supervised], key=lambda hit: (hit.session.plan.start_time, hit.session.session_id))


async def _cover(session: Session, longer: Session, attempt: Attempt, unit: UnitOfWork) -> tuple[Cover, list[Hit]]:
    """Find who supervises the longer time, at the cost of as few sessions that begin in it as possible."""
    hits: list[Hit] = []
    while True:
        last = session.supervisions[-1]
        ways = (
            (Interval(last.interval.start, longer.plan.end_time), last.practitioner_id),
            (Interval(session.plan.end_time, longer.plan.end_time), None),
        )
        blockers: list[Blocker] = []
        for interval, wanted in ways:
            found = await unit.sessions.supervisors(
                interval,
                session.plan.local_date,
                session.clinic_id,
                attempt.course.protocol_code,
                moving=session.session_id,
            )
            assignment = assign(interval, found, wanted)
            if assignment is not None:
                return Cover(interval, assignment), hits
            blockers = supervision_blockers(interval, found, wanted)
        in_the_way = [await unit.sessions.get(one) for one in sessions_in_the_way(blockers)]
        beginning = [
            one for one in in_the_way if one.state in _NOT_BEGUN and one.plan.start_time >= session.plan.end_time
        ]
        if not beginning:
            raise BookingRefusedError(blockers, session.name)
        hit = await unit.sessions.lock(max(beginning, key=lambda one: one.plan.start_time).session_id)
        await unit.sessions.lift([hit.session_id])
        hits.append(Hit(hit, BlockerCode.SUPERVISION_RATIO))


async def _propose(hits: Sequence[Hit], unit: UnitOfWork, now: datetime) -> tuple[Hit, ...]:
    """Find a place for each session that is hit, one after the other, so that no two proposals collide."""
    proposed = []
    for hit in hits:
        attempt = await attempt_at(hit.session, unit)
        slot = await _nearest(hit.session, attempt, unit, now)
        if slot is not None:
            await _rehearse(hit.session, attempt, slot, unit, now)
        proposed.append(replace(hit, proposal=slot))
    return tuple(proposed)


async def _nearest(session: Session, attempt: Attempt, unit: UnitOfWork, now: datetime) -> Slot | None:
    """Return the free slot nearest to a session's time: on its own date if there is one, otherwise soon after."""
    commitments = await unit.sessions.commitments(session.patient_id, moving=session.session_id)
    further = 0 if session.state is SessionState.CHECKED_IN else PROPOSAL_DAYS
    days = [session.plan.local_date + timedelta(days=n) for n in range(further + 1)]
    allowed = [day for day in days if not date_blockers(attempt.course, day, commitments)]
    return next(iter(await nearest_slots(attempt, allowed, unit, now, count=1)), None)


async def _rehearse(session: Session, attempt: Attempt, slot: Slot, unit: UnitOfWork, now: datetime) -> None:
    """Let a session stand at its proposal, so that the next one does not get the same place."""
    place = await unit.roster.place(slot.room_id)
    moved = replace(
        attempt, place=place, arrival=local_time_of(slot.interval.start, attempt.zone), supervisor_id=slot.supervisor_id
    )
    seen = await look(moved, unit, now, further_sessions=0)
    if not seen.finding.blockers:
        planned, assignment = free(seen.finding)
        await unit.sessions.move(session.changed(now, room_id=place.room_id, plan=planned), assignment)


def _require_possible(moves: Sequence[Reschedule], hits: Sequence[Hit]) -> None:
    hit = {one.session.session_id: one.session for one in hits}
    faults = []
    for n, move in enumerate(moves):
        session = hit.get(move.session_id)
        if session is None:
            text = "is not in the way of the later end; move it by itself"
            faults.append(FieldViolation(f"moves[{n}].session", text))
        elif session.state is SessionState.CHECKED_IN and move.arrival.date != session.plan.local_date:
            text = "the patient is there already: choose a time on the same date"
            faults.append(FieldViolation(f"moves[{n}].arrival", text))
    if faults:
        raise InvalidArgumentError(faults)
