"""What an auditor recomputes the ledger from."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A signed checkpoint and the origin of its log."""

    note: bytes
    origin: str
    size: int
    sign_time: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the ledger."""

    index: int
    entry: bytes
    event_id: UUID


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens an entry's commitment."""

    event_id: UUID
    record: bytes
    salt: bytes
    signatures: tuple[bytes, ...]
