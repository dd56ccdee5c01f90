"""Domain values as the JSON that the ledger commits to, and back.

Decimals, instants, dates and ids are strings, so that the JSON has one canonical form (RFC 8785) and says exactly what
was recorded. Instants are RFC 3339 in UTC with microseconds.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from services.dosing_log.domain.values import plain

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]
T = TypeVar("T")


def to_json(value: object) -> Json:
    """Return a domain value as JSON.

    Raises:
        TypeError: it has no exact form, such as a float.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, tuple | list):
        return [to_json(element) for element in value]
    for cls, write in _WRITERS.items():
        if isinstance(value, cls):
            return write(value)
    if is_dataclass(value):
        return object_to_json(value)
    raise TypeError(f"{type(value).__name__} has no exact JSON form")


def object_to_json(value: Any) -> dict[str, Json]:
    """Return a dataclass as a JSON object of its fields."""
    return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}


def from_json(cls: type[T], value: Json) -> T:
    """Return the domain value of this type that `to_json` wrote."""
    read: T = _read(cls, value)
    return read


def instant_text(instant: datetime) -> str:
    """Return an instant as RFC 3339 text in UTC with microseconds."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


# datetime stands before date, whose subclass it is.
_WRITERS: dict[type, Callable[[Any], str]] = {
    str: str,
    Decimal: plain,
    datetime: instant_text,
    date: date.isoformat,
    UUID: str,
}


def _read(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType):
        (inner,) = (option for option in get_args(hint) if option is not types.NoneType)
        return None if value is None else _read(inner, value)
    if get_origin(hint) is tuple:
        return tuple(_read(get_args(hint)[0], element) for element in value)
    if hint in (datetime, date):
        return hint.fromisoformat(value)
    if hint in (Decimal, UUID) or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        return hint(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return hint(**{name: _read(inner, value[name]) for name, inner in _hints(hint).items()})
    return value


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}
