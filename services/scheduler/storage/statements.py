"""Pieces that every repository's statements are made of."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    CursorResult,
    Executable,
    Row,
    ScalarSelect,
    Select,
    literal,
    select,
    tuple_,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import constraint_of
from services.runtime.errors import FieldViolation, InvalidArgumentError, NotFoundError
from services.runtime.names import format_name
from services.scheduler.errors import RaceLostError
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.storage import tables
from services.scheduler.storage.tables import table_of

_PATIENT = table_of(tables.Patient)
T = TypeVar("T")
Key = Sequence[Column[Any]]

_PARSERS: dict[type, Callable[[str], Any]] = {
    UUID: UUID,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    int: int,
    str: str,
}


def patient_lock(patient_id: ScalarSelect[Any]) -> Select[Any]:
    """Return the statement that lets writers of one patient come one after the other."""
    locked = select(_PATIENT.c.patient_id).where(_PATIENT.c.patient_id == patient_id)
    return locked.with_for_update(key_share=True)


async def one(
    connection: AsyncConnection, statement: Executable, collection: str, identifier: UUID, values: Any = None
) -> Row[Any]:
    """Return the only row of a statement.

    Raises:
        NotFoundError: there is none.
    """
    row: Row[Any] | None = (await connection.execute(statement, values)).one_or_none()
    if row is None:
        raise NotFoundError(format_name(collection, identifier))
    return row


async def listing(
    connection: AsyncConnection,
    statement: Select[Any],
    key: Key,
    page: Page,
    build: Callable[[Row[Any]], T],
    *,
    descending: bool = False,
) -> Listing[T]:
    """Return a page of a statement's rows in the order of `key`, which is unique.

    Raises:
        InvalidArgumentError: the page's position is not one of this list.
    """
    if page.position is not None:
        at = tuple_(*_position(key, page.position))
        statement = statement.where(tuple_(*key) < at if descending else tuple_(*key) > at)
    order = [column.desc() if descending else column for column in key]
    rows = (await connection.execute(statement.order_by(*order).limit(page.size + 1))).all()
    shown = rows[: page.size]
    more = len(rows) > page.size
    following = tuple(_text(getattr(shown[-1], column.name)) for column in key) if more else None
    return Listing(tuple(build(row) for row in shown), following)


def _position(key: Key, position: tuple[str, ...]) -> list[ColumnElement[Any]]:
    try:
        values = [_PARSERS[column.type.python_type](value) for column, value in zip(key, position, strict=True)]
    except ValueError:
        fault = "send the next_page_token of the page before, or nothing"
        raise InvalidArgumentError([FieldViolation("page_token", fault)]) from None
    return [literal(value, column.type) for column, value in zip(key, values, strict=True)]


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date | time) else str(value)


async def contested(
    connection: AsyncConnection, statement: Executable, constraints: frozenset[str], values: Any = None
) -> CursorResult[Any]:
    """Execute a statement that another transaction may beat to a place, and return its result.

    Raises:
        RaceLostError: one of these constraints refused it.
    """
    try:
        return await connection.execute(statement, values)
    except IntegrityError as error:
        if constraint_of(error) in constraints:
            raise RaceLostError from error
        raise
