"""The calendar door: one path, read only, discreet, and not to be worn down."""

import asyncio
import ssl
from datetime import date

import aiohttp
import pytest

from services.runtime.clock import SystemClock
from services.runtime.embedded_authority import EmbeddedAuthority
from services.runtime.errors import UnavailableError
from tests.integration.scheduler.calendar_door import Answer, Door, feed_of, open_door, revoke
from tests.support.calendars import events
from tests.support.logs import LOG

pytestmark = pytest.mark.external_postgres

UNKNOWN = f"/calendars/{'x' * 43}.ics"


@pytest.fixture
async def booked(desk):
    """A room's feed with one session."""
    clinic = await desk.open_clinic()
    session = await desk.book(await desk.active_course(clinic.patients[0].name), clinic.rooms[0].name, date(2026, 3, 3))
    return await feed_of(desk, room=clinic.rooms[0].name), session


def seen(answer: Answer) -> tuple[int, bytes, dict[str, str]]:
    return answer.status, answer.body, {k: v for k, v in answer.headers.items() if k != "Date"}


async def test_a_feed_is_sent_for_the_client_s_own_cache(desk, booked):
    async with open_door(desk) as door:
        answer = await door.ask(booked[0].address)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Cache-Control"] == "private, max-age=300"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "aiohttp" not in answer.headers["Server"]
    assert len(events(answer.body)) == 1


async def test_what_did_not_change_is_not_sent_again(desk, booked):
    feed, session = booked
    async with open_door(desk) as door:
        first = await door.ask(feed.address)
        tag = first.headers["ETag"]
        for known in (tag, f'"other", {tag}', "*"):
            answer = await door.ask(feed.address, headers={"If-None-Match": known})
            assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)
            assert answer.headers["Cache-Control"] == "private, max-age=300"
        for unknown in ('"other"', "nonsense", '"', tag.removeprefix("W/").strip('"')):
            assert (await door.ask(feed.address, headers={"If-None-Match": unknown})).status == 200
        await desk.move(session, date(2026, 3, 4))
        changed = await door.ask(feed.address, headers={"If-None-Match": tag})
    assert (changed.status, changed.headers["ETag"] == tag) == (200, False)
    assert changed.body != first.body


async def test_head_says_what_get_would(desk, booked):
    async with open_door(desk) as door:
        get = await door.ask(booked[0].address)
        head = await door.ask(booked[0].address, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert seen(head)[2] == seen(get)[2]


async def test_a_revoked_address_an_unknown_one_and_any_other_path_look_alike(desk, booked):
    feed, _ = booked
    async with open_door(desk) as door:
        assert (await door.ask(feed.address)).status == 200
        await revoke(desk, feed)
        answers = [
            await door.ask(path)
            for path in (
                feed.address,
                UNKNOWN,
                "/",
                "/calendars",
                "/calendars/",
                "/calendars/x.ics",
                feed.address.removesuffix(".ics"),
                f"{feed.address}/",
                "/metrics",
                f"/calendars/../calendars/{'x' * 43}.ics",
            )
        ]
    assert answers[0].status == 404
    assert [seen(answer) for answer in answers] == [seen(answers[0])] * len(answers)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "TRACE"])
async def test_nothing_but_reading(desk, booked, method):
    async with open_door(desk) as door:
        for path in (booked[0].address, UNKNOWN):
            answer = await door.ask(path, method=method, data=b"x" * 100_000)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_client_that_asks_too_often_is_told_when_to_come_back(desk, booked):
    async with open_door(desk, clients=3) as door:
        assert [(await door.ask(path)).status for path in (booked[0].address, UNKNOWN, "/")] == [200, 404, 404]
        late = await door.ask(booked[0].address)
        assert (late.status, late.headers["Retry-After"]) == (429, "20")


async def test_a_feed_that_is_asked_for_too_often_rests_whoever_asks(desk, booked):
    proxies = frozenset({"127.0.0.0/8"})
    async with open_door(desk, tokens=2, clients=3, proxies=proxies) as door:

        async def ask(path: str, client: str) -> int:
            return (await door.ask(path, headers={"X-Forwarded-For": client})).status

        assert [await ask(booked[0].address, f"198.51.100.{n}") for n in range(4)] == [200, 200, 429, 429]
        assert await ask(UNKNOWN, "198.51.100.9") == 404
        assert [await ask(UNKNOWN.replace("x", letter), "203.0.113.1") for letter in "abcd"] == [404, 404, 404, 429]


async def test_the_token_is_in_no_log_line_and_no_metric_and_the_feed_s_id_is(desk, booked):
    feed, _ = booked
    token = feed.address.rpartition("/")[2].removesuffix(".ics")
    async with open_door(desk) as door:
        for method in ("GET", "HEAD", "POST"):
            await door.ask(feed.address, method=method)
        await door.ask(feed.address + "x" * 5_000)
        await door.ask(feed.address, headers={"If-None-Match": "*"})
        await raw(door, f"GET {feed.address[16:]} HTTP/9.9\r\n\r\n")
        await raw(door, f"{token} nonsense\r\n\r\n")
        await revoke(desk, feed)
        await door.ask(feed.address)
        metrics = {
            (sample.labels.get("code"), sample.value)
            for metric in door.registry.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }
    async with open_door(desk, reader=Broken(RuntimeError(token))) as door:
        assert (await door.ask(feed.address)).status == 500
    lines = LOG.getvalue()
    assert lines.count(feed.name) == 3
    assert "internal_error" in lines
    assert token not in lines
    assert metrics == {("200", 2.0), ("304", 1.0), ("404", 1.0), ("405", 1.0)}


class Broken:
    """A reader that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def read(self, token: str) -> None:
        raise self._error


async def test_while_the_database_is_away_it_says_when_to_come_back_and_a_defect_says_nothing(desk):
    away = UnavailableError("The database is away", reason="DATABASE_AWAY")
    async with open_door(desk, reader=Broken(away)) as door:
        answer = await door.ask(UNKNOWN)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    async with open_door(desk, reader=Broken(RuntimeError("Quagmire"))) as door:
        answer = await door.ask(UNKNOWN)
        assert (answer.status, answer.body) == (500, b"Internal Server Error\n")


async def raw(door: Door, request: str) -> bytes:
    """Say something that no proper client would, and return the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_long_request_line_is_refused_and_a_silent_connection_closed(desk):
    async with open_door(desk, patience_seconds=0.2) as door:
        assert (await door.ask("/calendars/" + "x" * 5_000)).status == 400
        assert await asyncio.wait_for(raw(door, ""), 5) == b""
        assert await asyncio.wait_for(raw(door, "GET /calendars/x HTTP/1.1\r\n"), 5) == b""


class Slow:
    """A reader that waits until it may answer."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may = asyncio.Event()

    async def read(self, token: str) -> None:
        self.asked.set()
        await self.may.wait()


async def test_a_stop_ends_what_is_under_way_and_takes_nothing_new(desk):
    slow = Slow()
    async with open_door(desk, reader=slow) as door:
        under_way = asyncio.create_task(door.ask(UNKNOWN))
        await slow.asked.wait()
        stopped = asyncio.create_task(door.listener.stop())
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", door.port)
            except OSError:
                break
            writer.close()
            await asyncio.sleep(0)
        assert not stopped.done()
        slow.may.set()
        assert (await under_way).status == 404
        await stopped


async def test_more_at_once_than_it_takes_are_sent_away(desk):
    slow = Slow()
    async with open_door(desk, reader=slow) as door:
        asked = [asyncio.create_task(door.ask(UNKNOWN)) for _ in range(12)]
        done, _ = await asyncio.wait(asked, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 4:
            more, _ = await asyncio.wait([one for one in asked if one not in done], return_when="FIRST_COMPLETED")
            done |= more
        assert {one.result().status for one in done} == {503}
        slow.may.set()
        assert sorted([(await one).status for one in asked]) == [404] * 8 + [503] * 4


async def test_tls_where_a_certificate_is_named(desk, booked, tmp_path):
    files = EmbeddedAuthority(tmp_path / "authority", SystemClock()).certificate("scheduler")
    trusted = ssl.create_default_context(cafile=str(files.authority))
    async with open_door(desk, certificate=(files.certificate, files.private_key)) as door:
        answer = await door.ask(booked[0].address, scheme="https", ssl=trusted)
        assert len(events(answer.body)) == 1
        with pytest.raises(aiohttp.ClientError):
            await door.ask(booked[0].address)
