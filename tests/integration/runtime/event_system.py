"""A producer and a consumer, each with its own database, between them the relay: as the tests of events use them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import grpc
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kat.events.v1.events_pb2 import DeliverRequest, DeliverResponse, Event, SessionCancelled, SessionSnapshot
from services.runtime.auth import calling_as
from services.runtime.clock import SystemClock
from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.runtime.events.inbox import EventSink, Handler
from services.runtime.events.outbox import Outbox
from services.runtime.events.relay import Relay, Sink
from tests.support.sample import EFFECT, TABLES
from tests.support.services import make_caller

PRODUCER = "scheduler"
Fault = Callable[[Callable[[DeliverRequest], Awaitable[DeliverResponse]], DeliverRequest], Awaitable[DeliverResponse]]


async def note_effect(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
    """The consumer's effect. Nothing in its table stops a second one, so that a test would see it."""
    await connection.execute(
        insert(EFFECT).values(
            organization_id=organization_id,
            event_id=UUID(event.event_id),
            producer=event.producer,
            aggregate=event.aggregate,
            aggregate_version=event.aggregate_version,
        )
    )


class LocalSink:
    """An EventSink without a network between, which still sees bytes; `faults` befall one delivery each, in order."""

    def __init__(self, database: Database, *faults: Fault, handlers: Mapping[str, Handler] | None = None) -> None:
        self._sink = EventSink(database, TABLES, handlers or {"session_cancelled": note_effect})
        self.faults = list(faults)
        self.answers: list[DeliverResponse] = []

    async def deliver(self, request: DeliverRequest) -> DeliverResponse:
        if self.faults:
            return await self.faults.pop(0)(self._deliver, request)
        return await self._deliver(request)

    async def _deliver(self, request: DeliverRequest) -> DeliverResponse:
        with calling_as(make_caller("service", certificate_name=PRODUCER)):
            answer = await self._sink.Deliver(DeliverRequest.FromString(request.SerializeToString()), None)
        self.answers.append(answer)
        return answer

    def verdicts(self) -> list[int]:
        return [outcome.verdict for answer in self.answers for outcome in answer.outcomes]


def rpc_error(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())


async def consumer_away(deliver: Any, request: DeliverRequest) -> DeliverResponse:
    raise rpc_error(grpc.StatusCode.UNAVAILABLE)


async def reply_lost(deliver: Any, request: DeliverRequest) -> DeliverResponse:
    await deliver(request)
    raise rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED)


async def relay_killed_before(deliver: Any, request: DeliverRequest) -> DeliverResponse:
    raise asyncio.CancelledError


async def relay_killed_after(deliver: Any, request: DeliverRequest) -> DeliverResponse:
    await deliver(request)
    raise asyncio.CancelledError


async def relay_killed_at_acknowledgement(deliver: Any, request: DeliverRequest) -> DeliverResponse:
    answer = await deliver(request)
    task = asyncio.current_task()
    assert task is not None
    task.cancel()  # arrives at the relay's next await: in the transaction that acknowledges
    return answer


async def no_fault(deliver: Any, request: DeliverRequest) -> DeliverResponse:
    return await deliver(request)


class EventSystem:
    """One producer and one consumer of a name of its own, so that tests share databases and not streams."""

    def __init__(self, producer: Database, consumer: Database) -> None:
        self.producer = producer
        self.consumer = consumer
        self.name = f"consumer-{uuid4()}"
        self.outbox = Outbox(TABLES, producer=PRODUCER, consumers=(self.name,), clock=SystemClock())
        self.organization_id = uuid4()

    async def happen(self, *aggregates: str, outbox: Outbox | None = None, first: bool = False) -> None:
        """One transaction with an event for each of these aggregates."""
        async with self.producer.transaction(self.organization_id) as connection:
            for aggregate in aggregates:
                payload = SessionCancelled(session=SessionSnapshot(session=aggregate))
                await (outbox or self.outbox).append(
                    connection, self.organization_id, aggregate=aggregate, payload=payload, first=first
                )

    def relay(self, sink: Sink) -> Relay:
        return Relay(self.producer, TABLES, {self.name: sink})

    async def run(self, relay: Relay) -> None:
        """One run of a relay that may be killed in it."""
        await asyncio.gather(asyncio.ensure_future(relay.run_once()), return_exceptions=True)

    async def streams(self) -> dict[str, Any]:
        async with self.producer.transaction(ALL_ORGANIZATIONS) as connection:
            rows = await connection.execute(select(TABLES.stream).filter_by(consumer=self.name))
            return {row.aggregate: row for row in rows}

    async def set_streams(self, **values: object) -> None:
        """Set columns of the streams, but of those that somebody writes at this moment, so as not to deadlock."""
        stream = TABLES.stream
        free = select(stream.c.aggregate).filter_by(consumer=self.name).with_for_update(skip_locked=True).cte()
        statement = update(stream).filter_by(consumer=self.name).where(stream.c.aggregate.in_(select(free)))
        async with self.producer.transaction(ALL_ORGANIZATIONS) as connection:
            await connection.execute(statement.values(**values))

    async def make_due(self) -> None:
        await self.set_streams(due_time=text("now() - interval '1 second'"))

    async def expire_leases(self) -> None:
        """Let so much time pass that every lease is over."""
        await self.set_streams(
            lease_until=text("case when lease_until is not null then now() - interval '1 second' end"),
            due_time=text("now() - interval '1 second'"),
        )

    async def settle(self, relay: Relay, *, rounds: int = 60) -> None:
        """Let time pass and relays run until nothing waits."""
        for _ in range(rounds):
            await self.expire_leases()
            await relay.run_once()
            open_streams = [s for s in (await self.streams()).values() if s.next_version <= s.last_version]
            if all(stream.parked_reason for stream in open_streams):
                return
        raise AssertionError(f"still waiting: {open_streams}")

    async def effects(self) -> dict[str, list[int]]:
        """The versions whose effect the consumer has, by aggregate, in the order in which they were applied."""
        found: dict[str, list[int]] = {}
        async with self.consumer.transaction(self.organization_id) as connection:
            for row in await connection.execute(select(EFFECT).order_by(EFFECT.c.position)):
                found.setdefault(row.aggregate, []).append(row.aggregate_version)
        return found

    async def written(self) -> dict[str, list[int]]:
        """The versions that the producer committed, by aggregate."""
        found: dict[str, list[int]] = {}
        table = TABLES.outbox
        async with self.producer.transaction(self.organization_id) as connection:
            for row in await connection.execute(select(table).order_by(table.c.aggregate_version)):
                found.setdefault(row.aggregate, []).append(row.aggregate_version)
        return found

    async def assert_each_once_and_in_order(self, expected: Mapping[str, int] | None = None) -> None:
        written, effects = await self.written(), await self.effects()
        assert effects == written == {name: list(range(1, len(v) + 1)) for name, v in written.items()}
        if expected is not None:
            assert {name: len(versions) for name, versions in effects.items()} == expected
        for stream in (await self.streams()).values():
            assert (stream.next_version, stream.lease_until) == (stream.last_version + 1, None)


def verdict_counts(sinks: Sequence[LocalSink]) -> dict[int, int]:
    found = [verdict for sink in sinks for verdict in sink.verdicts()]
    return {verdict: found.count(verdict) for verdict in set(found)}
