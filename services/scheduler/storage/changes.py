"""The changes of sessions in PostgreSQL, which triggers note.

Why nothing is missed. The order is (transaction_id, change_id). A transaction takes its id when it first writes; ids
rise, but transactions are committed in any order. Whoever reads up to the newest row therefore misses the row of a
transaction with a smaller id that is committed later, and so would a cursor over a sequence or over a time. Here only
rows are read whose transaction comes before the oldest that was under way when the statement's snapshot was taken:
every transaction before that one has ended, so that all their rows are there, and every transaction to come has a
larger id. What lies before the end of one reading never grows. A transaction that stays open delays those after it
and loses none; the service ends its own after some seconds.

Why a position that is taken is right. A position names a change by its ids and its time, and reading begins with that
very row. It is missing where rows were deleted, since deleting leaves the newest rows alone, and where the database has
another past: restored from a copy made before that change, or another database.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Row, Text, Tuple, Uuid, cast, func, literal, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.changes import Position, SessionChange
from services.scheduler.errors import PositionExpiredError
from services.scheduler.storage import tables
from services.scheduler.storage.tables import table_of

_CHANGE = table_of(tables.SessionChange)

_FEED = select(func.session_feed_id(type_=Uuid).label("feed_id")).subquery("feed")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ORDER = (_CHANGE.c.transaction_id, _CHANGE.c.change_id)
_PLACE = tuple_(*_ORDER)
_OLDEST_UNDER_WAY = cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)
_SETTLED = _CHANGE.c.transaction_id < _OLDEST_UNDER_WAY


class PostgresChanges:
    """`ChangeRepository` on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        # Said although the policy says it too: workers are let in by the policy, so that no index follows from it.
        self._own = _CHANGE.c.organization_id == organization_id

    async def latest(self) -> Position:
        """See the port."""
        backwards = [column.desc() for column in _ORDER]
        newest = select(_CHANGE).where(self._own, _SETTLED).order_by(*backwards).limit(1).lateral("newest")
        statement = select(_FEED.c.feed_id, newest).select_from(_FEED.outerjoin(newest, true()))
        return _position((await self._connection.execute(statement)).one())

    async def after(self, position: Position, limit: int) -> list[SessionChange]:
        """See the port."""
        found = (
            select(_CHANGE)
            .where(self._own, _SETTLED, _at(position) <= _PLACE)
            .order_by(*_ORDER)
            .limit(limit + 1)
            .lateral("found")
        )
        statement = select(_FEED.c.feed_id, found).select_from(_FEED.outerjoin(found, true()))
        ordered = statement.order_by(found.c.transaction_id, found.c.change_id)
        rows = (await self._connection.execute(ordered)).all()
        if position.place == (0, 0):
            if rows[0].cut or rows[0].feed_id != position.feed_id:
                raise PositionExpiredError
            return [_change(row) for row in rows[:limit] if row.session_id is not None]
        if _position(rows[0]) != position:
            raise PositionExpiredError
        return [_change(row) for row in rows[1:]]

    async def pending(self, session_ids: Collection[UUID], position: Position) -> frozenset[UUID]:
        """See the port."""
        statement = (
            select(_CHANGE.c.session_id)
            .where(self._own, _at(position) < _PLACE, _CHANGE.c.session_id.in_(session_ids))
            .distinct()
        )
        return frozenset((await self._connection.execute(statement)).scalars())


def _at(position: Position) -> Tuple:
    return tuple_(literal(position.transaction_id, BigInteger), literal(position.change_id, BigInteger))


def _position(row: Row[Any]) -> Position:
    """Return the position after the change in a row; before all where there is none."""
    if row.session_id is None:
        return Position.before_all(row.feed_id)
    microsecond = (row.change_time - _EPOCH) // timedelta(microseconds=1)
    return Position(row.feed_id, row.transaction_id, row.change_id, microsecond)


def _change(row: Row[Any]) -> SessionChange:
    return SessionChange(
        position=_position(row),
        session_id=row.session_id,
        patient_id=row.patient_id,
        course_id=row.course_id,
        clinic_ids=frozenset({row.clinic_id, row.previous_clinic_id} - {None}),
    )
