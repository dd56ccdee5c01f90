"""What can be read once everything is quiet: the state of all services, by their RPCs and past them."""

import asyncio
import email
import email.policy
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from kat.notifications.v1 import notifications_pb2
from kat.scheduler.v1 import roster_pb2, session_pb2
from tests.faults.world import PAGE, World

AUDIT = dosing_log_pb2.ACCESS_PURPOSE_AUDIT
_QUIET_WITHIN_SECONDS = 150.0
_LOOKS_BEFORE_HURRY = 6

# Backlogs of each service: what was committed and is not yet passed on.
_STREAMS = "select count(*) as left from stream where next_version <= last_version and parked_reason is null"
_BACKLOGS = (
    ("scheduler", _STREAMS),
    ("dosing_log", _STREAMS),
    ("dosing_log", "select count(*) as left from ledger_pending"),
    (
        "notifications",
        "select count(*) as left from notification where state in ('planned', 'sending') and due_time <= $1",
    ),
)
# What a worker that was killed holds is free again when its lease ends, and what failed is due again after a pause.
_HURRY = (
    ("scheduler", "update stream set due_time = now(), lease_until = null where next_version <= last_version"),
    ("dosing_log", "update stream set due_time = now(), lease_until = null where next_version <= last_version"),
    ("notifications", "update notification set lease_until = null where state in ('planned', 'sending')"),
)


@dataclass
class Observed:
    """Everything, after quiescence. Mails are (arrival, Message-ID)."""

    sessions: dict[str, session_pb2.Session] = field(default_factory=dict)
    ratios: dict[str, int] = field(default_factory=dict)
    lots: dict[str, records_pb2.Lot] = field(default_factory=dict)
    movements: dict[str, list[records_pb2.Movement]] = field(default_factory=dict)
    records: dict[str, records_pb2.Record] = field(default_factory=dict)
    notifications: list[notifications_pb2.Notification] = field(default_factory=list)
    mails: list[tuple[datetime, str]] = field(default_factory=list)
    tables: dict[str, list[Any]] = field(default_factory=dict)
    ledger: list[dosing_log_pb2.LedgerEntry] = field(default_factory=list)
    checkpoint: dosing_log_pb2.Checkpoint = field(default_factory=dosing_log_pb2.Checkpoint)


async def quiesce(world: World, *, hurry: bool) -> None:
    """Wait until nothing is under way any more.

    Args:
        hurry: end the leases of killed workers by hand instead of waiting for their end.

    Raises:
        AssertionError: something still is, after a long time.
    """
    deadline = asyncio.get_running_loop().time() + _QUIET_WITHIN_SECONDS
    looks = 0
    while left := await _backlogs(world):
        assert asyncio.get_running_loop().time() < deadline, f"never quiet: {left}"
        await asyncio.sleep(0.2)
        looks += 1
        if hurry and looks % _LOOKS_BEFORE_HURRY == 0:  # whoever lives has brought its own work to an end
            for service, statement in _HURRY:
                await world.query(service, statement)


async def _backlogs(world: World) -> dict[str, int]:
    left = {}
    for service, statement in _BACKLOGS:
        values = [world.stage.now()] if "$1" in statement else []
        count = (await world.query(service, statement, *values))[0]["left"]
        if count:
            left[f"{service}: {statement[:60]}"] = count
    return left


async def observe(world: World) -> Observed:
    """Read everything."""
    seen, stage = Observed(), world.stage
    sessions = await _pages(world, stage.sessions.ListSessions, session_pb2.ListSessionsRequest(), "sessions")
    seen.sessions = {session.name: session for session in sessions}
    practitioners = await _pages(
        world, stage.roster.ListPractitioners, roster_pb2.ListPractitionersRequest(), "practitioners"
    )
    seen.ratios = {one.name: one.supervision_ratio for one in practitioners}
    seen.lots = {
        lot.name: lot for lot in await _pages(world, stage.inventory.ListLots, dosing_log_pb2.ListLotsRequest(), "lots")
    }
    for name in seen.lots:
        request = dosing_log_pb2.ListMovementsRequest(lot=name)
        seen.movements[name] = await _pages(world, stage.inventory.ListMovements, request, "movements")
    for patient in sorted({session.patient for session in seen.sessions.values()}):
        request = dosing_log_pb2.ListRecordsRequest(patient=patient, purpose=AUDIT)
        records = await _pages(world, stage.records.ListRecords, request, "records")
        seen.records |= {record.name: record for record in records}
    seen.notifications = await _pages(
        world, stage.notifications.ListNotifications, notifications_pb2.ListNotificationsRequest(), "notifications"
    )
    seen.mails = _mails(world)
    await _look_into_tables(world, seen)
    await _read_ledger(world, seen)
    return seen


async def _look_into_tables(world: World, seen: Observed) -> None:
    for name, service, statement in (
        ("scheduler", "scheduler", "select session_id, revision, start_time, state from session"),
        ("dosing_log", "dosing_log", "select session_id, revision, start_time, cancelled from session_projection"),
        ("notifications", "notifications", "select session_id, revision, start_time, state from session"),
        ("doses", "scheduler", "select administration_id, session_id from dose"),
    ):
        seen.tables[name] = await world.query(service, statement)
    for service in ("scheduler", "dosing_log"):
        parked = await world.query(service, "select * from stream where parked_reason is not null")
        seen.tables.setdefault("parked", []).extend(parked)


async def _read_ledger(world: World, seen: Observed) -> None:
    indices = [record.ledger_receipt.index for record in seen.records.values()]

    async def covering() -> dosing_log_pb2.Checkpoint | None:
        checkpoint = await world.read(world.stage.audit.GetCheckpoint, dosing_log_pb2.GetCheckpointRequest())
        return checkpoint if not indices or checkpoint.size > max(indices) else None

    seen.checkpoint = await world.stage.until("a checkpoint over every record", covering)
    seen.ledger = await _pages(
        world, world.stage.audit.ListLedgerEntries, dosing_log_pb2.ListLedgerEntriesRequest(), "entries"
    )


async def _pages(world: World, method: Callable[..., Any], request: Any, field_name: str) -> list[Any]:
    found: list[Any] = []
    request.page_size = PAGE
    while True:
        page = await world.read(method, request)
        found.extend(getattr(page, field_name))
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def _mails(world: World) -> list[tuple[datetime, str]]:
    """When each e-mail arrived, by the machine's clock, and its Message-ID."""
    found = []
    for file in sorted(world.suite.data.mail.glob("*.eml")):
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        found.append((datetime.fromtimestamp(file.stat().st_mtime, UTC), str(mail["Message-ID"])))
    return found


def by_session(seen: Observed) -> dict[str, list[notifications_pb2.Notification]]:
    """The notifications about each session."""
    found = defaultdict(list)
    for notification in seen.notifications:
        found[notification.session].append(notification)
    return found
