"""Claiming work from a table: by any number of replicas, each item by one at a time, with a lease and a fence.

A worker that was paused past its lease finds at its next write that its fence is not the row's any more, and drops the
work. Leases go by the database's clock; whether an item is due goes by the clock that is passed in.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, and_, cast, func, null, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection


class ClaimQueue:
    """The work items of one table.

    The table has `due_time`, `lease_until`, `fence`, `attempts` and `parked_reason`, and an index on
    `due_time` over `claimable`.

    Args:
        table: the table.
        key: names of its primary key's columns.
        claimable: which rows are open work, whatever their time.
        lease: how long an item stays with its worker without a renewal; three times the longest that it should take.
    """

    def __init__(self, table: Table, key: Sequence[str], *, claimable: ColumnElement[bool], lease: timedelta) -> None:
        self._table = table
        self._key = tuple(key)
        self._claimable = claimable
        self._lease = lease

    async def claim(
        self,
        connection: AsyncConnection,
        *,
        now: datetime | ColumnElement[datetime],
        limit: int,
        only: ColumnElement[bool] | None = None,
    ) -> Sequence[Row[Any]]:
        """Take at most `limit` due items that nobody holds, the longest due first; return their rows as they are now.

        Commit before doing the work: until then the claim can be lost with the transaction.
        """
        columns = self._table.c
        keys = [columns[name] for name in self._key]
        free = or_(columns.lease_until.is_(None), columns.lease_until < func.clock_timestamp())
        chosen: Select[Any] = (
            select(*keys)
            .where(self._claimable, columns.parked_reason.is_(None), columns.due_time <= now, free)
            .order_by(columns.due_time)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        if only is not None:
            chosen = chosen.where(only)
        # A CTE that locks is computed once; as a plain subquery some plans run it for each row and exceed the limit.
        once = chosen.cte("chosen")
        taken = (
            update(self._table)
            .where(tuple_(*keys).in_(select(once)))
            .values(
                lease_until=func.clock_timestamp() + self._lease,
                fence=text("nextval('claim_fence')"),
                attempts=columns.attempts + 1,
            )
            .returning(*columns)
        )
        return sorted((await connection.execute(taken)).all(), key=lambda row: row.due_time)

    async def hold(self, connection: AsyncConnection, item: Row[Any]) -> bool:
        """Lock an item for this transaction and say whether it is still this worker's."""
        statement = select(self._table.c.fence).where(self._mine(item)).with_for_update()
        return (await connection.execute(statement)).first() is not None

    async def renew(self, connection: AsyncConnection, item: Row[Any]) -> bool:
        """Start the lease anew; False where the item is another's by now."""
        return await self._write(connection, item, {"lease_until": func.clock_timestamp() + self._lease})

    async def finish(self, connection: AsyncConnection, item: Row[Any], **values: object) -> bool:
        """Write the outcome and let go of the item; False where it is another's by now and nothing was written."""
        return await self._write(connection, item, {"lease_until": null(), **values})

    async def release(
        self,
        connection: AsyncConnection,
        item: Row[Any],
        *,
        due_time: datetime | ColumnElement[datetime],
        **values: object,
    ) -> bool:
        """Give an item back, to be claimed again from `due_time` on."""
        return await self._write(connection, item, {"lease_until": null(), "due_time": due_time, **values})

    async def release_together(
        self,
        connection: AsyncConnection,
        items: Mapping[Row[Any], Mapping[str, object]],
        *,
        due_time: ColumnElement[datetime],
    ) -> list[Row[Any]]:
        """Give items back in one statement, each with its own values of the same columns; return those left over.

        Those are another's by now, or somebody is writing to them at this moment: this waits for nobody, so that it
        can hold many at once and still not be part of a deadlock.
        """
        columns, written = self._table.c, next(iter(items.values()), {}).keys()
        if not written:
            return []
        of_item = [*self._key, "fence"]
        lists = {name: [getattr(item, name) for item in items] for name in of_item}
        lists |= {f"to_{name}": [values[name] for values in items.values()] for name in written}
        types = {name: columns[name].type for name in of_item} | {f"to_{name}": columns[name].type for name in written}
        given = select(
            *(func.unnest(cast(lists[name], ARRAY(kind)), type_=kind).label(name) for name, kind in types.items())
        ).cte("given")
        free = (
            select(given)
            .select_from(self._table.join(given, and_(*(columns[name] == given.c[name] for name in of_item))))
            .with_for_update(of=self._table, skip_locked=True)
            .cte("free")
        )
        statement = (
            update(self._table)
            .where(*(columns[name] == free.c[name] for name in self._key))
            .values({name: free.c[f"to_{name}"] for name in written} | {"lease_until": null(), "due_time": due_time})
            .returning(columns.fence)
        )
        released = set((await connection.execute(statement)).scalars())
        return [item for item in items if item.fence not in released]

    async def park(self, connection: AsyncConnection, item: Row[Any], reason: str, **values: object) -> bool:
        """Set an item aside, with a stable reason, until somebody decides."""
        return await self._write(connection, item, {"lease_until": null(), "parked_reason": reason, **values})

    def _mine(self, item: Row[Any]) -> ColumnElement[bool]:
        held = [self._table.c[name] == getattr(item, name) for name in self._key]
        return and_(*held, self._table.c.fence == item.fence)

    async def _write(self, connection: AsyncConnection, item: Row[Any], values: Mapping[str, object]) -> bool:
        result = await connection.execute(update(self._table).where(self._mine(item)).values(values))
        return result.rowcount == 1
