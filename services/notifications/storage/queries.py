"""Parts of queries."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY

from services.notifications.ports import Lock


def one_of(ids: Collection[UUID]) -> ColumnElement[Any]:
    """Return "any of these ids", as one parameter however many there are."""
    return any_(literal(list(ids), ARRAY(Uuid)))


def locked(statement: Select[Any], lock: Lock) -> Select[Any]:
    """Return the query holding its rows as `lock` says."""
    match lock:
        case Lock.NONE:
            return statement
        case Lock.SHARE:
            return statement.with_for_update(read=True)
        case Lock.UPDATE:
            return statement.with_for_update()
