"""The demo's day, with services killed in the middle of it: nothing is lost and nothing happens twice."""

import random
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

from kat.dosing_log.v1 import dosing_log_pb2
from kat.notifications.v1 import notifications_pb2
from kat.notifications.v1.notifications_pb2 import Notification
from kat.scheduler.v1 import session_pb2
from services.cli.data_folder import SERVICES
from services.cli.demo.account import Account
from services.cli.demo.day import run_day
from services.cli.demo.stage import Person, Stage
from tests.support.suite import SuiteProcess

SEED = 20261124
KILLED_STEPS = 0.25


async def test_a_day_without_trouble(stage: Stage, day: Account) -> None:
    assert day.steps > 25
    await _nothing_lost_nothing_doubled(stage, day.names)


class KillingAccount(Account):
    """After some of the steps that it tells of, kills a service with SIGKILL; `kat up` starts it again."""

    def __init__(self, suite: SuiteProcess, seed: int) -> None:
        super().__init__(ZoneInfo("UTC"))
        self.killed: list[str] = []
        self._suite = suite
        self._random = random.Random(seed)  # noqa: S311 - a schedule of kills, not a secret

    def done(self, now: datetime, text: str, *, name: str = "", label: str = "") -> None:
        super().done(now, text, name=name, label=label)
        if self._random.random() < KILLED_STEPS:
            service = self._random.choice(SERVICES)
            self._suite.kill_service(service)
            self.killed.append(service)


async def test_a_day_with_services_killed_again_and_again(suite: SuiteProcess, stage: Stage) -> None:
    account = KillingAccount(suite, SEED)
    await run_day(stage, account)
    assert set(account.killed) == set(SERVICES)
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
    request = notifications_pb2.ListNotificationsRequest(patient=names["patient"], page_size=1000)
    found = (await stage.call(stage.notifications.ListNotifications, request, reader)).notifications
    keys = Counter((n.session, n.session_revision, n.template_code, n.rule, n.channel) for n in found)
    assert max(keys.values()) == 1
    # Under each Message-ID one mail, but for a message that was repeated since nobody knew whether it had gone out.
    received = Counter(str(mail["Message-ID"]).strip("<>") for mail in stage.mails())
    for notification in found:
        ids = {attempt.message_id.strip("<>") for attempt in notification.attempts}
        copies = sum(received[message_id] for message_id in ids)
        if notification.state == Notification.STATE_ACCEPTED:
            assert 1 <= copies <= len(notification.attempts)
        elif notification.state != Notification.STATE_AMBIGUOUS:
            assert copies == 0
    booked = [n for n in found if n.rule == "booked"]
    assert [n.state for n in booked] == [Notification.STATE_ACCEPTED] * 4
    ended = {n.rule for n in found if n.state in {Notification.STATE_ACCEPTED, Notification.STATE_AMBIGUOUS}}
    assert ended >= {"7d_before", "48h_before", "24h_before", "2h_before", "after_visit"}
