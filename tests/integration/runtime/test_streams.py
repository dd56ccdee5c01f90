"""A stream over real TLS: it ends when its caller's right, its deadline or its server ends, and leaves nothing open."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest

from services.runtime.errors import FailedPreconditionError
from services.runtime.status import reason_of, status_from, violations_of
from tests.integration.runtime.server_system import SESSIONS, Party, Running, refusal, serving

WATCH = f"/{SESSIONS.full_name}/WatchSessions"


@pytest.fixture(scope="module")
def party(tmp_path_factory) -> Party:
    return Party(tmp_path_factory.mktemp("party"))


@pytest.fixture
async def running(party, sample_urls, unused_tcp_port) -> AsyncIterator[Running]:
    # Longer than a test may take: nothing here may wait for the drain to run out.
    async with serving(party, sample_urls.app_url, unused_tcp_port, drain_seconds=60) as running:
        yield running


@pytest.fixture
async def channel(running) -> AsyncIterator[grpc.aio.Channel]:
    async with running.channel() as channel:
        yield channel


async def end_of(call: Any) -> grpc.aio.AioRpcError:
    async with asyncio.timeout(10):
        return await refusal(call.read())


async def test_a_stream_tells_as_the_caller_until_it_ends_by_itself(running, channel):
    go_on = asyncio.Event()
    running.streams.behaviour = go_on.wait
    call, first = await running.watch(channel)
    assert first.position == "person-1"
    go_on.set()
    assert (await call.read()).position == "last"
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_a_stream_without_a_deadline_is_refused(running, channel):
    error = await refusal(running.watch(channel, seconds=None))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [path for _, path, _ in violations_of(status_from(error))] == ["deadline"]


async def test_a_stream_ends_at_its_deadline(running, channel):
    call, _ = await running.watch(channel, seconds=0.5)
    assert (await end_of(call)).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(running.streams.left.wait(), 5)


async def test_a_stream_ends_when_the_token_expires(running, channel, party):
    call, _ = await running.watch(channel, token=party.token(lifetime=timedelta(seconds=2)))
    error = await end_of(call)
    assert (error.code(), reason_of(status_from(error))) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    await asyncio.wait_for(running.streams.left.wait(), 5)


async def test_a_stream_whose_caller_hangs_up_is_left_at_once_and_counted(running, channel):
    call, _ = await running.watch(channel)
    call.cancel()
    await asyncio.wait_for(running.streams.left.wait(), 5)
    labels = {"method": WATCH, "code": "CANCELLED"}
    async with asyncio.timeout(5):
        while running.metrics.registry.get_sample_value("kat_rpc_calls_total", labels) != 1:
            await asyncio.sleep(0)


async def test_a_drain_ends_streams_at_once_and_takes_no_new_ones(running, channel):
    calls = [(await running.watch(channel))[0] for _ in range(3)]
    running.terminate()
    for call in calls:
        error = await end_of(call)
        assert (error.code(), reason_of(status_from(error))) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    await asyncio.wait_for(running.task, 10)
    assert (await refusal(running.watch(channel, seconds=2))).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_drain_lets_an_ordinary_call_end_beside_a_stream(running, channel):
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        await go_on.wait()

    running.probe.behaviour = wait
    ordinary = asyncio.create_task(running.get())
    await entered.wait()
    call, _ = await running.watch(channel)
    running.terminate()
    assert (await end_of(call)).code() is grpc.StatusCode.UNAVAILABLE
    assert not ordinary.done()
    go_on.set()
    assert (await ordinary).name == "courses/1"


async def test_what_a_stream_fails_with_arrives_after_what_it_told(running, channel):
    async def fail() -> None:
        raise FailedPreconditionError("List anew", reason="POSITION_EXPIRED")

    running.streams.behaviour = fail
    call, first = await running.watch(channel)
    assert first.position
    error = await end_of(call)
    assert (error.code(), reason_of(status_from(error))) == (grpc.StatusCode.FAILED_PRECONDITION, "POSITION_EXPIRED")
