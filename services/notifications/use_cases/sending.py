"""The steps of sending one notification, each in a transaction of its own.

`prepare` ends with the commit that says "sending"; from then on the message may have gone out, and only an answer
of the provider says otherwise. `may_still_go` is asked when the provider is ready to take the message. `settle` writes
what became of it. A worker that lost its claim meanwhile writes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.notifications.domain.admission import Decision, Defer, End, Send, Situation, decide
from services.notifications.domain.delivery import (
    SendOutcome,
    Verdict,
    after,
    after_failed_preparation,
    after_lost_answer,
)
from services.notifications.domain.notification import Attempt, Notification, Reason, Session, State, TaskCode
from services.notifications.errors import BlockedTermError, ContactUnreadableError
from services.notifications.ports import Composer, Envelope, Lock, UnitOfWork
from services.runtime.clock import Clock
from services.runtime.identifiers import new_id

_DAY = timedelta(days=1)
_PROFILE_WAIT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What sending needs beside a unit of work.

    Attributes:
        daily_cap: most messages to one person within a day: a guard against faults elsewhere, not a rule of courtesy.
        jitter: draws a number from 0 to 1.
    """

    clock: Clock
    composer: Composer
    daily_cap: int
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message whose sending is committed."""

    notification: Notification
    attempt_id: UUID
    contact_point_id: UUID
    envelope: Envelope


async def prepare(claimed: Notification, unit: UnitOfWork, sending: Sending) -> Prepared | None:
    """Decide on a claimed notification; return the message that is to be sent, or None where there is none now."""
    try:
        examined = await _examine(claimed, unit, sending)
    except ContactUnreadableError:
        held = await unit.notifications.hold(claimed)
        step = "the contact data cannot be decrypted"
        end = End(State.FAILED, Reason.CONTACT_UNREADABLE, step, TaskCode.UNDELIVERABLE)
        if held is not None:
            await _conclude(held, end, unit, sending)
        return None
    if examined is None:
        return None
    held, session, decision = examined
    if held.state is State.SENDING:  # its worker died: nobody knows whether it went out
        await unit.notifications.cut_off_attempts(held)
        lost = after_lost_answer(held, now=sending.clock.now(), jitter=sending.jitter())
        await _conclude(held, lost, unit, sending, lost=True)
        return None
    if not isinstance(decision, Send):
        await _conclude(held, decision, unit, sending)
        return None
    return await _begin(held, session, decision, unit, sending)


async def may_still_go(prepared: Prepared, unit: UnitOfWork, sending: Sending) -> bool:
    """Say, just before the message is written, whether it is still this worker's and still may go to that address."""
    examined = await _examine(prepared.notification, unit, sending)
    if examined is None:
        return False
    held, _, decision = examined
    may_go = isinstance(decision, Send) and decision.to.contact_point_id == prepared.contact_point_id
    return may_go and held.state is State.SENDING


async def settle(prepared: Prepared, outcome: SendOutcome, unit: UnitOfWork, sending: Sending) -> None:
    """Write what became of a try."""
    now = sending.clock.now()
    claimed = prepared.notification
    decision: Decision | None = after(claimed, outcome, now=now, jitter=sending.jitter())
    held = None
    if decision is None:
        examined = await _examine(claimed, unit, sending)
        if examined is not None:
            held, _, decision = examined
        if isinstance(decision, Send):  # what stood in the way has gone again
            decision = Defer(now, "", "withheld just before it was written, and planned anew")
    else:
        held = await unit.notifications.hold(claimed)
    await unit.notifications.end_attempt(prepared.attempt_id, outcome.code, now)
    if held is not None and isinstance(decision, End | Defer):
        await _conclude(held, decision, unit, sending, lost=outcome.verdict is Verdict.UNKNOWN)


async def note_failed_preparation(claimed: Notification, unit: UnitOfWork, sending: Sending) -> None:
    """Give back what could not be made ready for a fault of ours."""
    held = await unit.notifications.hold(claimed)
    if held is not None:
        decision = after_failed_preparation(held, now=sending.clock.now(), jitter=sending.jitter())
        await _conclude(held, decision, unit, sending, lost=held.state is State.SENDING)


async def _examine(
    claimed: Notification, unit: UnitOfWork, sending: Sending
) -> tuple[Notification, Session | None, Decision] | None:
    now = sending.clock.now()
    session = await unit.sessions.get(claimed.session_id, lock=Lock.SHARE)
    recipient = await unit.recipients.get(claimed.patient_id, lock=Lock.SHARE)
    held = await unit.notifications.hold(claimed)
    if held is None:
        return None
    sent = await unit.notifications.sent_since(claimed.patient_id, now - _DAY, apart_from=claimed.notification_id)
    situation = Situation(
        session=session, recipient=recipient, sent_last_day=sent, daily_cap=sending.daily_cap, now=now
    )
    return held, session, decide(held, situation)


async def _begin(
    held: Notification, session: Session | None, decision: Send, unit: UnitOfWork, sending: Sending
) -> Prepared | None:
    now = sending.clock.now()
    sender = await unit.recipients.sender_profile(held.clinic_id)
    if sender is None:
        until = min(now + _PROFILE_WAIT, held.expire_time)
        step = "waits: the clinic's sender profile is missing"
        await _conclude(held, Defer(until, Reason.SENDER_PROFILE_MISSING, step), unit, sending)
        return None
    message_id = held.message_id or sending.composer.new_message_id()
    try:
        envelope = sending.composer.compose(
            held,
            message_id=message_id,
            to=decision.to,
            profile=decision.recipient.profile,
            sender=sender,
            session=session,
            now=now,
        )
    except BlockedTermError:
        step = "the message would have said what may not leave"
        end = End(State.SUPPRESSED, Reason.BLOCKED_TERM, step, TaskCode.UNDELIVERABLE)
        await _conclude(held, end, unit, sending)
        return None
    attempt = Attempt(attempt_id=new_id(), start_time=now, message_id=message_id)
    await unit.notifications.start_attempt(held, attempt)
    return Prepared(held, attempt.attempt_id, decision.to.contact_point_id, envelope)


async def _conclude(
    held: Notification, decision: End | Defer, unit: UnitOfWork, sending: Sending, *, lost: bool = False
) -> None:
    if isinstance(decision, Defer):
        await unit.notifications.defer(
            held, decision.until, decision.reason, decision.step, may_have_been_sent=held.may_have_been_sent or lost
        )
        return
    await unit.notifications.end(held, decision.state, decision.reason, decision.step)
    if decision.task is not None:
        about = None if decision.task is TaskCode.UNREACHABLE else held.notification_id
        await unit.staff_tasks.open(decision.task, held.patient_id, about, sending.clock.now())
