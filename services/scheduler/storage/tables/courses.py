"""Protocols and courses."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from services.scheduler.storage.tables.base import ORGANIZATION, Table, instant, key, references, text_column


class Protocol(Table, table=True):
    """A protocol version; append-only. `limits` holds {value, unit, source, mark} by limit code.

    `session_cap` is what a course may be extended to.
    """

    __tablename__ = "protocol"
    __table_args__ = (
        UniqueConstraint(ORGANIZATION, "code", "version", name="protocol_version"),
        UniqueConstraint(ORGANIZATION, "protocol_id", "code", "interval_days", "session_cap", name="protocol_pinned"),
        UniqueConstraint(ORGANIZATION, "protocol_id", "interval_days", name="protocol_interval"),
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
    """A course of a patient. `enroller` and `reviewer` are actors as they were at that time.

    `review_base` is how many sessions had taken place at the last review to continue; `review_told`, whether it was
    told that the next one is due.
    """

    __tablename__ = "course"
    __table_args__ = (
        references("patient", "patient_id"),
        ForeignKeyConstraint(
            (ORGANIZATION, "protocol_id", "protocol_code", "interval_days", "session_maximum"),
            [f"protocol.{key}" for key in (ORGANIZATION, "protocol_id", "code", "interval_days", "session_cap")],
        ),
        UniqueConstraint(ORGANIZATION, "course_id", "patient_id", "session_cap", name="course_pinned"),
        Index(
            "course_open",
            ORGANIZATION,
            "patient_id",
            "protocol_code",
            unique=True,
            postgresql_where=text("state in ('draft', 'active', 'on_hold')"),
        ),
        Index(
            "course_untold",
            ORGANIZATION,
            "course_id",
            postgresql_where=text("not review_told and state in ('active', 'on_hold')"),
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
    session_maximum: int
    state: str = text_column()
    hold_reason: str = text_column()
    contraindications: list[str] = Field(sa_type=ARRAY(Text))
    prior_treatment_trials: int
    consent_reference: str = text_column()
    consent_expire_date: date
    screening_checks: list[str] = Field(sa_type=ARRAY(Text))
    induction_documented: bool
    enroller: dict[str, Any] = Field(sa_type=JSONB)
    reviewer: dict[str, Any] | None = Field(sa_type=JSONB(none_as_null=True), nullable=True)
    review_reason: str = text_column()
    review_base: int
    review_told: bool
    revision: int
    create_time: datetime = instant()


class CourseReview(Table, table=True):
    """A signed review of a course; append-only. `scores` are those that it was made by."""

    __tablename__ = "course_review"
    __table_args__ = (
        references("course", "course_id"),
        UniqueConstraint(ORGANIZATION, "course_id", "number", name="course_review_number"),
    )

    organization_id: UUID = key()
    review_id: UUID = key()
    course_id: UUID
    number: int
    decision: str = text_column()
    reason: str = text_column()
    reviewer: dict[str, Any] = Field(sa_type=JSONB)
    meaning: str = text_column()
    sign_time: datetime = instant()
    auth_time: datetime = instant()
    session_count: int
    scores: list[dict[str, Any]] = Field(sa_type=JSONB)


class CourseChange(Table, table=True):
    """What was changed about a course, by whom and why; append-only.

    The consents are those before and after a renewal, and null otherwise.
    """

    __tablename__ = "course_change"
    __table_args__ = (
        references("course", "course_id"),
        references("protocol", "protocol_id"),
        references("course_review", "review_id"),
        UniqueConstraint(ORGANIZATION, "course_id", "number", name="course_change_number"),
    )

    organization_id: UUID = key()
    change_id: UUID = key()
    course_id: UUID
    number: int
    kind: str = text_column()
    actor: dict[str, Any] = Field(sa_type=JSONB)
    reason: str = text_column()
    change_time: datetime = instant()
    protocol_id: UUID
    session_cap: int
    review_id: UUID | None
    consent_reference: str | None = Field(sa_type=Text, nullable=True)
    consent_expire_date: date | None
    previous_consent_reference: str | None = Field(sa_type=Text, nullable=True)
    previous_consent_expire_date: date | None


class Assessment(Table, table=True):
    """A score, as the dose log reported it last."""

    __tablename__ = "assessment"
    __table_args__ = (
        references("session", "session_id", "patient_id"),
        references("course", "course_id"),
        Index("assessment_by_course", ORGANIZATION, "course_id"),
    )

    organization_id: UUID = key()
    assessment_id: UUID = key()
    session_id: UUID
    patient_id: UUID
    course_id: UUID
    instrument: str = text_column()
    total: int
    version: int
    observe_time: datetime = instant()


class Organization(Table, table=True):
    """An organization that has work for the jobs."""

    __tablename__ = "organization"

    organization_id: UUID = key()
