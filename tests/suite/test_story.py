"""The demo's day, with services killed in the middle of it: nothing is lost and nothing happens twice."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

from kat.dosing_log.v1 import dosing_log_pb2
from kat.notifications.v1 import notifications_pb2
from kat.scheduler.v1 import session_pb2
from services.cli.data_folder import SERVICES
from services.cli.demo.account import Account
from services.cli.demo.day import run_day
from services.cli.demo.stage import Person, Stage
from tests.support.suite import SuiteProcess

SEED = 20261124


async def test_a_day_without_trouble(stage: Stage, day: Account) -> None:
    assert day.steps > 25
    await _nothing_lost_nothing_doubled(stage, day.names)


async def test_a_day_with_services_killed_again_and_again(suite: SuiteProcess, stage: Stage) -> None:
    killed: Counter[str] = Counter()

    async def kill_at_random() -> None:
        generator = random.Random(SEED)  # noqa: S311 - a schedule of kills, not a secret
        while True:
            await asyncio.sleep(generator.uniform(0.3, 1.2))
            service = generator.choice(SERVICES)
            await asyncio.to_thread(suite.kill_service, service)
            killed[service] += 1
            await asyncio.sleep(generator.uniform(1.0, 2.0))

    killer = asyncio.create_task(kill_at_random())
    try:
        account = await run_day(stage)
    finally:
        killer.cancel()
        with suppress(asyncio.CancelledError):
            await killer
    assert killed.total() >= 3
    await _nothing_lost_nothing_doubled(stage, account.names)


async def _nothing_lost_nothing_doubled(stage: Stage, names: dict[str, str]) -> None:
    reader = stage.person("checker", "Checker", "clinic_system", "supervisor", "pharmacist", "auditor")
    await _one_series(stage, reader, names)
    await _stock_is_exact(stage, reader, names)
    await _messages_once(stage, reader, names)


async def _one_series(stage: Stage, reader: Person, names: dict[str, str]) -> None:
    request = session_pb2.ListSessionsRequest(patient=names["patient"])

    async def fulfilled() -> list[session_pb2.Session] | None:
        sessions = (await stage.call(stage.sessions.ListSessions, request, reader)).sessions
        return sessions if sessions[0].state == session_pb2.Session.STATE_FULFILLED else None

    sessions = await stage.until("the discharge to reach the scheduler", fulfilled)
    assert [session.state for session in sessions[1:]] == [session_pb2.Session.STATE_BOOKED] * 3
    assert len({session.interval.start_time.seconds for session in sessions}) == 4


async def _stock_is_exact(stage: Stage, reader: Person, names: dict[str, str]) -> None:
    request = dosing_log_pb2.ListMovementsRequest(lot=names["lot"])
    movements = (await stage.call(stage.inventory.ListMovements, request, reader)).movements
    assert [movement.sequence_number for movement in movements] == list(range(1, len(movements) + 1))
    balance = sum(float(movement.amount.value) for movement in movements)
    assert balance == float(movements[-1].balance_after.value) == 950.0


async def _messages_once(stage: Stage, reader: Person, names: dict[str, str]) -> None:
    sent = Counter(mail["Message-ID"] for mail in stage.mails())
    assert not [message_id for message_id, count in sent.items() if count > 1]
    request = notifications_pb2.ListNotificationsRequest(patient=names["patient"], page_size=1000)
    found = (await stage.call(stage.notifications.ListNotifications, request, reader)).notifications
    keys = Counter((n.session, n.session_revision, n.template_code, n.rule, n.channel) for n in found)
    assert max(keys.values()) == 1
    accepted = [n for n in found if n.state == notifications_pb2.Notification.STATE_ACCEPTED]
    assert {n.template_code for n in accepted} >= {"session_confirmation", "session_reminder", "aftercare"}
