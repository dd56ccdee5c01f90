"""A calendar feed of the running suite: made over gRPC, read over HTTP, ended, and its address in no log."""

import asyncio
import urllib.error
import urllib.request

import pytest

from kat.scheduler.v1 import calendar_pb2, session_pb2
from services.cli.demo.account import Account
from services.cli.demo.stage import Stage
from tests.support.calendars import events
from tests.support.suite import SuiteProcess


async def _read(address: str) -> bytes:
    def read() -> bytes:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - an address of the suite's own
            return answer.read()

    return await asyncio.to_thread(read)


async def test_a_supervisor_subscribes_to_their_schedule(suite: SuiteProcess, stage: Stage, day: Account) -> None:
    desk = stage.person("desk", "Desk", "clinic_system")
    name = next(name for name in day.names.values() if name.startswith("sessions/"))
    session = await stage.call(stage.sessions.GetSession, session_pb2.GetSessionRequest(name=name), desk)
    request = calendar_pb2.CreateCalendarFeedRequest(practitioner=session.supervisions[0].practitioner)
    feed = await stage.call(stage.calendars.CreateCalendarFeed, request, desk)
    start = session.interval.start_time.ToDatetime(tzinfo=stage.now().tzinfo)
    assert feed.address.startswith(f"http://{suite.data.addresses()['calendar']}/calendars/")
    assert start in [event.start for event in events(await _read(feed.address))]
    suite.kill_service("scheduler")
    await stage.call(stage.calendars.ListCalendarFeeds, calendar_pb2.ListCalendarFeedsRequest(), desk)
    assert start in [event.start for event in events(await _read(feed.address))]
    revocation = calendar_pb2.RevokeCalendarFeedRequest(name=feed.name)
    await stage.call(stage.calendars.RevokeCalendarFeed, revocation, desk)
    with pytest.raises(urllib.error.HTTPError) as refused:
        await _read(feed.address)
    assert refused.value.code == 404
    refused.value.close()
    token = feed.address.rpartition("/")[2].removesuffix(".ics")
    logs = suite.logs() + (suite.data.root / "postgres.log").read_text(encoding="utf-8")
    assert feed.name in logs
    assert token not in logs
