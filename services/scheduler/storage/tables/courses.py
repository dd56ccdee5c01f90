"""Protocols and courses."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from services.scheduler.storage.tables.base import ORGANIZATION, Table, instant, key, references, text_column


class Protocol(Table, table=True):
    """A protocol version; append-only. `limits` holds {value, unit, source, mark} by limit code."""

    __tablename__ = "protocol"
    __table_args__ = (
        UniqueConstraint(ORGANIZATION, "code", "version", name="protocol_version"),
        UniqueConstraint(ORGANIZATION, "protocol_id", "code", "interval_days", "session_cap", name="protocol_pinned"),
    )

    organization_id: UUID = key()
    protocol_id: UUID = key()
    code: str = text_column()
    version: int
    title: str = text_column()
    substance: str = text_column()
    route: str = text_column()
    limits: dict[str, dict[str, str]] = Field(sa_type=JSONB)
    no_show_counts: bool
    interval_days: int
    session_cap: int
    create_time: datetime = instant()


class Course(Table, table=True):
    """A course of a patient. `enroller` and `reviewer` are actors as they were at that time."""

    __tablename__ = "course"
    __table_args__ = (
        references("patient", "patient_id"),
        ForeignKeyConstraint(
            (ORGANIZATION, "protocol_id", "protocol_code", "interval_days", "session_cap"),
            [f"protocol.{key}" for key in (ORGANIZATION, "protocol_id", "code", "interval_days", "session_cap")],
        ),
        UniqueConstraint(
            ORGANIZATION,
            "course_id",
            "patient_id",
            "protocol_id",
            "interval_days",
            "session_cap",
            name="course_pinned",
        ),
        Index(
            "course_open",
            ORGANIZATION,
            "patient_id",
            "protocol_code",
            unique=True,
            postgresql_where=text("state in ('draft', 'active')"),
        ),
        Index("course_by_patient", ORGANIZATION, "patient_id", "course_id"),
    )

    organization_id: UUID = key()
    course_id: UUID = key()
    patient_id: UUID
    protocol_id: UUID
    protocol_code: str = text_column()
    interval_days: int
    session_cap: int
    state: str = text_column()
    contraindications: list[str] = Field(sa_type=ARRAY(Text))
    prior_treatment_trials: int
    consent_reference: str = text_column()
    consent_expire_date: date
    enroller: dict[str, Any] = Field(sa_type=JSONB)
    reviewer: dict[str, Any] | None = Field(sa_type=JSONB(none_as_null=True), nullable=True)
    review_reason: str = text_column()
    revision: int
    create_time: datetime = instant()
