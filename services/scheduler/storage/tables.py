"""Tables as SQLModel classes. Exclusions, checks and triggers, which hold the promises, stand in the migrations."""

from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Computed,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy import Table as CoreTable
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from services.runtime.tables import runtime_tables

METADATA = MetaData()
RUNTIME_TABLES = runtime_tables(METADATA)

_ORGANIZATION = "organization_id"
_INSTANT = DateTime(timezone=True)


class Table(SQLModel, registry=registry(metadata=METADATA)):
    """Base of the scheduler's tables, on a metadata of their own."""


def _key() -> Any:
    return Field(primary_key=True)


def _text() -> Any:
    return Field(sa_type=Text)


def _instant(*, nullable: bool = False) -> Any:
    return Field(sa_type=_INSTANT, nullable=nullable)


def _references(table: str, *columns: str) -> ForeignKeyConstraint:
    keys = (_ORGANIZATION, *columns)
    return ForeignKeyConstraint(keys, [f"{table}.{key}" for key in keys])


class Clinic(Table, table=True):
    """A place of treatment."""

    __tablename__ = "clinic"
    __table_args__ = (
        UniqueConstraint(_ORGANIZATION, "identifier_system", "identifier_value", name="clinic_identifier"),
        UniqueConstraint(_ORGANIZATION, "clinic_id", "time_zone", name="clinic_zone"),
    )

    organization_id: UUID = _key()
    clinic_id: UUID = _key()
    identifier_system: str = _text()
    identifier_value: str = _text()
    title: str = _text()
    time_zone: str = _text()
    create_time: datetime = _instant()


class OpeningHours(Table, table=True):
    """Hours of a clinic on one ISO weekday."""

    __tablename__ = "opening_hours"
    __table_args__ = (_references("clinic", "clinic_id"),)

    organization_id: UUID = _key()
    clinic_id: UUID = _key()
    weekday: int = Field(primary_key=True, sa_type=SmallInteger)
    open_time: time = _key()
    close_time: time


class Room(Table, table=True):
    """A room of a clinic."""

    __tablename__ = "room"
    __table_args__ = (
        _references("clinic", "clinic_id"),
        UniqueConstraint(_ORGANIZATION, "identifier_system", "identifier_value", name="room_identifier"),
        UniqueConstraint(_ORGANIZATION, "room_id", "clinic_id", name="room_of_clinic"),
        Index("room_by_clinic", _ORGANIZATION, "clinic_id", "title", "room_id"),
    )

    organization_id: UUID = _key()
    room_id: UUID = _key()
    identifier_system: str = _text()
    identifier_value: str = _text()
    clinic_id: UUID
    title: str = _text()
    create_time: datetime = _instant()


class Practitioner(Table, table=True):
    """A clinician."""

    __tablename__ = "practitioner"
    __table_args__ = (
        UniqueConstraint(_ORGANIZATION, "identifier_system", "identifier_value", name="practitioner_identifier"),
        UniqueConstraint(_ORGANIZATION, "subject", name="practitioner_subject", deferrable=True),
    )

    organization_id: UUID = _key()
    practitioner_id: UUID = _key()
    identifier_system: str = _text()
    identifier_value: str = _text()
    printed_name: str = _text()
    credential: str = _text()
    credential_expire_date: date | None
    supervision_ratio: int
    protocol_codes: list[str] = Field(sa_type=ARRAY(Text))
    subject: str | None = Field(sa_type=Text, nullable=True)
    create_time: datetime = _instant()


class Shift(Table, table=True):
    """Weekly working hours of a practitioner at a clinic."""

    __tablename__ = "shift"
    __table_args__ = (
        _references("practitioner", "practitioner_id"),
        _references("clinic", "clinic_id"),
        Index("shift_by_practitioner", _ORGANIZATION, "practitioner_id", "weekday", "start_time", "shift_id"),
        Index("shift_by_clinic", _ORGANIZATION, "clinic_id", "weekday"),
    )

    organization_id: UUID = _key()
    shift_id: UUID = _key()
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
        _references("clinic", "clinic_id"),
        UniqueConstraint(_ORGANIZATION, "identifier_system", "identifier_value", name="patient_identifier"),
        Index("patient_by_clinic", _ORGANIZATION, "clinic_id", "patient_id"),
    )

    organization_id: UUID = _key()
    patient_id: UUID = _key()
    identifier_system: str = _text()
    identifier_value: str = _text()
    time_zone: str = _text()
    birth_date: date
    clinic_id: UUID | None
    create_time: datetime = _instant()


class Protocol(Table, table=True):
    """A protocol version; append-only. `limits` holds {value, unit, source, mark} by limit code."""

    __tablename__ = "protocol"
    __table_args__ = (
        UniqueConstraint(_ORGANIZATION, "code", "version", name="protocol_version"),
        UniqueConstraint(_ORGANIZATION, "protocol_id", "code", "interval_days", "session_cap", name="protocol_pinned"),
    )

    organization_id: UUID = _key()
    protocol_id: UUID = _key()
    code: str = _text()
    version: int
    title: str = _text()
    substance: str = _text()
    route: str = _text()
    limits: dict[str, dict[str, str]] = Field(sa_type=JSONB)
    no_show_counts: bool
    interval_days: int
    session_cap: int
    create_time: datetime = _instant()


class Course(Table, table=True):
    """A course of a patient. `enroller` and `reviewer` are actors as they were at that time."""

    __tablename__ = "course"
    __table_args__ = (
        _references("patient", "patient_id"),
        ForeignKeyConstraint(
            (_ORGANIZATION, "protocol_id", "protocol_code", "interval_days", "session_cap"),
            [f"protocol.{key}" for key in (_ORGANIZATION, "protocol_id", "code", "interval_days", "session_cap")],
        ),
        UniqueConstraint(
            _ORGANIZATION,
            "course_id",
            "patient_id",
            "protocol_id",
            "interval_days",
            "session_cap",
            name="course_pinned",
        ),
        Index(
            "course_open",
            _ORGANIZATION,
            "patient_id",
            "protocol_code",
            unique=True,
            postgresql_where=text("state in ('draft', 'active')"),
        ),
        Index("course_by_patient", _ORGANIZATION, "patient_id", "course_id"),
    )

    organization_id: UUID = _key()
    course_id: UUID = _key()
    patient_id: UUID
    protocol_id: UUID
    protocol_code: str = _text()
    interval_days: int
    session_cap: int
    state: str = _text()
    contraindications: list[str] = Field(sa_type=ARRAY(Text))
    prior_treatment_trials: int
    consent_reference: str = _text()
    consent_expire_date: date
    enroller: dict[str, Any] = Field(sa_type=JSONB)
    reviewer: dict[str, Any] | None = Field(sa_type=JSONB(none_as_null=True), nullable=True)
    review_reason: str = _text()
    revision: int
    create_time: datetime = _instant()


class Session(Table, table=True):
    """A session. `place` numbers the live sessions of a course within its cap; `local_date` and `live` are computed."""

    __tablename__ = "session"
    __table_args__ = (
        _references("course", "course_id", "patient_id", "protocol_id", "interval_days", "session_cap"),
        _references("room", "room_id", "clinic_id"),
        _references("clinic", "clinic_id", "time_zone"),
        UniqueConstraint(_ORGANIZATION, "session_id", "live", name="session_live"),
        UniqueConstraint(_ORGANIZATION, "session_id", "patient_id", name="session_of_patient"),
        Index("session_place", _ORGANIZATION, "course_id", "place", unique=True, postgresql_where=text("live")),
        Index("session_by_start", _ORGANIZATION, "start_time", "session_id"),
        Index("session_by_clinic", _ORGANIZATION, "clinic_id", "start_time", "session_id"),
        Index("session_by_patient", _ORGANIZATION, "patient_id", "start_time", "session_id"),
    )

    organization_id: UUID = _key()
    session_id: UUID = _key()
    course_id: UUID
    patient_id: UUID
    protocol_id: UUID
    interval_days: int
    session_cap: int
    clinic_id: UUID
    room_id: UUID
    time_zone: str = _text()
    start_time: datetime = _instant()
    dose_time: datetime = _instant()
    end_time: datetime = _instant()
    release_time: datetime = _instant()
    local_date: date = Field(sa_column_args=[Computed("((start_time AT TIME ZONE time_zone))::date", persisted=True)])
    place: int
    state: str = _text()
    live: bool = Field(sa_column_args=[Computed("(state <> 'cancelled'::text)", persisted=True)])
    too_early: bool
    revision: int
    version: int
    confirm_time: datetime | None = _instant(nullable=True)
    check_in_time: datetime | None = _instant(nullable=True)
    cancel_reason: str = _text()
    create_time: datetime = _instant()
    update_time: datetime = _instant()


class Supervision(Table, table=True):
    """Who supervises a session from when until when, in one of their lanes."""

    __tablename__ = "supervision"
    __table_args__ = (
        ForeignKeyConstraint(
            (_ORGANIZATION, "session_id", "live"),
            [f"session.{key}" for key in (_ORGANIZATION, "session_id", "live")],
            onupdate="CASCADE",
        ),
        _references("practitioner", "practitioner_id"),
        Index("supervision_by_practitioner", _ORGANIZATION, "practitioner_id", "start_time"),
    )

    organization_id: UUID = _key()
    session_id: UUID = _key()
    start_time: datetime = Field(primary_key=True, sa_type=_INSTANT)
    end_time: datetime = _instant()
    practitioner_id: UUID
    lane: int
    live: bool


class Dose(Table, table=True):
    """A dose that was given, as the dose log reported it last. The next interval counts from its date."""

    __tablename__ = "dose"
    __table_args__ = (
        _references("session", "session_id", "patient_id"),
        Index("dose_by_patient", _ORGANIZATION, "patient_id", "dose_date"),
    )

    organization_id: UUID = _key()
    administration_id: UUID = _key()
    session_id: UUID
    patient_id: UUID
    dose_time: datetime = _instant()
    dose_date: date
    interval_days: int


def table_of(model: type[Table]) -> CoreTable:
    """Return the table of a model, for statements."""
    return METADATA.tables[str(model.__tablename__)]
