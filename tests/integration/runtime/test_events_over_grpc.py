"""Events over real TLS: the relay's own client, a consumer that comes and goes, and callers who may not deliver."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
import pytest

from kat.events.v1 import events_pb2, events_pb2_grpc
from kat.events.v1.events_pb2 import DeliverRequest, Event
from services.runtime.channel import TokenFile, bearer, event_sinks
from services.runtime.database import Database
from services.runtime.events.inbox import EventSink
from services.runtime.events.relay import Relay
from services.runtime.metrics import Metrics
from services.runtime.server import ServiceServer
from services.runtime.status import reason_of, status_from
from services.runtime.ticker import Ticker
from tests.integration.runtime.event_system import EventSystem, note_effect
from tests.integration.runtime.server_system import Party, refusal, server_settings
from tests.support.sample import TABLES, migrated_sample, opened

SERVICES = list(events_pb2.DESCRIPTOR.services_by_name.values())
Consumer = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture(scope="module")
def party(tmp_path_factory) -> Party:
    return Party(tmp_path_factory.mktemp("party"))


@pytest.fixture(scope="module")
def consumer_urls(service_database):
    return migrated_sample(service_database)


@pytest.fixture
async def system(sample_urls, consumer_urls) -> AsyncIterator[EventSystem]:
    async with opened(sample_urls.app_url) as producer, opened(consumer_urls.app_url) as consumer:
        yield EventSystem(producer, consumer)


@pytest.fixture
def address(unused_tcp_port) -> str:
    return f"127.0.0.1:{unused_tcp_port}"


@pytest.fixture
def consumer(party, consumer_urls, address) -> Consumer:
    """A running consumer, as often as it is entered."""

    @asynccontextmanager
    async def run() -> AsyncIterator[None]:
        port = int(address.rpartition(":")[2])
        settings = server_settings(party, "notifications", consumer_urls.app_url, port)
        database, metrics = Database(settings.database()), Metrics()
        server = ServiceServer(
            settings, services=SERVICES, database=database, schema="", ticker=Ticker(metrics), metrics=metrics
        )
        sink = EventSink(database, TABLES, {"session_cancelled": note_effect})
        server.add(events_pb2_grpc.add_EventSinkServicer_to_server, sink)
        task = asyncio.create_task(server.run())
        async with party.identity("cli").channel(address) as channel:
            await asyncio.wait_for(channel.channel_ready(), 10)
        try:
            yield
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await task

    return run


async def test_a_consumer_that_comes_and_goes_has_every_event_once(system, party, consumer, address, sample_urls):
    settings = server_settings(party, "scheduler", sample_urls.app_url, 1)
    async with event_sinks(settings, {system.name: address}) as sinks:
        relay = Relay(system.producer, TABLES, sinks)
        await system.happen("sessions/a", "sessions/b")
        assert await relay.run_once() == 0
        async with consumer():
            await settle(system, relay)
            assert await system.effects() == {"sessions/a": [1], "sessions/b": [1]}
        await system.happen("sessions/b", "sessions/c")
        assert await relay.run_once() == 0
        async with consumer():
            await settle(system, relay)
    await system.assert_each_once_and_in_order({"sessions/a": 1, "sessions/b": 2, "sessions/c": 1})


async def settle(system: EventSystem, relay: Relay) -> None:
    """Run the relay until all is sent; a channel needs up to a second to find that its server is back."""
    async with asyncio.timeout(15):
        while any(stream.next_version <= stream.last_version for stream in (await system.streams()).values()):
            await system.make_due()
            await relay.run_once()
            await asyncio.sleep(0.05)


async def test_only_a_service_may_deliver_and_only_its_own_events(consumer, party, address):
    request = DeliverRequest(request_id=str(uuid4()), events=[Event(producer="scheduler")])
    service = party.token("service", organization="*")
    async with consumer():
        person = await refusal(deliver(party, address, request, certificate="scheduler", token=party.token()))
        assert person.code() == grpc.StatusCode.PERMISSION_DENIED
        other = await refusal(deliver(party, address, request, certificate="console", token=service))
        assert reason_of(status_from(other)) == "PRODUCER_MISMATCH"
        answer = await deliver(party, address, request, certificate="scheduler", token=service)
        assert answer.outcomes[0].reason == "MALFORMED"


async def deliver(party: Party, address: str, request: DeliverRequest, *, certificate: str, token: str) -> Any:
    async with party.identity(certificate).channel(address) as channel:
        stub = events_pb2_grpc.EventSinkStub(channel)
        return await stub.Deliver(request, timeout=5, metadata=bearer(token))


def test_a_token_in_a_file_is_read_anew_when_it_changes(tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    read = TokenFile(file)
    assert (read(), read()) == ("first", "first")
    file.with_suffix(".new").write_text("second\n")
    os.utime(file.with_suffix(".new"), ns=(1, 1))  # another time of change, whatever the clock's grain
    file.with_suffix(".new").replace(file)
    assert read() == "second"
