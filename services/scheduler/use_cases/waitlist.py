"""The waiting list: a slot that suits is held for who waits the longest, and offered to them for a while."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.runtime.clock import Clock
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.runtime.identifiers import new_id
from services.scheduler.domain.booking import course_blockers, date_blockers
from services.scheduler.domain.course import Course
from services.scheduler.domain.local_time import local_time_of
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.domain.session import HOLD_EXPIRED, Session, SessionState
from services.scheduler.domain.slots import Slot, SlotSearch
from services.scheduler.domain.waitlist import RefusedSlot, WaitlistEntry, WaitlistState, Wish
from services.scheduler.errors import BookingRefusedError, StaleEtagError, WaitingAlreadyError, WrongStateError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import Booking, take_place
from services.scheduler.use_cases.holding import HeldBooking, book_held
from services.scheduler.use_cases.sessions import cancel

_SLOTS = 200
_OPEN = frozenset({WaitlistState.WAITING, WaitlistState.OFFERED})
_OFFERED = frozenset({WaitlistState.OFFERED})
_NOT_TAKEN = frozenset({SessionState.CANCELLED, SessionState.ENTERED_IN_ERROR})


@dataclass(frozen=True, slots=True)
class EntryChange:
    """An entry to change, as the caller read it."""

    waitlist_entry_id: UUID
    etag: str


async def join_waitlist(wish: Wish, unit: UnitOfWork, clock: Clock) -> WaitlistEntry:
    """Put a course on the waiting list.

    Raises:
        NotFoundError: the course, a clinic or the supervisor is not known.
        InvalidArgumentError: the dates are past.
        WaitingAlreadyError: the course waits already.
        BookingRefusedError: nothing can be booked for the course at all.
    """
    course = await unit.courses.lock(wish.course_id)
    for clinic_id in wish.suits.clinic_ids:
        await unit.roster.clinic(clinic_id)
    if wish.suits.preferred_supervisor is not None:
        await unit.roster.practitioner(wish.suits.preferred_supervisor)
    now = clock.now()
    entry = WaitlistEntry(
        waitlist_entry_id=new_id(),
        patient_id=course.patient_id,
        wish=wish,
        state=WaitlistState.WAITING,
        offered_session_id=None,
        offer_expire_time=None,
        version=1,
        create_time=now,
        update_time=now,
    )
    if entry.past(now):
        raise InvalidArgumentError([FieldViolation("waitlist_entry.end_date", "write a date that is not past")])
    if blockers := course_blockers(course, 1):
        raise BookingRefusedError(blockers, f"courses/{course.course_id}")
    if (other := await unit.waitlist.open_entry(course.course_id)) is not None:
        raise WaitingAlreadyError(other)
    await unit.waitlist.add(entry)
    return entry


async def leave_waitlist(change: EntryChange, unit: UnitOfWork, clock: Clock) -> WaitlistEntry:
    """Take a course off the waiting list; a slot that is offered to it becomes free.

    Raises:
        NotFoundError: the entry is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it neither waits nor has an offer.
    """
    entry = await _locked(change, unit, _OPEN)
    now = clock.now()
    if entry.offered_session_id is not None:
        await _end_offer(entry, await unit.sessions.get(entry.offered_session_id), "left the waiting list", unit, now)
    left = entry.changed(now, state=WaitlistState.LEFT, offered_session_id=None, offer_expire_time=None)
    await unit.waitlist.save(left)
    return left


async def accept_offer(change: EntryChange, unit: UnitOfWork, clock: Clock) -> Session:
    """Book the session that is offered.

    Raises:
        NotFoundError: the entry is not known.
        StaleEtagError: it was changed since it was read, such as by another offer.
        WrongStateError: nothing is offered.
        BookingRefusedError: with every blocker; HOLD_EXPIRED where the offer has expired.
    """
    entry = await _locked(change, unit, _OFFERED)
    held = await unit.sessions.get(_offered(entry))
    session = await book_held(HeldBooking(held.session_id, held.etag), unit, clock)
    await unit.waitlist.save(entry.changed(clock.now(), state=WaitlistState.BOOKED, offer_expire_time=None))
    return session


async def decline_offer(change: EntryChange, unit: UnitOfWork, clock: Clock) -> WaitlistEntry:
    """Let the offered session go; the course keeps its place on the list, and the slot goes to the next.

    Raises:
        NotFoundError: the entry is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: nothing is offered.
    """
    entry = await _locked(change, unit, _OFFERED)
    now = clock.now()
    await _end_offer(entry, await unit.sessions.get(_offered(entry)), "offer declined", unit, now)
    waiting = entry.waiting(now)
    await unit.waitlist.save(waiting)
    return waiting


async def offer_slot(waitlist_entry_id: UUID, unit: UnitOfWork, clock: Clock, policy: SchedulingPolicy) -> bool:
    """Hold the best slot that suits a waiting course and offer it; say whether one was offered.

    An entry whose last date is past expires. Whoever does this at the same moment finds it done.
    """
    entry = await unit.waitlist.lock(waitlist_entry_id)
    now = clock.now()
    if entry.state is not WaitlistState.WAITING:
        return False
    if entry.past(now):
        await unit.waitlist.save(entry.changed(now, state=WaitlistState.EXPIRED))
        return False
    course = await unit.courses.get(entry.wish.course_id)
    for slot in await _suitable(entry, course, unit, now):
        expires = min(now + policy.offer, slot.interval.start)
        try:
            session = await take_place(_booking(slot, course), unit, now, hold_expire_time=expires)
        except BookingRefusedError:  # taken in this moment; the next one may not be
            continue
        offered = entry.changed(
            now,
            state=WaitlistState.OFFERED,
            offered_session_id=session.session_id,
            offer_expire_time=expires,
        )
        await unit.waitlist.save(offered)
        await unit.events.waitlist_offered(offered, session)
        return True
    return False


async def settle_offer(waitlist_entry_id: UUID, unit: UnitOfWork, clock: Clock) -> None:
    """Bring an entry up to what became of the session that was offered: expired, let go, or booked by another way."""
    entry = await unit.waitlist.lock(waitlist_entry_id)
    now = clock.now()
    if entry.state is not WaitlistState.OFFERED:
        return
    session = await unit.sessions.get(_offered(entry))
    if session.hold_expired(now) or session.state in _NOT_TAKEN:
        await _end_offer(entry, session, HOLD_EXPIRED, unit, now)
        await unit.waitlist.save(entry.waiting(now))
    elif session.state is not SessionState.HELD:
        await unit.waitlist.save(entry.changed(now, state=WaitlistState.BOOKED, offer_expire_time=None))


async def _suitable(entry: WaitlistEntry, course: Course, unit: UnitOfWork, now: datetime) -> list[Slot]:
    """Return the slots that suit, best first, without those that were offered before."""
    if course_blockers(course, 1):
        return []
    suits = entry.wish.suits
    commitments = await unit.sessions.commitments(course.patient_id)
    dates = tuple(day for day in suits.dates if not date_blockers(course, day, commitments))
    if not dates:
        return []
    protocol = await unit.protocols.get(course.protocol_id)
    search = SlotSearch.of(
        protocol,
        clinic_ids=suits.clinic_ids,
        dates=dates,
        after=now + entry.wish.notice,
        earliest_time=suits.earliest_time,
        latest_time=suits.latest_time,
        preferred_supervisor=suits.preferred_supervisor,
    )
    refused = await unit.waitlist.refused(entry.waitlist_entry_id)
    return [slot for slot in await unit.slots.find(search, limit=_SLOTS) if RefusedSlot.of(slot) not in refused]


def _booking(slot: Slot, course: Course) -> Booking:
    return Booking(
        course_id=course.course_id,
        room_id=slot.room_id,
        arrival=local_time_of(slot.interval.start, ZoneInfo(slot.time_zone)),
        supervisor_id=slot.supervisor_id,
    )


async def _locked(change: EntryChange, unit: UnitOfWork, states: frozenset[WaitlistState]) -> WaitlistEntry:
    entry = await unit.waitlist.lock(change.waitlist_entry_id)
    if change.etag != entry.etag:
        raise StaleEtagError(entry.name)
    if entry.state not in states:
        raise WrongStateError(entry.name, entry.state, " or ".join(sorted(states)))
    return entry


async def _end_offer(entry: WaitlistEntry, session: Session, reason: str, unit: UnitOfWork, now: datetime) -> None:
    """Let go of what was offered, if it is still held, and do not offer it again."""
    if session.state is SessionState.HELD:
        await cancel(session, reason, unit, now)
    slot = RefusedSlot(session.clinic_id, session.plan.start_time)
    await unit.waitlist.refuse(entry.waitlist_entry_id, slot)
    await unit.events.waitlist_offer_ended(entry, session)


def _offered(entry: WaitlistEntry) -> UUID:
    if entry.offered_session_id is None:
        raise WrongStateError(entry.name, entry.state, WaitlistState.OFFERED)
    return entry.offered_session_id
