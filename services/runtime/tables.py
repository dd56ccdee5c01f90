"""Tables that every service's database has: events out, events in, and requests answered."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid, text


@dataclass(frozen=True, slots=True)
class RuntimeTables:
    """The tables, on the metadata of one service.

    Attributes:
        outbox: events to send, ordered within their aggregate.
        outbox_aggregate: the newest version of each aggregate; its row lock orders the versions.
        stream: for each consumer and aggregate what was sent; the work item of the relay.
        inbox: events taken in, by producer.
        inbox_aggregate: the newest version taken in of each aggregate; kept for ever.
        request: what each request id was answered with.
    """

    outbox: Table
    outbox_aggregate: Table
    stream: Table
    inbox: Table
    inbox_aggregate: Table
    request: Table


def runtime_tables(metadata: MetaData) -> RuntimeTables:
    """Add the tables to a service's metadata and return them."""
    return RuntimeTables(
        outbox=_outbox(metadata),
        outbox_aggregate=Table(
            "outbox_aggregate",
            metadata,
            _organization(),
            Column("aggregate", Text, primary_key=True),
            Column("version", BigInteger, nullable=False),
        ),
        stream=_stream(metadata),
        inbox=Table(
            "inbox",
            metadata,
            _organization(),
            Column("event_id", Uuid, primary_key=True),
            Column("producer", Text, nullable=False),
            Column("aggregate", Text, nullable=False),
            Column("aggregate_version", BigInteger, nullable=False),
            Column("receive_time", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        ),
        inbox_aggregate=Table(
            "inbox_aggregate",
            metadata,
            _organization(),
            Column("producer", Text, primary_key=True),
            Column("aggregate", Text, primary_key=True),
            Column("version", BigInteger, nullable=False),
        ),
        request=Table(
            "request",
            metadata,
            _organization(),
            Column("request_id", Uuid, primary_key=True),
            Column("fingerprint", LargeBinary, nullable=False),
            Column("answer", LargeBinary),
            Column("create_time", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        ),
    )


def _organization() -> Column[object]:
    return Column("organization_id", Uuid, primary_key=True)


def _outbox(metadata: MetaData) -> Table:
    return Table(
        "outbox",
        metadata,
        _organization(),
        Column("aggregate", Text, primary_key=True),
        Column("aggregate_version", BigInteger, primary_key=True),
        Column("event_id", Uuid, nullable=False, unique=True),
        Column("event", LargeBinary, nullable=False),
        Column("create_time", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )


def _stream(metadata: MetaData) -> Table:
    return Table(
        "stream",
        metadata,
        _organization(),
        Column("consumer", Text, primary_key=True),
        Column("aggregate", Text, primary_key=True),
        Column("next_version", BigInteger, nullable=False),
        Column("last_version", BigInteger, nullable=False),
        Column("due_time", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("lease_until", DateTime(timezone=True)),
        Column("fence", BigInteger, nullable=False, server_default=text("0")),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("parked_reason", Text),
        Index(
            "stream_pending",
            "consumer",
            "due_time",
            postgresql_where=text("next_version <= last_version and parked_reason is null"),
        ),
    )
