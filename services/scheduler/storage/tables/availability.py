"""When a clinic or a room is closed, and when a practitioner works other than every week."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index

from services.scheduler.storage.tables.base import ORGANIZATION, Table, instant, key, references, text_column


class Closure(Table, table=True):
    """A time in which a clinic, or one room of it, is closed."""

    __tablename__ = "closure"
    __table_args__ = (
        references("clinic", "clinic_id"),
        references("room", "room_id", "clinic_id"),
        Index("closure_by_clinic", ORGANIZATION, "clinic_id", "start_time"),
    )

    organization_id: UUID = key()
    closure_id: UUID = key()
    clinic_id: UUID
    room_id: UUID | None
    start_time: datetime = instant()
    end_time: datetime = instant()
    reason: str = text_column()
    create_time: datetime = instant()


class ShiftException(Table, table=True):
    """An absence or an extra shift of a practitioner. `time_zone` is that of the clock on which it was written."""

    __tablename__ = "shift_exception"
    __table_args__ = (
        references("practitioner", "practitioner_id"),
        references("clinic", "clinic_id"),
        Index("shift_exception_by_practitioner", ORGANIZATION, "practitioner_id", "start_time"),
    )

    organization_id: UUID = key()
    shift_exception_id: UUID = key()
    practitioner_id: UUID
    clinic_id: UUID | None
    kind: str = text_column()
    time_zone: str = text_column()
    start_time: datetime = instant()
    end_time: datetime = instant()
    create_time: datetime = instant()
