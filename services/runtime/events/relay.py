"""Sending events: each consumer's stream of each aggregate is leased, sent in order, and acknowledged."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import grpc
import structlog
from sqlalchemy import Row, and_, func, or_, select

from kat.events.v1.events_pb2 import DeliverRequest, DeliverResponse, Event, Outcome
from services.runtime.claims import ClaimQueue
from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.runtime.identifiers import new_id
from services.runtime.tables import RuntimeTables
from services.runtime.ticker import Ticker

LEASE = timedelta(seconds=30)
STREAMS_AT_ONCE = 50
EVENTS_AT_ONCE = 100
PARK_AFTER_ATTEMPTS = 40
LONGEST_WAIT_SECONDS = 60.0
_LOG = structlog.get_logger()


class Sink(Protocol):
    """A consumer's EventSink."""

    async def deliver(self, request: DeliverRequest) -> DeliverResponse:
        """Deliver events within a deadline shorter than the lease."""
        ...


def schedule_relays(
    ticker: Ticker, database: Database, tables: RuntimeTables, sinks: Mapping[str, Sink], *, seconds: float
) -> None:
    """Send to each consumer in a job of its own, so that one that hangs does not delay the others."""
    for consumer, sink in sinks.items():
        ticker.every(seconds, f"relay_{consumer}", Relay(database, tables, {consumer: sink}).run_once)


@dataclass(frozen=True, slots=True)
class _Progress:
    """What became of one stream: the version to send next, and why it stopped, if it did."""

    next_version: int
    retry_after: timedelta | None = None
    rejected: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether the stream is simply sent on from there."""
        return not self.retry_after and not self.rejected


class Relay:
    """Sends the events of one service's outbox to its consumers; any number of replicas may run it.

    Polling is the truth: whatever is committed is found, however late, since nothing is skipped by a cursor.
    """

    def __init__(self, database: Database, tables: RuntimeTables, sinks: Mapping[str, Sink]) -> None:
        self._database = database
        self._tables = tables
        self._sinks = dict(sinks)
        stream = tables.stream
        self._queue = ClaimQueue(
            stream,
            ("organization_id", "consumer", "aggregate"),
            claimable=stream.c.next_version <= stream.c.last_version,
            lease=LEASE,
        )

    async def run_once(self) -> int:
        """Send what is due to every consumer; return how many events were taken in."""
        sent = 0
        for consumer in self._sinks:
            while (count := await self._send_due(consumer)) > 0:
                sent += count
        return sent

    async def _send_due(self, consumer: str) -> int:
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            claimed = await self._queue.claim(
                connection,
                now=func.clock_timestamp(),
                limit=STREAMS_AT_ONCE,
                only=self._tables.stream.c.consumer == consumer,
            )
            streams = await self._load(connection, claimed)
        if not streams:
            return 0
        outcomes = await self._deliver(consumer, [event for _, events in streams for event in events])
        progress = {row: _progress(row, events, outcomes) for row, events in streams}
        await self._acknowledge(progress)
        return sum(max(reached.next_version - int(row.next_version), 0) for row, reached in progress.items())

    async def _deliver(self, consumer: str, events: Sequence[Event]) -> Mapping[str, Outcome]:
        try:
            answer = await self._sinks[consumer].deliver(DeliverRequest(request_id=str(new_id()), events=events))
        except grpc.aio.AioRpcError as error:
            _LOG.warning("relay_consumer_away", consumer=consumer, code=error.code().name)
            return {}
        return {outcome.event_id: outcome for outcome in answer.outcomes}

    async def _load(self, connection: Any, claimed: Sequence[Row[Any]]) -> list[tuple[Row[Any], list[Event]]]:
        """Return each claimed stream with its next events, at most EVENTS_AT_ONCE in all."""
        if not claimed:
            return []
        outbox = self._tables.outbox
        wanted = or_(
            *(
                and_(
                    outbox.c.organization_id == row.organization_id,
                    outbox.c.aggregate == row.aggregate,
                    outbox.c.aggregate_version.between(row.next_version, row.last_version),
                )
                for row in claimed
            )
        )
        found = select(outbox).where(wanted).order_by(outbox.c.aggregate_version).limit(EVENTS_AT_ONCE)
        events: dict[tuple[object, str], list[Event]] = {}
        for row in await connection.execute(found):
            events.setdefault((row.organization_id, row.aggregate), []).append(Event.FromString(row.event))
        return [(row, events.get((row.organization_id, row.aggregate), [])) for row in claimed]

    async def _acknowledge(self, progress: Mapping[Row[Any], _Progress]) -> None:
        """Write what became of each stream: of all that go on in one statement, of the others one by one."""
        reached = {
            row: {"next_version": one.next_version, "attempts": 0} for row, one in progress.items() if one.goes_on
        }
        left = [row for row in progress if row not in reached]
        if reached:  # none is while the consumer is away
            async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
                left += await self._queue.release_together(connection, reached, due_time=func.clock_timestamp())
        for row in left:
            await self._acknowledge_one(row, progress[row])

    async def _acknowledge_one(self, row: Row[Any], progress: _Progress) -> None:
        # In a transaction of its own: one that waits with several could deadlock with a change that writes to the same.
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            if progress.rejected:
                _LOG.error("stream_parked", consumer=row.consumer, aggregate=row.aggregate, reason=progress.rejected)
                await self._queue.park(connection, row, progress.rejected, next_version=progress.next_version)
            else:
                await self._queue.release(
                    connection,
                    row,
                    due_time=func.clock_timestamp() + (progress.retry_after or timedelta()),
                    next_version=progress.next_version,
                    attempts=row.attempts if progress.retry_after else 0,
                )


def _progress(row: Row[Any], events: Sequence[Event], outcomes: Mapping[str, Outcome]) -> _Progress:
    """Fold the verdicts of one stream's events, in order, up to the first that was not taken in."""
    position = int(row.next_version)
    for event in events:
        outcome = outcomes.get(event.event_id, Outcome())
        match outcome.verdict:
            case Outcome.VERDICT_APPLIED | Outcome.VERDICT_DUPLICATE:
                position = event.aggregate_version + 1
            case Outcome.VERDICT_GAP if 0 < outcome.expected_version < position:
                return _Progress(outcome.expected_version)
            case Outcome.VERDICT_REJECT:
                return _Progress(position, rejected=outcome.reason or "REJECTED")
            case _:
                return _wait(row, position, outcome)
    return _Progress(position)


def _wait(row: Row[Any], position: int, outcome: Outcome) -> _Progress:
    # A consumer that is away answers nothing and is waited for without end; one that keeps saying RETRY is parked.
    answered = bool(outcome.event_id)
    if answered and row.attempts >= PARK_AFTER_ATTEMPTS:
        return _Progress(position, rejected="RETRIED_TOO_OFTEN")
    backoff = min(LONGEST_WAIT_SECONDS if answered else 5.0, 0.2 * 2 ** min(row.attempts, 10))
    backoff *= random.uniform(0.5, 1)  # noqa: S311 - jitter, not a secret
    asked = outcome.retry_after.ToTimedelta() if answered else timedelta()
    return _Progress(position, retry_after=max(asked, timedelta(seconds=backoff)))
