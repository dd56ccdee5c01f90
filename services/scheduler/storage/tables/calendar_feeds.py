"""Calendar feeds."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.scheduler.storage.tables.base import Table, instant, key, references


class CalendarFeed(Table, table=True):
    """A feed of a practitioner or of a room. Of its address the digest of the token is kept and nothing else."""

    __tablename__ = "calendar_feed"
    __table_args__ = (
        references("practitioner", "practitioner_id"),
        references("room", "room_id"),
        UniqueConstraint("token_digest", name="calendar_feed_token"),
    )

    organization_id: UUID = key()
    calendar_feed_id: UUID = key()
    practitioner_id: UUID | None
    room_id: UUID | None
    token_digest: bytes = Field(sa_type=LargeBinary)
    creator: dict[str, Any] = Field(sa_type=JSONB)
    create_time: datetime = instant()
    revoker: dict[str, Any] | None = Field(sa_type=JSONB(none_as_null=True), nullable=True)
    revoke_time: datetime | None = instant(nullable=True)
