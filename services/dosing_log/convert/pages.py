"""Places in ordered answers, out of page tokens."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import Message

from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.runtime.paging import decode_token, encode_token

Row = TypeVar("Row")
Place = TypeVar("Place")


def after_number(request: Message) -> int:
    """Return the number to begin after; 0 for the first page."""
    return _read(request, lambda position: int(position[0])) or 0


def after_id(request: Message) -> UUID | None:
    """Return the id to begin after."""
    return _read(request, lambda position: UUID(position[0]))


def after_event(request: Message) -> tuple[datetime, UUID] | None:
    """Return the event time and record to begin after."""
    return _read(request, lambda position: (datetime.fromisoformat(position[0]), UUID(position[1])))


def _read(request: Message, read: Callable[[tuple[str, ...]], Place]) -> Place | None:
    position = decode_token(request)
    if position is None:
        return None
    try:
        return read(position)
    except (ValueError, IndexError):
        fault = FieldViolation("page_token", "send the next_page_token of the page before, or nothing")
        raise InvalidArgumentError([fault]) from None


def cut(
    request: Message, rows: Sequence[Row], size: int, position: Callable[[Row], Sequence[str]]
) -> tuple[Sequence[Row], str]:
    """Return at most `size` of the rows, and the token of the next page where there are more."""
    if len(rows) <= size:
        return rows, ""
    return rows[:size], encode_token(request, *position(rows[size - 1]))
