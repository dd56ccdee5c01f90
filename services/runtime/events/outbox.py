"""Writing events in the transaction of the change that they tell of."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import Executable, Table, Text, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import Insert, array, insert
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
        self._producer = producer
        self._clock = clock
        self._next_version = _next_version(tables.outbox_aggregate)
        store = _store(tables, consumers)
        self._store: Executable = store
        self._store_first: Executable = store.add_cte(_first_version(tables.outbox_aggregate).cte("first_version"))

    async def append(
        self,
        connection: AsyncConnection,
        organization_id: UUID,
        *,
        aggregate: str,
        payload: Message,
        first: bool = False,
    ) -> None:
        """Write an event about `aggregate` ("sessions/…"); it is sent once the transaction is committed.

        With `first`, which saves a round trip, nothing was told of the aggregate before: the database refuses it
        otherwise.
        """
        about = {"organization_id": organization_id, "aggregate": aggregate}
        version = 1 if first else int((await connection.execute(self._next_version, about)).scalar_one())
        event = Event(
            event_id=str(new_id()),
            organization=format_name("organizations", organization_id),
            aggregate=aggregate,
            aggregate_version=version,
            producer=self._producer,
            occur_time=timestamp(self._clock.now()),
        )
        getattr(event, _PAYLOAD_FIELDS[payload.DESCRIPTOR.full_name]).CopyFrom(payload)
        stored = {
            "aggregate_version": version,
            "event_id": UUID(event.event_id),
            "event": event.SerializeToString(deterministic=True),
        }
        await connection.execute(self._store_first if first else self._store, about | stored)


def _first_version(table: Table) -> Insert:
    return insert(table).values(_bound(table, "organization_id", "aggregate") | {"version": 1})


def _next_version(table: Table) -> Executable:
    """The row lock that this takes orders the versions of one aggregate by commit."""
    return (
        _first_version(table)
        .on_conflict_do_update(index_elements=["organization_id", "aggregate"], set_={"version": table.c.version + 1})
        .returning(table.c.version)
    )


def _store(tables: RuntimeTables, consumers: Sequence[str]) -> Insert:
    """Store an event, and in the same statement let every consumer's stream of its aggregate reach as far."""
    outbox, stream = tables.outbox, tables.stream
    added = insert(outbox).values(
        _bound(outbox, "organization_id", "aggregate", "aggregate_version", "event_id", "event")
    )
    if not consumers:
        return added
    about = _bound(stream, "organization_id", "aggregate")
    version = bindparam("aggregate_version", type_=outbox.c.aggregate_version.type)
    # Not several rows of values, since SQLAlchemy would compile these anew each time.
    consumer = func.unnest(array([literal(one, Text) for one in consumers])).column_valued("consumer")
    columns = (*about, "consumer", "next_version", "last_version")
    opened = insert(stream).from_select(columns, select(*about.values(), consumer, version, version))
    return opened.on_conflict_do_update(
        index_elements=["organization_id", "consumer", "aggregate"],
        set_={"last_version": opened.excluded.last_version, "due_time": func.least(stream.c.due_time, func.now())},
    ).add_cte(added.cte("added"))


def _bound(table: Table, *columns: str) -> dict[str, Any]:
    return {name: bindparam(name, type_=table.c[name].type) for name in columns}
