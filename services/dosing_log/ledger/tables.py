"""The ledger's tables for SQLAlchemy Core; `ddl` has the same as SQL for migrations."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.ledger.errors import MalformedError
from services.dosing_log.ledger.merkle import EMPTY_ROOT
from services.dosing_log.ledger.note import is_key_name


@dataclass(frozen=True, slots=True)
class LedgerTables:
    """The five tables; one log for each organization.

    Attributes:
        log: the logs and their origins, which never change.
        pending: entries that a business transaction has written and the sequencer has yet to place.
        entry: the log itself; `leaf_hash` is computed by the database.
        state: size, root and right edge of each tree; its row is the lock on the log.
        checkpoint: every signed head, with the right edge of the tree at that size.
    """

    log: Table
    pending: Table
    entry: Table
    state: Table
    checkpoint: Table


def ledger_tables(metadata: MetaData) -> LedgerTables:
    """Declare the tables in this metadata; `ledger_ddl_v1` creates the same."""
    return LedgerTables(
        log=_log(metadata),
        pending=_pending(metadata),
        entry=_entry(metadata),
        state=_state(metadata),
        checkpoint=_checkpoint(metadata),
    )


async def open_log(
    connection: AsyncConnection, tables: LedgerTables, *, organization_id: UUID, origin_prefix: str
) -> None:
    """Create the empty log `<origin_prefix>/<organization_id>` unless the organization has one, whatever its origin.

    Args:
        connection: in the caller's transaction, before the organization's first pending entry.
        tables: where the ledger is.
        organization_id: whose log.
        origin_prefix: a name that the operator owns, such as `ledger.clinic.example`.

    Raises:
        MalformedError: the prefix has a space, plus or control character.
    """
    origin = f"{origin_prefix}/{organization_id}"
    if not is_key_name(origin):
        raise MalformedError("an origin has no space, plus or control character")
    for table, values in (
        (tables.log, {"origin": origin}),
        (tables.state, {"size": 0, "root": EMPTY_ROOT, "edge": b""}),
    ):
        row = insert(table).values(organization_id=organization_id, **values)
        # On any conflict: of two that open the same log at once, one may meet the origin's index first.
        await connection.execute(row.on_conflict_do_nothing())


def _organization(*, primary_key: bool = True) -> Column[UUID]:
    return Column(
        "organization_id", Uuid, ForeignKey("ledger_log.organization_id"), primary_key=primary_key, nullable=False
    )


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


def _log(metadata: MetaData) -> Table:
    return Table(
        "ledger_log",
        metadata,
        Column("organization_id", Uuid, primary_key=True),
        Column("origin", Text, nullable=False, unique=True),
        _now("opened_at"),
    )


def _pending(metadata: MetaData) -> Table:
    return Table(
        "ledger_pending",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        _organization(primary_key=False),
        Column("entry", LargeBinary, CheckConstraint("octet_length(entry) = 65"), nullable=False),
        _now("enqueued_at"),
        Index("ledger_pending_turn", "organization_id", "enqueued_at", "event_id"),
    )


def _entry(metadata: MetaData) -> Table:
    return Table(
        "ledger_entry",
        metadata,
        _organization(),
        Column("idx", BigInteger, CheckConstraint("idx >= 0"), primary_key=True, autoincrement=False),
        Column("event_id", Uuid, nullable=False),
        Column("entry", LargeBinary, CheckConstraint("octet_length(entry) = 65"), nullable=False),
        Column("leaf_hash", LargeBinary, Computed(r"sha256('\x00'::bytea || entry)", persisted=True)),
        UniqueConstraint("organization_id", "event_id"),
    )


def _tree_columns(size: Column[int]) -> tuple[Column[int], Column[bytes], Column[bytes]]:
    return (
        size,
        Column("root", LargeBinary, CheckConstraint("octet_length(root) = 32"), nullable=False),
        Column(
            "edge", LargeBinary, CheckConstraint("octet_length(edge) = 32 * bit_count(size::bit(64))"), nullable=False
        ),
    )


def _state(metadata: MetaData) -> Table:
    size = Column("size", BigInteger, CheckConstraint("size >= 0"), nullable=False)
    return Table("ledger_state", metadata, _organization(), *_tree_columns(size))


def _checkpoint(metadata: MetaData) -> Table:
    size = Column("size", BigInteger, CheckConstraint("size > 0"), primary_key=True, autoincrement=False)
    return Table(
        "ledger_checkpoint",
        metadata,
        _organization(),
        *_tree_columns(size),
        Column("note", LargeBinary, nullable=False),
        Column("signed_at", DateTime(timezone=True), nullable=False),
    )
