"""Taking in events: the effect and the note that it happened are one transaction."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from uuid import UUID

import grpc
import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kat.events.v1.events_pb2 import DeliverRequest, DeliverResponse, Event, Outcome
from kat.events.v1.events_pb2_grpc import EventSinkServicer
from services.runtime.auth import current_caller
from services.runtime.database import Database
from services.runtime.errors import DomainError, FieldViolation, InvalidArgumentError, PermissionDeniedError
from services.runtime.names import parse_name
from services.runtime.tables import RuntimeTables

Handler = Callable[[AsyncConnection, UUID, Event], Awaitable[None]]

MAXIMUM_EVENTS = 100
_LOG = structlog.get_logger()


class RetryLater(Exception):  # noqa: N818 - not an error: an answer
    """Raised by a handler that cannot apply an event yet, such as one whose course is not known yet."""

    def __init__(self, reason: str, *, after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(reason)
        self.after = after


class RejectEvent(Exception):  # noqa: N818 - not an error: an answer
    """Raised by a handler for an event that can never be applied. `reason` is stable and without personal data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EventSink(EventSinkServicer):
    """Applies events of other services, each once, those of one aggregate in order.

    Args:
        handlers: for each payload field of `Event` what it does; a known payload without a handler has no effect here.
    """

    def __init__(self, database: Database, tables: RuntimeTables, handlers: Mapping[str, Handler]) -> None:
        self._database = database
        self._tables = tables
        self._handlers = dict(handlers)

    async def Deliver(  # noqa: N802 - the contract's name
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        """Apply events and say of each what became of it."""
        del context
        if not 1 <= len(request.events) <= MAXIMUM_EVENTS:
            raise InvalidArgumentError([FieldViolation("events", f"send 1 to {MAXIMUM_EVENTS} events")])
        self._check_producer(request)
        return DeliverResponse(outcomes=[await self._outcome(event) for event in request.events])

    def _check_producer(self, request: DeliverRequest) -> None:
        certificate = current_caller().certificate_name
        if any(event.producer != certificate for event in request.events):
            raise PermissionDeniedError("A service may deliver its own events alone", reason="PRODUCER_MISMATCH")

    async def _outcome(self, event: Event) -> Outcome:
        outcome = Outcome(event_id=event.event_id)
        try:
            organization_id = parse_name(event.organization, "organizations")
            UUID(event.event_id)
        except ValueError:
            outcome.verdict, outcome.reason = Outcome.VERDICT_REJECT, "MALFORMED"
            return outcome
        try:
            async with self._database.transaction(organization_id) as connection:
                await self._apply(connection, organization_id, event, outcome)
        except RetryLater as later:
            outcome.verdict = Outcome.VERDICT_RETRY
            outcome.retry_after.FromTimedelta(later.after)
        except RejectEvent as rejection:
            outcome.verdict, outcome.reason = Outcome.VERDICT_REJECT, rejection.reason
        except DomainError:
            outcome.verdict = Outcome.VERDICT_RETRY
            outcome.retry_after.FromTimedelta(timedelta(seconds=1))
        except Exception:  # noqa: BLE001 - one poisoned event must not stop the others; the relay parks it in the end
            _LOG.exception("event_failed", event_id=event.event_id, aggregate=event.aggregate)
            outcome.verdict = Outcome.VERDICT_RETRY
            outcome.retry_after.FromTimedelta(timedelta(seconds=5))
        return outcome

    async def _apply(self, connection: AsyncConnection, organization_id: UUID, event: Event, outcome: Outcome) -> None:
        kind = event.WhichOneof("payload")
        if kind is None:  # written by a newer release than this one
            raise RetryLater("UNKNOWN_TYPE", after=timedelta(seconds=30))
        last = await self._last_version(connection, organization_id, event)
        if event.aggregate_version <= last:
            outcome.verdict = Outcome.VERDICT_DUPLICATE
            return
        if event.aggregate_version > last + 1:
            outcome.verdict, outcome.expected_version = Outcome.VERDICT_GAP, last + 1
            return
        handler = self._handlers.get(kind)
        if handler is not None:
            await handler(connection, organization_id, event)
        await self._note(connection, organization_id, event)
        outcome.verdict = Outcome.VERDICT_APPLIED

    async def _last_version(self, connection: AsyncConnection, organization_id: UUID, event: Event) -> int:
        table = self._tables.inbox_aggregate
        key = {"organization_id": organization_id, "producer": event.producer, "aggregate": event.aggregate}
        await connection.execute(insert(table).values(**key, version=0).on_conflict_do_nothing())
        locked = select(table.c.version).filter_by(**key).with_for_update()
        return int((await connection.execute(locked)).scalar_one())

    async def _note(self, connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        table = self._tables.inbox_aggregate
        await connection.execute(
            table.update()
            .filter_by(organization_id=organization_id, producer=event.producer, aggregate=event.aggregate)
            .values(version=event.aggregate_version)
        )
        await connection.execute(
            insert(self._tables.inbox).values(
                organization_id=organization_id,
                event_id=UUID(event.event_id),
                producer=event.producer,
                aggregate=event.aggregate,
                aggregate_version=event.aggregate_version,
            )
        )
