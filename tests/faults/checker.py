"""The invariants, read off a history and what was observed after it. Each yields what breaks it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from kat.dosing_log.v1 import records_pb2
from kat.notifications.v1 import notifications_pb2
from kat.scheduler.v1 import session_pb2
from services.cli.ledger_check import LedgerFaultError, check_ledger
from tests.faults.history import History, Outcome
from tests.faults.observed import Observed, by_session

CADENCE = timedelta(days=7)
CANCELLED = session_pb2.Session.STATE_CANCELLED
BOOKING_VERBS = ("BookSession", "RescheduleSession", "CancelSession")
RECORD_VERBS = ("RecordAdministration", "RecordWastage")
OPEN = frozenset({notifications_pb2.Notification.STATE_PLANNED, notifications_pb2.Notification.STATE_SENDING})
# A notice may be repeated after a lost answer: its copy has the same Message-ID. A reminder never is.
REPEATABLE = frozenset({"booked", "moved", "cancelled"})


def _instant(stamp: object) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)  # type: ignore[attr-defined,no-any-return]  # a protobuf Timestamp


def internal_errors(history: History, seen: Observed) -> Iterator[str]:
    """Whatever breaks, a caller hears a typed error."""
    for call in history.calls:
        if {"INTERNAL", "UNKNOWN"} & set(call.codes):
            yield f"{call.verb} {call.request.request_id}: {call.codes}"


def lost_writes(history: History, seen: Observed) -> Iterator[str]:
    """Every acknowledged write is readable, at the revision that was acknowledged or a later one."""
    for call in history.of(*BOOKING_VERBS):
        found = seen.sessions.get(call.answer.name)
        if found is None or found.revision < call.answer.revision:
            yield f"{call.verb} of {call.answer.name} revision {call.answer.revision} is lost"
        elif call.verb == "CancelSession" and found.state != CANCELLED:
            yield f"the cancellation of {call.answer.name} is lost"
        elif found.revision == call.answer.revision and found.interval != call.answer.interval:
            yield f"{call.answer.name} is at another time than was acknowledged"
    for call in history.of("ReceiveLot"):
        if call.answer.name not in seen.lots:
            yield f"{call.answer.name} is lost"
    for call in history.of(*RECORD_VERBS):
        found = seen.records.get(call.answer.name)
        content = "administration" if call.verb == "RecordAdministration" else "wastage"
        if found is None or getattr(found, content) != getattr(call.answer, content):
            yield f"{call.verb} {call.answer.name} is lost or another"


def doubled_writes(history: History, seen: Observed) -> Iterator[str]:
    """A write happened once if it was acknowledged, at most once if its outcome is unknown, and otherwise not."""
    there = {
        "BookSession": len(seen.sessions),
        "ReceiveLot": len(seen.lots),
        "RecordAdministration": sum(r.HasField("administration") for r in seen.records.values()),
        "RecordWastage": sum(r.HasField("wastage") for r in seen.records.values()),
    }
    for verb, count in there.items():
        least = sum(1 for _ in history.of(verb))
        most = least + sum(1 for _ in history.of(verb, outcome=Outcome.UNKNOWN))
        if not least <= count <= most:
            yield f"{verb}: {count} are there, from {least} to {most} were written"


def double_bookings(history: History, seen: Observed) -> Iterator[str]:
    """No room holds two sessions at once, turnover included, and no patient is in two."""
    for owner in ("room", "patient"):
        held = defaultdict(list)
        for session in _live(seen):
            end = session.room_release_time if owner == "room" else session.interval.end_time
            held[getattr(session, owner)].append((_instant(session.interval.start_time), _instant(end), session.name))
        for name, sessions in held.items():
            for (_, end, earlier), (start, _, later) in pairwise(sorted(sessions)):
                if start < end:
                    yield f"{name} holds {earlier} and {later} at once"


def broken_cadence(history: History, seen: Observed) -> Iterator[str]:
    """A patient's sessions are seven clinic-local dates apart, and so many of a course as its cap allows."""
    dates = defaultdict(list)
    for session in _live(seen):
        zone = ZoneInfo(session.interval.time_zone)
        dates[session.patient].append(_instant(session.interval.start_time).astimezone(zone).date())
    for patient, days in dates.items():
        for earlier, later in pairwise(sorted(days)):
            if later - earlier < CADENCE:
                yield f"{patient} has sessions on {earlier} and {later}"


def over_ratio(history: History, seen: Observed) -> Iterator[str]:
    """Every session is supervised throughout, and nobody supervises more at once than their ratio."""
    changes: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for session in _live(seen):
        spans = sorted((_instant(one.start_time), _instant(one.end_time)) for one in session.supervisions)
        start, end = _instant(session.interval.start_time), _instant(session.interval.end_time)
        if not spans or spans[0][0] > start or spans[-1][1] < end or any(a[1] < b[0] for a, b in pairwise(spans)):
            yield f"{session.name} is not supervised throughout"
        for one in session.supervisions:
            changes[one.practitioner] += [(_instant(one.start_time), 1), (_instant(one.end_time), -1)]
    for practitioner, of_one in changes.items():
        at_once = 0
        for _, change in sorted(of_one):
            at_once += change
            if at_once > seen.ratios[practitioner]:
                yield f"{practitioner} supervises {at_once} at once, at most {seen.ratios[practitioner]}"


def unbalanced_drug(history: History, seen: Observed) -> Iterator[str]:
    """Movements chain without a gap, and each record has moved exactly what it says."""
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for name, movements in seen.movements.items():
        balance = Decimal()
        for number, movement in enumerate(movements, 1):
            amount = Decimal(movement.amount.value)
            balance += amount
            moved[movement.record] -= amount
            if movement.sequence_number != number or Decimal(movement.balance_after.value) != balance:
                yield f"{name}: movement {movement.sequence_number} does not follow"
        if Decimal(seen.lots[name].balance.value) != balance:
            yield f"{name}: the balance is {seen.lots[name].balance.value}, the movements sum up to {balance}"
    for name, record in seen.records.items():
        if (taken := _taken(record)) != moved.get(name, Decimal()):
            yield f"{name} says {taken} mg, its movements {moved.get(name)}"


def ledger_faults(history: History, seen: Observed) -> Iterator[str]:
    """The ledger verifies from outside, has no gap, and holds every record that is there."""
    if [entry.index for entry in seen.ledger] != list(range(len(seen.ledger))):
        yield "the indices have a gap"
    try:
        entries = [entry.entry for entry in seen.ledger]
        check_ledger(entries, seen.checkpoint.note, seen.checkpoint.verification_key)
    except LedgerFaultError as fault:
        yield str(fault)
    by_event = {entry.event_id: entry for entry in seen.ledger}
    for name, record in seen.records.items():
        entry = by_event.get(record.ledger_receipt.event_id)
        if entry is None or entry.entry[1:33] != record.ledger_receipt.commitment:
            yield f"{name} is not in the ledger"


def projections_apart(history: History, seen: Observed) -> Iterator[str]:
    """Both consumers know every session as the scheduler does, the scheduler every dose, and no event is parked."""
    told = {row["session_id"]: (row["revision"], row["start_time"]) for row in seen.tables["scheduler"]}
    cancelled = {row["session_id"] for row in seen.tables["scheduler"] if row["state"] == "cancelled"}
    for consumer in ("dosing_log", "notifications"):
        heard = {row["session_id"]: (row["revision"], row["start_time"]) for row in seen.tables[consumer]}
        for session_id in told.keys() | heard.keys():
            if told.get(session_id) != heard.get(session_id):
                yield f"{consumer} knows {session_id} as {heard.get(session_id)}, it is {told.get(session_id)}"
    dropped = {row["session_id"] for row in seen.tables["dosing_log"] if row["cancelled"]}
    if dropped != cancelled:
        yield f"dosing_log holds other sessions cancelled: {dropped ^ cancelled}"
    dosed = {f"records/{row['administration_id']}" for row in seen.tables["doses"]}
    given = {name for name, record in seen.records.items() if record.HasField("administration")}
    if dosed != given:
        yield f"the scheduler knows other doses: {dosed ^ given}"
    yield from (f"parked: {row['aggregate']}: {row['parked_reason']}" for row in seen.tables["parked"])


def repeated_notifications(history: History, seen: Observed) -> Iterator[str]:
    """One notification for each key, and one message of it; a copy of a notice only after a lost answer."""
    keys = Counter((n.session, n.session_revision, n.template_code, n.rule, n.channel) for n in seen.notifications)
    yield from (f"planned {count} times: {key}" for key, count in keys.items() if count > 1)
    copies = Counter(message_id for _, message_id in seen.mails)
    sent_as = {attempt.message_id: n for n in seen.notifications for attempt in n.attempts}
    for message_id, count in copies.items():
        notification = sent_as.get(message_id)
        if notification is None:
            yield f"nobody planned {message_id}"
        elif count > 1 and (notification.rule not in REPEATABLE or count > len(notification.attempts)):
            tries = len(notification.attempts)
            yield f"{notification.name} ({notification.rule}) arrived {count} times in {tries} tries"
    for notification in seen.notifications:
        if len({attempt.message_id for attempt in notification.attempts}) > 1:
            yield f"{notification.name} went out under two Message-IDs"


def messages_after_cancellation(history: History, seen: Observed) -> Iterator[str]:
    """Once the cancellation has been heard, no message about the session is begun but the one that says so."""
    for session, notifications in by_session(seen).items():
        heard = [_instant(n.create_time) for n in notifications if n.rule == "cancelled"]
        for notification in notifications:
            if not heard or notification.rule == "cancelled":
                continue
            what = f"{notification.name} ({notification.rule}) about {session}"
            if any(_instant(attempt.start_time) > min(heard) for attempt in notification.attempts):
                yield f"{what} was begun after its cancellation"
            if notification.state in OPEN:
                yield f"{what} is still open: {', '.join(notification.explanation)}"


INVARIANTS: tuple[Callable[[History, Observed], Iterator[str]], ...] = (
    internal_errors,
    lost_writes,
    doubled_writes,
    double_bookings,
    broken_cadence,
    over_ratio,
    unbalanced_drug,
    ledger_faults,
    projections_apart,
    repeated_notifications,
    messages_after_cancellation,
)


def check(history: History, seen: Observed) -> list[str]:
    """Everything that breaks an invariant."""
    return [f"{one.__name__}: {fault}" for one in INVARIANTS for fault in one(history, seen)]


def _live(seen: Observed) -> Iterator[session_pb2.Session]:
    return (session for session in seen.sessions.values() if session.state != CANCELLED)


def _taken(record: records_pb2.Record) -> Decimal:
    if record.HasField("administration"):
        return Decimal(record.administration.given.value)
    return Decimal(record.wastage.amount.value if record.HasField("wastage") else 0)
