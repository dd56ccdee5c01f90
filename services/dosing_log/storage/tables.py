"""The tables.

What is read back is what the ledger committed to: every version, signature, movement, lot and access record is its
canonical JSON in `ledger_opening`. The other tables hold what is searched, ordered and constrained.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from services.dosing_log.ledger.tables import ledger_tables
from services.runtime.tables import runtime_tables

METADATA = MetaData()

_INSTANT: Any = DateTime(timezone=True)
_TEXTS: Any = ARRAY(Text)
_BYTES: Any = ARRAY(LargeBinary)
_JSON: Any = JSONB


class Row(SQLModel, registry=registry(metadata=METADATA)):
    """A row of one organization."""

    organization_id: UUID = Field(primary_key=True)


class LedgerOpening(Row, table=True):
    """What opens an entry's commitment: canonical JSON, salt and signatures."""

    __tablename__ = "ledger_opening"
    organization_id: UUID
    event_id: UUID = Field(primary_key=True)
    record: bytes
    salt: bytes
    commitment: bytes
    signatures: list[bytes] = Field(sa_type=_BYTES)


class RecordVersion(Row, table=True):
    """A version of a record."""

    __tablename__ = "record_version"
    __table_args__: ClassVar[Any] = (
        Index("record_version_session", "organization_id", "session_id"),
        Index("record_version_patient", "organization_id", "patient_id"),
    )
    record_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    event_id: UUID = Field(foreign_key="ledger_opening.event_id", unique=True)
    kind: str = Field(sa_type=Text)
    session_id: UUID
    patient_id: UUID
    event_time: datetime = Field(sa_type=_INSTANT)
    record_time: datetime = Field(sa_type=_INSTANT)


class Signature(Row, table=True):
    """A signature on a version; one of each meaning for each signer."""

    __tablename__ = "signature"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(
            ["organization_id", "record_id", "version"],
            ["record_version.organization_id", "record_version.record_id", "record_version.version"],
        ),
        Index("signature_session", "organization_id", "signer_subject", "token_id", "session_time"),
    )
    record_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    signer_subject: str = Field(primary_key=True, sa_type=Text)
    meaning: str = Field(primary_key=True, sa_type=Text)
    event_id: UUID = Field(foreign_key="ledger_opening.event_id", unique=True)
    token_id: str = Field(sa_type=Text)
    components_used: int
    sign_time: datetime = Field(sa_type=_INSTANT)
    session_time: datetime = Field(sa_type=_INSTANT)


class SigningPin(Row, table=True):
    """A person's PIN (argon2id) and how often it was tried since it was last right. Changes in place."""

    __tablename__ = "signing_pin"
    subject: str = Field(primary_key=True, sa_type=Text)
    pin_hash: str = Field(sa_type=Text)
    attempts: int
    last_attempt_time: datetime | None = Field(sa_type=_INSTANT)


class Lot(Row, table=True):
    """A lot; a lot number is unique for its product and clinic."""

    __tablename__ = "lot"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("organization_id", "clinic_id", "product", "lot_number", name="lot_once"),
    )
    lot_id: UUID = Field(primary_key=True)
    event_id: UUID = Field(foreign_key="ledger_opening.event_id", unique=True)
    clinic_id: UUID
    product: str = Field(sa_type=Text)
    lot_number: str = Field(sa_type=Text)


class Movement(Row, table=True):
    """A movement of a lot. A trigger holds the chain of balances; a check keeps it from falling below zero."""

    __tablename__ = "movement"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(["organization_id", "lot_id"], ["lot.organization_id", "lot.lot_id"]),
        CheckConstraint("balance_after_mg >= 0", name="movement_balance"),
        Index("movement_record", "organization_id", "record_id"),
    )
    lot_id: UUID = Field(primary_key=True)
    sequence_number: int = Field(primary_key=True)
    event_id: UUID = Field(foreign_key="ledger_opening.event_id", unique=True)
    amount_mg: Decimal = Field(sa_type=Numeric)
    balance_after_mg: Decimal = Field(sa_type=Numeric)
    record_id: UUID | None


class AccessRecord(Row, table=True):
    """Who read, or was refused, what."""

    __tablename__ = "access_record"
    __table_args__: ClassVar[Any] = (Index("access_record_patient", "organization_id", "patient_id", "access_id"),)
    access_id: UUID = Field(primary_key=True)
    event_id: UUID = Field(foreign_key="ledger_opening.event_id", unique=True)
    patient_id: UUID | None


class SessionProjection(Row, table=True):
    """A session as the scheduler last told it."""

    __tablename__ = "session_projection"
    session_id: UUID = Field(primary_key=True)
    patient_id: UUID
    course_id: UUID
    protocol_id: UUID
    clinic_id: UUID
    revision: int
    ordinal: int
    start_time: datetime = Field(sa_type=_INSTANT)
    end_time: datetime = Field(sa_type=_INSTANT)
    time_zone: str = Field(sa_type=Text)
    supervisor_subjects: list[str] = Field(sa_type=_TEXTS)
    cancelled: bool = Field(sa_column_kwargs={"server_default": false()})


class CourseProjection(Row, table=True):
    """A course as the scheduler last told it."""

    __tablename__ = "course_projection"
    course_id: UUID = Field(primary_key=True)
    patient_id: UUID
    protocol_id: UUID
    adult_date: date
    consent_expire_date: date
    contraindications: list[str] = Field(sa_type=_TEXTS)


class ProtocolProjection(Row, table=True):
    """A protocol version; never changed."""

    __tablename__ = "protocol_projection"
    protocol_id: UUID = Field(primary_key=True)
    content: dict[str, Any] = Field(sa_type=_JSON)


RUNTIME = runtime_tables(METADATA)
LEDGER = ledger_tables(METADATA)

OPENING = METADATA.tables["ledger_opening"]
RECORD_VERSION = METADATA.tables["record_version"]
SIGNATURE = METADATA.tables["signature"]
SIGNING_PIN = METADATA.tables["signing_pin"]
LOT = METADATA.tables["lot"]
MOVEMENT = METADATA.tables["movement"]
ACCESS_RECORD = METADATA.tables["access_record"]
SESSION = METADATA.tables["session_projection"]
COURSE = METADATA.tables["course_projection"]
PROTOCOL = METADATA.tables["protocol_projection"]
