"""Parts of lists."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: at most `size`, those after `position`, a sort key as text."""

    size: int
    position: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A part of a list; `next_position` is None after the last."""

    items: tuple[T, ...]
    next_position: tuple[str, ...] | None
