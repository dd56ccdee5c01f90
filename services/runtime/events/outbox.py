"""Writing events in the transaction of the change that they tell of."""

from collections.abc import Sequence
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kat.events.v1.events_pb2 import Event
from services.runtime.clock import Clock
from services.runtime.fields import timestamp
from services.runtime.identifiers import new_id
from services.runtime.names import format_name
from services.runtime.tables import RuntimeTables

_PAYLOAD_FIELDS = {
    field.message_type.full_name: field.name
    for field in Event.DESCRIPTOR.oneofs_by_name["payload"].fields
    if field.message_type is not None
}


class Outbox:
    """The events of one service, for the services that listen."""

    def __init__(self, tables: RuntimeTables, *, producer: str, consumers: Sequence[str], clock: Clock) -> None:
        self._tables = tables
        self._producer = producer
        self._consumers = tuple(consumers)
        self._clock = clock

    async def append(
        self, connection: AsyncConnection, organization_id: UUID, *, aggregate: str, payload: Message
    ) -> None:
        """Write an event about `aggregate` ("sessions/…"); it is sent once the transaction is committed."""
        version = await self._next_version(connection, organization_id, aggregate)
        event = Event(
            event_id=str(new_id()),
            organization=format_name("organizations", organization_id),
            aggregate=aggregate,
            aggregate_version=version,
            producer=self._producer,
            occur_time=timestamp(self._clock.now()),
        )
        getattr(event, _PAYLOAD_FIELDS[payload.DESCRIPTOR.full_name]).CopyFrom(payload)
        await connection.execute(
            insert(self._tables.outbox).values(
                organization_id=organization_id,
                aggregate=aggregate,
                aggregate_version=version,
                event_id=UUID(event.event_id),
                event=event.SerializeToString(deterministic=True),
            )
        )
        await self._open_streams(connection, organization_id, aggregate, version)

    async def _next_version(self, connection: AsyncConnection, organization_id: UUID, aggregate: str) -> int:
        # The row lock that this takes orders the versions of one aggregate by commit.
        table = self._tables.outbox_aggregate
        statement = (
            insert(table)
            .values(organization_id=organization_id, aggregate=aggregate, version=1)
            .on_conflict_do_update(
                index_elements=["organization_id", "aggregate"], set_={"version": table.c.version + 1}
            )
            .returning(table.c.version)
        )
        return int((await connection.execute(statement)).scalar_one())

    async def _open_streams(
        self, connection: AsyncConnection, organization_id: UUID, aggregate: str, version: int
    ) -> None:
        if not self._consumers:
            return
        table = self._tables.stream
        statement = insert(table).values(
            [
                {
                    "organization_id": organization_id,
                    "consumer": consumer,
                    "aggregate": aggregate,
                    "next_version": version,
                    "last_version": version,
                }
                for consumer in self._consumers
            ]
        )
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["organization_id", "consumer", "aggregate"],
                set_={
                    "last_version": statement.excluded.last_version,
                    "due_time": func.least(table.c.due_time, func.now()),
                },
            )
        )
