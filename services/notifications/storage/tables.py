"""The tables of the notifications service. Rows do not leave this folder."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKeyConstraint, Index, MetaData, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from services.runtime.tables import runtime_tables

METADATA = MetaData()
RUNTIME_TABLES = runtime_tables(METADATA)


def _text(*, primary_key: bool = False, nullable: bool = False) -> Any:
    return Field(sa_type=Text, primary_key=primary_key, nullable=nullable)


def _instant(*, nullable: bool = False) -> Any:
    return Field(sa_type=DateTime(timezone=True), nullable=nullable)


def _of_recipient() -> ForeignKeyConstraint:
    key = ["organization_id", "patient_id"]
    return ForeignKeyConstraint(key, [f"recipient.{column}" for column in key])


def _of_notification() -> ForeignKeyConstraint:
    key = ["organization_id", "notification_id"]
    return ForeignKeyConstraint(key, [f"notification.{column}" for column in key])


class _Row(SQLModel, registry=registry(metadata=METADATA)):
    """Base of all rows: those of one organization are invisible to the others."""


class _OrganizationRow(_Row):
    organization_id: UUID = Field(primary_key=True)


class RecipientRow(_OrganizationRow, table=True):
    """A person; the name is encrypted."""

    __tablename__ = "recipient"

    patient_id: UUID = Field(primary_key=True)
    display_name: bytes
    language: str = _text()
    time_zone: str = _text()
    quiet_end: time
    quiet_start: time
    revision: int


class ContactPointRow(_OrganizationRow, table=True):
    """A contact point; the value is encrypted, its keyed hash tells equal ones."""

    __tablename__ = "contact_point"
    __table_args__ = (
        _of_recipient(),
        UniqueConstraint("organization_id", "patient_id", "channel", "value_hash", name="contact_point_once"),
    )

    contact_point_id: UUID = Field(primary_key=True)
    patient_id: UUID
    channel: str = _text()
    value: bytes
    value_hash: bytes
    verify_time: datetime | None = _instant(nullable=True)
    verify_source: str | None = _text(nullable=True)
    verified_by: str | None = _text(nullable=True)


class ConsentRow(_OrganizationRow, table=True):
    """A decision; append-only."""

    __tablename__ = "consent"
    __table_args__ = (
        _of_recipient(),
        UniqueConstraint(
            *("organization_id", "patient_id", "channel", "purpose", "decision_time", "granted"), name="consent_once"
        ),
    )

    consent_id: UUID = Field(primary_key=True)
    patient_id: UUID
    channel: str = _text()
    purpose: str = _text()
    granted: bool
    source: str = _text()
    decision_time: datetime = _instant()
    recorded_by: str = _text()


class SenderProfileRow(_OrganizationRow, table=True):
    """How a clinic names itself."""

    __tablename__ = "sender_profile"

    clinic_id: UUID = Field(primary_key=True)
    short_name: str = _text()
    phone: str = _text()


class SessionRow(_OrganizationRow, table=True):
    """A session at its newest revision."""

    __tablename__ = "session"

    session_id: UUID = Field(primary_key=True)
    patient_id: UUID
    clinic_id: UUID
    revision: int
    state: str = _text()
    start_time: datetime = _instant()
    end_time: datetime = _instant()
    time_zone: str = _text()
    calendar_uid: str = _text()


class NotificationRow(_OrganizationRow, table=True):
    """A notification, which is also the work item of the sender."""

    __tablename__ = "notification"
    __table_args__ = (
        UniqueConstraint(
            *("organization_id", "patient_id", "session_id", "session_revision", "template_code", "rule", "channel"),
            name="notification_once",
        ),
        Index(
            "notification_open", "organization_id", "due_time", postgresql_where=text("state in ('planned', 'sending')")
        ),
        Index("notification_by_due_time", "organization_id", "due_time", "notification_id"),
        Index("notification_of_session", "organization_id", "session_id"),
    )

    notification_id: UUID = Field(primary_key=True)
    patient_id: UUID
    session_id: UUID
    session_revision: int
    clinic_id: UUID
    template_code: str = _text()
    template_version: int
    rule: str = _text()
    channel: str = _text()
    state: str = _text()
    state_reason: str = _text()
    ideal_time: datetime = _instant()
    due_time: datetime = _instant()
    expire_time: datetime = _instant()
    create_time: datetime = _instant()
    message_id: str = _text()
    may_have_been_sent: bool
    send_time: datetime | None = _instant(nullable=True)
    steps: list[str] = Field(sa_type=ARRAY(Text))
    lease_until: datetime | None = _instant(nullable=True)
    fence: int = Field(sa_type=BigInteger)
    attempts: int
    parked_reason: str | None = _text(nullable=True)


class AttemptRow(_OrganizationRow, table=True):
    """A try to send, written before it begins; append-only."""

    __tablename__ = "attempt"
    __table_args__ = (_of_notification(), Index("attempt_of_notification", "organization_id", "notification_id"))

    attempt_id: UUID = Field(primary_key=True)
    notification_id: UUID
    start_time: datetime = _instant()
    message_id: str = _text()


class AttemptOutcomeRow(_OrganizationRow, table=True):
    """How a try ended; append-only. No end time where nobody knows."""

    __tablename__ = "attempt_outcome"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "attempt_id"], ["attempt.organization_id", "attempt.attempt_id"]),
    )

    attempt_id: UUID = Field(primary_key=True)
    outcome: str = _text()
    end_time: datetime | None = _instant(nullable=True)


class StaffTaskRow(_OrganizationRow, table=True):
    """Something that a person has to do; at most one open UNREACHABLE for each patient."""

    __tablename__ = "staff_task"
    __table_args__ = (
        _of_notification(),
        Index(
            *("staff_task_unreachable_once", "organization_id", "patient_id"),
            unique=True,
            postgresql_where=text("code = 'UNREACHABLE' and resolve_time is null"),
        ),
        UniqueConstraint("organization_id", "notification_id", "code", name="staff_task_once"),
        Index("staff_task_by_age", "organization_id", "create_time", "task_id"),
    )

    task_id: UUID = Field(primary_key=True)
    code: str = _text()
    patient_id: UUID
    notification_id: UUID | None = None
    create_time: datetime = _instant()
    resolve_time: datetime | None = _instant(nullable=True)
    resolution: str = _text()
    resolved_by: str = _text()


def _table(name: str) -> Table:
    return METADATA.tables[name]


RECIPIENT = _table("recipient")
CONTACT_POINT = _table("contact_point")
CONSENT = _table("consent")
SENDER_PROFILE = _table("sender_profile")
SESSION = _table("session")
NOTIFICATION = _table("notification")
ATTEMPT = _table("attempt")
ATTEMPT_OUTCOME = _table("attempt_outcome")
STAFF_TASK = _table("staff_task")
