"""Clinics, rooms, practitioners, shifts and patients."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import Index, SmallInteger, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.scheduler.storage.tables.base import ORGANIZATION, Table, instant, key, references, text_column


class Clinic(Table, table=True):
    """A place of treatment."""

    __tablename__ = "clinic"
    __table_args__ = (
        UniqueConstraint(ORGANIZATION, "identifier_system", "identifier_value", name="clinic_identifier"),
        UniqueConstraint(ORGANIZATION, "clinic_id", "time_zone", name="clinic_zone"),
    )

    organization_id: UUID = key()
    clinic_id: UUID = key()
    identifier_system: str = text_column()
    identifier_value: str = text_column()
    title: str = text_column()
    time_zone: str = text_column()
    create_time: datetime = instant()


class OpeningHours(Table, table=True):
    """Hours of a clinic on one ISO weekday."""

    __tablename__ = "opening_hours"
    __table_args__ = (references("clinic", "clinic_id"),)

    organization_id: UUID = key()
    clinic_id: UUID = key()
    weekday: int = Field(primary_key=True, sa_type=SmallInteger)
    open_time: time = key()
    close_time: time


class Room(Table, table=True):
    """A room of a clinic."""

    __tablename__ = "room"
    __table_args__ = (
        references("clinic", "clinic_id"),
        UniqueConstraint(ORGANIZATION, "identifier_system", "identifier_value", name="room_identifier"),
        UniqueConstraint(ORGANIZATION, "room_id", "clinic_id", name="room_of_clinic"),
        Index("room_by_clinic", ORGANIZATION, "clinic_id", "title", "room_id"),
    )

    organization_id: UUID = key()
    room_id: UUID = key()
    identifier_system: str = text_column()
    identifier_value: str = text_column()
    clinic_id: UUID
    title: str = text_column()
    create_time: datetime = instant()


class Practitioner(Table, table=True):
    """A clinician."""

    __tablename__ = "practitioner"
    __table_args__ = (
        UniqueConstraint(ORGANIZATION, "identifier_system", "identifier_value", name="practitioner_identifier"),
        UniqueConstraint(ORGANIZATION, "subject", name="practitioner_subject", deferrable=True),
    )

    organization_id: UUID = key()
    practitioner_id: UUID = key()
    identifier_system: str = text_column()
    identifier_value: str = text_column()
    printed_name: str = text_column()
    credential: str = text_column()
    credential_expire_date: date | None
    supervision_ratio: int
    protocol_codes: list[str] = Field(sa_type=ARRAY(Text))
    subject: str | None = Field(sa_type=Text, nullable=True)
    create_time: datetime = instant()
    leave_date: date | None


class Shift(Table, table=True):
    """Weekly working hours of a practitioner at a clinic."""

    __tablename__ = "shift"
    __table_args__ = (
        references("practitioner", "practitioner_id"),
        references("clinic", "clinic_id"),
        Index("shift_by_practitioner", ORGANIZATION, "practitioner_id", "weekday", "start_time", "shift_id"),
        Index("shift_by_clinic", ORGANIZATION, "clinic_id", "weekday"),
    )

    organization_id: UUID = key()
    shift_id: UUID = key()
    practitioner_id: UUID
    clinic_id: UUID
    weekday: int = Field(sa_type=SmallInteger)
    start_time: time
    end_time: time
    effective_start_date: date | None
    effective_end_date: date | None


class Patient(Table, table=True):
    """A person who is treated. The row is the lock on everything that is scheduled for them."""

    __tablename__ = "patient"
    __table_args__ = (
        references("clinic", "clinic_id"),
        UniqueConstraint(ORGANIZATION, "identifier_system", "identifier_value", name="patient_identifier"),
        Index("patient_by_clinic", ORGANIZATION, "clinic_id", "patient_id"),
    )

    organization_id: UUID = key()
    patient_id: UUID = key()
    identifier_system: str = text_column()
    identifier_value: str = text_column()
    time_zone: str = text_column()
    birth_date: date
    clinic_id: UUID | None
    create_time: datetime = instant()
