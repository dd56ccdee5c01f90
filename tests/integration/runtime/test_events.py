"""Outbox, relay and inbox on two real databases: every committed event has its effect once and in order."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from kat.events.v1.events_pb2 import DeliverRequest, DeliverResponse, Event, Outcome
from services.runtime.auth import calling_as
from services.runtime.clock import SystemClock
from services.runtime.errors import AbortedError, InvalidArgumentError, PermissionDeniedError
from services.runtime.events.inbox import EventSink, RejectEvent, RetryLater
from services.runtime.events.outbox import Outbox
from services.runtime.events.relay import PARK_AFTER_ATTEMPTS
from tests.integration.runtime.event_system import (
    PRODUCER,
    EventSystem,
    LocalSink,
    consumer_away,
    no_fault,
    note_effect,
    relay_killed_after,
    relay_killed_at_acknowledgement,
    relay_killed_before,
    reply_lost,
    verdict_counts,
)
from tests.support.sample import TABLES, migrated_sample, opened
from tests.support.services import make_caller


@pytest.fixture(scope="session")
def consumer_urls(service_database):
    return migrated_sample(service_database)


@pytest.fixture
async def system(sample_urls, consumer_urls) -> AsyncIterator[EventSystem]:
    async with opened(sample_urls.app_url) as producer, opened(consumer_urls.app_url) as consumer:
        yield EventSystem(producer, consumer)


async def test_events_arrive_once_and_in_order_for_each_aggregate(system):
    await system.happen("sessions/a", "sessions/b")
    await system.happen("sessions/a")
    relay = system.relay(sink := LocalSink(system.consumer))

    assert await relay.run_once() == 3
    assert await relay.run_once() == 0

    await system.assert_each_once_and_in_order({"sessions/a": 2, "sessions/b": 1})
    assert verdict_counts([sink]) == {Outcome.VERDICT_APPLIED: 3}


async def test_more_events_than_one_delivery_takes(system):
    for _ in range(3):
        await system.happen(*["sessions/long"] * 80, *(f"sessions/{n}" for n in range(60)))
    relay = system.relay(sink := LocalSink(system.consumer))
    await system.settle(relay)
    await system.assert_each_once_and_in_order()
    assert max(len(answer.outcomes) for answer in sink.answers) <= 100


async def test_an_event_of_a_change_that_failed_is_never_sent(system):
    """Crash point C1."""
    with pytest.raises(ZeroDivisionError):
        async with system.producer.transaction(system.organization_id) as connection:
            payload = Event().session_booked
            await system.outbox.append(connection, system.organization_id, aggregate="sessions/a", payload=payload)
            raise ZeroDivisionError
    assert await system.relay(LocalSink(system.consumer)).run_once() == 0
    await system.happen("sessions/a")
    await system.settle(system.relay(LocalSink(system.consumer)))
    await system.assert_each_once_and_in_order({"sessions/a": 1})


CRASHES = [relay_killed_before, relay_killed_after, relay_killed_at_acknowledgement]


@pytest.mark.parametrize("crash", CRASHES)
async def test_a_relay_that_is_killed_leaves_its_streams_to_another(system, crash):
    """Crash points C3, C4 and C5: after the claim, after the effect, and before the acknowledgement."""
    await system.happen("sessions/a", "sessions/b", "sessions/a")
    await system.run(system.relay(LocalSink(system.consumer, crash)))
    assert {stream.next_version for stream in (await system.streams()).values()} == {1}
    other = system.relay(sink := LocalSink(system.consumer))
    assert await other.run_once() == 0  # the lease stands

    await system.expire_leases()
    assert await other.run_once() == 3

    await system.assert_each_once_and_in_order({"sessions/a": 2, "sessions/b": 1})
    effect_was_there = crash is not relay_killed_before
    assert set(sink.verdicts()) == {Outcome.VERDICT_DUPLICATE if effect_was_there else Outcome.VERDICT_APPLIED}


async def test_a_lost_reply_is_answered_with_duplicate(system):
    await system.happen("sessions/a", "sessions/a")
    relay = system.relay(sink := LocalSink(system.consumer, reply_lost))
    await system.run(relay)
    await system.settle(relay)
    await system.assert_each_once_and_in_order({"sessions/a": 2})
    assert sink.verdicts() == [Outcome.VERDICT_APPLIED] * 2 + [Outcome.VERDICT_DUPLICATE] * 2


async def test_a_consumer_that_is_away_is_waited_for_and_never_parked(system):
    await system.happen("sessions/a")
    away = LocalSink(system.consumer, *[consumer_away] * (PARK_AFTER_ATTEMPTS + 5))
    relay = system.relay(away)
    for _ in range(PARK_AFTER_ATTEMPTS + 5):
        await system.make_due()
        await relay.run_once()
    stream = (await system.streams())["sessions/a"]
    assert stream.parked_reason is None
    assert stream.due_time - datetime.now(UTC) < timedelta(seconds=6)  # it is back soon after the consumer is
    await system.settle(relay)
    await system.assert_each_once_and_in_order({"sessions/a": 1})
    assert (await system.streams())["sessions/a"].attempts == 0


@pytest.mark.parametrize("error", [ZeroDivisionError("boom"), asyncio.CancelledError()])
async def test_a_consumer_that_fails_between_effect_and_commit_has_no_effect(system, error):
    """Crash point C8."""
    failures = [error]

    async def fails_once(connection, organization_id, event):
        await note_effect(connection, organization_id, event)
        if failures:
            raise failures.pop()

    await system.happen("sessions/a", "sessions/a")
    relay = system.relay(LocalSink(system.consumer, handlers={"session_cancelled": fails_once}))
    await system.run(relay)
    assert await system.effects() == {}
    await system.settle(relay)
    await system.assert_each_once_and_in_order({"sessions/a": 2})


async def test_a_relay_that_was_paused_past_its_lease_writes_nothing(system):
    """Crash point C7: the zombie."""
    paused, holds, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold(deliver, request):
        holds.set()
        await go_on.wait()

    async def pause(deliver, request):
        answer = await deliver(request)
        paused.set()
        await go_on.wait()
        return answer

    await system.happen("sessions/a")
    zombie = asyncio.create_task(system.relay(LocalSink(system.consumer, pause)).run_once())
    await paused.wait()
    await system.expire_leases()
    await system.relay(LocalSink(system.consumer)).run_once()
    await system.happen("sessions/a")
    other = asyncio.create_task(system.relay(LocalSink(system.consumer, hold)).run_once())
    await holds.wait()
    held = (await system.streams())["sessions/a"]

    other.cancel()
    go_on.set()
    await asyncio.gather(zombie, other, return_exceptions=True)

    assert (await system.streams())["sessions/a"] == held
    await system.settle(system.relay(LocalSink(system.consumer)))
    await system.assert_each_once_and_in_order({"sessions/a": 2})


async def test_a_rejected_event_parks_its_aggregate_alone(system):
    async def rejects_b(connection, organization_id, event):
        if event.aggregate == "sessions/b":
            raise RejectEvent("NOT_OURS")
        await note_effect(connection, organization_id, event)

    relay = system.relay(LocalSink(system.consumer, handlers={"session_cancelled": rejects_b}))
    await system.happen("sessions/a", "sessions/b", "sessions/c")
    await system.settle(relay)
    await system.happen("sessions/b", "sessions/a")
    await system.settle(relay)

    assert await system.effects() == {"sessions/a": [1, 2], "sessions/c": [1]}
    parked = (await system.streams())["sessions/b"]
    assert (parked.parked_reason, parked.next_version, parked.last_version) == ("NOT_OURS", 1, 2)

    await system.set_streams(parked_reason=None, attempts=0)  # as an operator does once the cause is mended
    await system.settle(system.relay(LocalSink(system.consumer)))
    await system.assert_each_once_and_in_order({"sessions/a": 2, "sessions/b": 2, "sessions/c": 1})


async def test_a_relay_killed_while_it_parks_leaves_the_stream_to_another(system):
    """Crash point C10."""

    async def rejects(connection, organization_id, event):
        raise RejectEvent("NOT_OURS")

    await system.happen("sessions/a")
    handlers = {"session_cancelled": rejects}
    await system.run(system.relay(LocalSink(system.consumer, relay_killed_at_acknowledgement, handlers=handlers)))
    assert (await system.streams())["sessions/a"].parked_reason is None
    await system.settle(system.relay(LocalSink(system.consumer, handlers=handlers)))
    assert (await system.streams())["sessions/a"].parked_reason == "NOT_OURS"


async def test_an_event_that_comes_too_early_waits_and_the_rest_of_its_aggregate_with_it(system):
    async def needs_the_course(connection, organization_id, event):
        if event.aggregate.startswith("sessions/") and not course_known:
            raise RetryLater("COURSE_UNKNOWN", after=timedelta(minutes=3))
        await note_effect(connection, organization_id, event)

    course_known: list[bool] = []
    relay = system.relay(LocalSink(system.consumer, handlers={"session_cancelled": needs_the_course}))
    await system.happen("sessions/a", "sessions/a", "courses/c")
    await relay.run_once()
    assert await system.effects() == {"courses/c": [1]}
    assert (await system.streams())["sessions/a"].due_time - datetime.now(UTC) > timedelta(minutes=2)

    course_known.append(True)
    await system.settle(relay)
    await system.assert_each_once_and_in_order({"sessions/a": 2, "courses/c": 1})


async def from_a_newer_release(deliver, request: DeliverRequest) -> DeliverResponse:
    newer = DeliverRequest(request_id=request.request_id)
    for event in request.events:
        event.ClearField(event.WhichOneof("payload"))
        newer.events.append(Event.FromString(event.SerializeToString() + b"\x9a\x06\x00"))  # field 99
    return await deliver(newer)


async def test_an_event_of_an_unknown_type_is_retried_until_the_consumer_knows_it(system):
    await system.happen("sessions/a")
    relay = system.relay(sink := LocalSink(system.consumer, *[from_a_newer_release] * 3))
    for _ in range(3):
        await system.make_due()
        await relay.run_once()
    assert sink.verdicts() == [Outcome.VERDICT_RETRY] * 3
    await system.settle(relay)
    await system.assert_each_once_and_in_order({"sessions/a": 1})


async def test_an_event_that_was_retried_too_often_parks_its_aggregate(system):
    await system.happen("sessions/a")
    await system.set_streams(attempts=PARK_AFTER_ATTEMPTS)
    await system.relay(LocalSink(system.consumer, from_a_newer_release)).run_once()
    assert (await system.streams())["sessions/a"].parked_reason == "RETRIED_TOO_OFTEN"


async def test_a_consumer_that_lost_its_newest_events_is_sent_them_again(system):
    relay = system.relay(sink := LocalSink(system.consumer))
    for _ in range(3):
        await system.happen("sessions/a")
    await system.settle(relay)
    async with system.consumer.transaction(system.organization_id) as connection:  # restored from a backup
        await connection.execute(delete(TABLES.inbox).where(TABLES.inbox.c.aggregate_version > 1))
        await connection.execute(update(TABLES.inbox_aggregate).values(version=1))

    await system.happen("sessions/a")
    await system.settle(relay)

    assert await system.effects() == {"sessions/a": [1, 2, 3, 2, 3, 4]}
    assert Outcome.VERDICT_GAP in sink.verdicts()


async def test_a_consumer_that_joins_later_is_sent_everything_from_the_first(system):
    before = Outbox(TABLES, producer=PRODUCER, consumers=(), clock=SystemClock())
    for _ in range(3):
        await system.happen("sessions/a", outbox=before)
    await system.happen("sessions/a")
    await system.settle(system.relay(LocalSink(system.consumer)))
    await system.assert_each_once_and_in_order({"sessions/a": 4})


async def test_a_payload_without_a_handler_is_taken_in_without_effect(system):
    await system.happen("sessions/a")
    await system.settle(system.relay(sink := LocalSink(system.consumer, handlers={"dose_authorized": note_effect})))
    assert (await system.effects(), sink.verdicts()) == ({}, [Outcome.VERDICT_APPLIED])


async def test_two_deliveries_of_one_event_at_once_are_one_effect_and_one_duplicate(system):
    """A relay whose lease ended while its call was under way, and the one that took over."""

    async def take_some_time(connection, organization_id, event):
        await note_effect(connection, organization_id, event)
        await asyncio.sleep(0.01)

    await system.happen(*(f"sessions/{number}" for number in range(10)))
    requests: list[DeliverRequest] = []

    async def overhear(deliver, request):
        requests.append(request)
        raise asyncio.CancelledError

    sinks = [LocalSink(system.consumer, handlers={"session_cancelled": take_some_time}) for _ in range(2)]
    await system.run(system.relay(LocalSink(system.consumer, overhear)))
    await asyncio.gather(*(sink.deliver(request) for sink in sinks for request in requests))

    assert verdict_counts(sinks) == {Outcome.VERDICT_APPLIED: 10, Outcome.VERDICT_DUPLICATE: 10}
    assert await system.effects() == {f"sessions/{number}": [1] for number in range(10)}


@pytest.mark.parametrize("spoil", [{"event_id": "x"}, {"organization": "clinics/1"}, {"organization": ""}])
async def test_a_malformed_event_is_rejected(system, spoil):
    async def spoiled(deliver, request):
        for event in request.events:
            event.MergeFrom(Event(**spoil)) if all(spoil.values()) else event.ClearField(*spoil)
        return await deliver(request)

    await system.happen("sessions/a")
    await system.relay(sink := LocalSink(system.consumer, spoiled)).run_once()
    assert sink.answers[0].outcomes[0].reason == "MALFORMED"


async def test_a_service_may_deliver_its_own_events_alone_and_not_too_many(system):
    sink = EventSink(system.consumer, TABLES, {})
    with calling_as(make_caller("service", certificate_name="notifications")):
        with pytest.raises(PermissionDeniedError):
            await sink.Deliver(DeliverRequest(events=[Event(producer=PRODUCER)]), None)
        for count in (0, 101):
            with pytest.raises(InvalidArgumentError):
                await sink.Deliver(DeliverRequest(events=[Event(producer="notifications")] * count), None)


async def test_many_writers_and_relays_with_faults_lose_nothing_and_double_nothing(system):
    """16 writers of one to four aggregates in a transaction, three relays, a consumer that often fails."""
    aggregates = [f"sessions/{number:02}" for number in range(24)]
    aborted = 0
    writing = True

    async def write(seed: int) -> None:
        nonlocal aborted
        chance = random.Random(seed)  # noqa: S311 - a seed, not a secret
        for _ in range(25):
            # In one order, so that a deadlock could only be with a relay.
            chosen = sorted(chance.sample(aggregates, chance.randint(1, 4)))
            try:
                await system.happen(*chosen)
            except AbortedError:
                aborted += 1

    async def send(seed: int) -> LocalSink:
        chance = random.Random(seed)  # noqa: S311 - a seed, not a secret
        faults = [consumer_away, reply_lost, no_fault, no_fault, relay_killed_before, relay_killed_after]
        sink = LocalSink(system.consumer)
        relay = system.relay(sink)
        while writing:
            sink.faults = [chance.choice(faults)]
            await system.run(relay)
            if chance.random() < 0.3:
                await system.expire_leases()
            await asyncio.sleep(0.01)
        return sink

    relays = [asyncio.create_task(send(seed)) for seed in range(3)]
    await asyncio.gather(*(write(seed) for seed in range(16)))
    writing = False
    sinks = await asyncio.gather(*relays)
    await system.settle(system.relay(LocalSink(system.consumer)))

    assert aborted == 0
    await system.assert_each_once_and_in_order()
    assert verdict_counts(sinks)[Outcome.VERDICT_DUPLICATE] > 0


STEPS = st.one_of(
    st.tuples(st.just("happen"), st.lists(st.sampled_from("abc"), min_size=1, max_size=3)),
    st.tuples(st.just("relay"), st.sampled_from([no_fault, reply_lost, consumer_away, *CRASHES])),
    st.tuples(st.just("time passes"), st.none()),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=2, max_size=12))
async def test_whatever_happens_in_whatever_order(system, steps):
    fresh = EventSystem(system.producer, system.consumer)
    for step, argument in steps:
        if step == "happen":
            await fresh.happen(*(f"sessions/{letter}" for letter in argument))
        elif step == "relay":
            await fresh.run(fresh.relay(LocalSink(fresh.consumer, argument)))
        else:
            await fresh.expire_leases()
        written = await fresh.written()
        for aggregate, versions in (await fresh.effects()).items():
            assert versions == written[aggregate][: len(versions)]
    await fresh.settle(fresh.relay(LocalSink(fresh.consumer)))
    await fresh.assert_each_once_and_in_order()
