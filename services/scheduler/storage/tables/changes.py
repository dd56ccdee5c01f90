"""What changed, for those who watch."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity
from sqlmodel import Field

from services.scheduler.storage.tables.base import Table, instant, key


class SessionChange(Table, table=True):
    """A change of a session, written by triggers alone. `cut` marks the first row where older ones were deleted."""

    __tablename__ = "session_change"

    organization_id: UUID = key()
    transaction_id: int = Field(primary_key=True, sa_type=BigInteger)
    change_id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    session_id: UUID
    patient_id: UUID
    course_id: UUID
    clinic_id: UUID
    previous_clinic_id: UUID | None
    cut: bool
    change_time: datetime = instant()
