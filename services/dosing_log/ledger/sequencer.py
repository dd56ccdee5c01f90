"""Move pending entries into their logs.

Any number of sequencers may run. What makes that safe is the row of `ledger_state`, held FOR UPDATE until the caller's
transaction ends, and the primary key of `ledger_entry`; not an election. A log that another sequencer or the publisher
holds is left for the next call, so nobody waits and nobody deadlocks.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    LargeBinary,
    Select,
    TableValuedAlias,
    Uuid,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert, Update
from sqlalchemy.types import TypeEngine

from services.dosing_log.ledger.merkle import CompactRange
from services.dosing_log.ledger.tables import LedgerTables


async def sequence_pending(connection: AsyncConnection, tables: LedgerTables, *, limit: int = 1024) -> int:
    """Give up to `limit` visible pending entries the next indices of their logs, in the caller's transaction.

    Logs take turns: the oldest pending entry of each goes before the second oldest of any. Within a log, entries keep
    the order in which they were enqueued, as far as they are visible.

    Args:
        connection: READ COMMITTED, seeing all organizations. Commit soon: the logs stay locked until then.
        tables: where the ledger is.
        limit: most entries to move.

    Returns:
        How many entries were moved; 0 when nothing is pending, or others hold every log that has something pending.
    """
    trees = {
        organization_id: CompactRange(size, edge)
        for organization_id, size, edge in await connection.execute(_lock_logs_with_pending(tables, limit))
    }
    if not trees:
        return 0
    moved = (await connection.execute(_move(tables, trees, limit))).all()
    leaf_hashes: defaultdict[UUID, list[bytes]] = defaultdict(list)
    for organization_id, _, leaf_hash in sorted(moved, key=lambda entry: entry.idx):
        leaf_hashes[organization_id].append(leaf_hash)
    for organization_id, leaves in leaf_hashes.items():
        trees[organization_id].append(leaves)
    if moved:
        await connection.execute(_advance(tables, {log: trees[log] for log in leaf_hashes}))
    return len(moved)


def _lock_logs_with_pending(tables: LedgerTables, limit: int) -> Select[UUID, int, bytes]:
    state, pending = tables.state.c, tables.pending.c
    oldest = (
        select(pending.enqueued_at)
        .where(pending.organization_id == state.organization_id)
        .order_by(pending.enqueued_at)
        .limit(1)
        .lateral("oldest")
    )
    return (
        select(state.organization_id, state.size, state.edge)
        .join(oldest, true())
        .order_by(oldest.c.enqueued_at)
        .limit(limit)
        .with_for_update(of=tables.state, skip_locked=True)
    )


def _move(tables: LedgerTables, trees: Mapping[UUID, CompactRange], limit: int) -> ReturningInsert[UUID, int, bytes]:
    """One statement takes the pending rows, numbers them from the size of their log, and stores the entries."""
    log = _rows({"organization_id": Uuid(), "size": BigInteger()}, [(key, tree.size) for key, tree in trees.items()])
    pending, entry = tables.pending.c, tables.entry.c
    oldest = (
        select(pending.event_id, pending.enqueued_at)
        .where(pending.organization_id == log.c.organization_id)
        .order_by(pending.enqueued_at, pending.event_id)
        .limit(limit)
        .lateral("oldest")
    )
    order = (oldest.c.enqueued_at, oldest.c.event_id)
    turn = func.row_number().over(partition_by=log.c.organization_id, order_by=order)
    chosen = select(oldest.c.event_id).select_from(log.join(oldest, true())).order_by(turn).limit(limit)
    taken = delete(tables.pending).where(pending.event_id.in_(chosen)).returning(*tables.pending.c).cte("taken")
    place = func.row_number().over(
        partition_by=taken.c.organization_id, order_by=(taken.c.enqueued_at, taken.c.event_id)
    )
    numbered = select(taken.c.organization_id, log.c.size + place - 1, taken.c.event_id, taken.c.entry).join(
        log, log.c.organization_id == taken.c.organization_id
    )
    return (
        insert(tables.entry)
        .from_select(["organization_id", "idx", "event_id", "entry"], numbered)
        .returning(entry.organization_id, entry.idx, entry.leaf_hash)
    )


def _advance(tables: LedgerTables, trees: Mapping[UUID, CompactRange]) -> Update:
    new = _rows(
        {"organization_id": Uuid(), "size": BigInteger(), "root": LargeBinary(), "edge": LargeBinary()},
        [(key, tree.size, tree.root(), tree.edge) for key, tree in trees.items()],
    )
    return (
        update(tables.state)
        .where(tables.state.c.organization_id == new.c.organization_id)
        .values(size=new.c.size, root=new.c.root, edge=new.c.edge)
    )


def _rows(types: Mapping[str, TypeEngine[Any]], rows: Sequence[tuple[object, ...]]) -> TableValuedAlias:
    """Rows as parameters: one array for each column, whatever the number of rows."""
    arrays = [
        literal(list(values), ARRAY(kind)) for kind, values in zip(types.values(), zip(*rows, strict=True), strict=True)
    ]
    columns = [column(name, kind) for name, kind in types.items()]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
