"""The waiting list."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import Index, SmallInteger, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.scheduler.storage.tables.base import INSTANT, ORGANIZATION, Table, instant, key, references, text_column


class WaitlistEntry(Table, table=True):
    """A course that waits for a slot."""

    __tablename__ = "waitlist_entry"
    __table_args__ = (
        references("course", "course_id"),
        references("patient", "patient_id"),
        references("session", "session_id", columns=("offered_session_id",)),
        Index(
            "waitlist_entry_open",
            ORGANIZATION,
            "course_id",
            unique=True,
            postgresql_where=text("state in ('waiting', 'offered')"),
        ),
        Index("waitlist_entry_by_wait", ORGANIZATION, "create_time", "waitlist_entry_id"),
        Index("waitlist_entry_waiting", "create_time", postgresql_where=text("state = 'waiting'")),
        Index("waitlist_entry_offered", "offer_expire_time", postgresql_where=text("state = 'offered'")),
    )

    organization_id: UUID = key()
    waitlist_entry_id: UUID = key()
    course_id: UUID
    patient_id: UUID
    clinic_ids: list[UUID] = Field(sa_type=ARRAY(Uuid))
    start_date: date
    end_date: date
    weekdays: list[int] = Field(sa_type=ARRAY(SmallInteger))
    earliest_time: time | None
    latest_time: time | None
    preferred_supervisor_id: UUID | None
    notice_minutes: int
    state: str = text_column()
    offered_session_id: UUID | None
    offer_expire_time: datetime | None = instant(nullable=True)
    version: int
    create_time: datetime = instant()
    update_time: datetime = instant()


class WaitlistRefusal(Table, table=True):
    """A slot that was offered and not taken: it is not offered to that entry again."""

    __tablename__ = "waitlist_refusal"
    __table_args__ = (references("waitlist_entry", "waitlist_entry_id"),)

    organization_id: UUID = key()
    waitlist_entry_id: UUID = key()
    clinic_id: UUID = key()
    start_time: datetime = Field(primary_key=True, sa_type=INSTANT)


class Vacancy(Table, table=True):
    """A place that became free while somebody waits for one at its clinic."""

    __tablename__ = "vacancy"
    __table_args__ = (
        references("clinic", "clinic_id"),
        Index("vacancy_by_clinic", ORGANIZATION, "clinic_id"),
    )

    organization_id: UUID = key()
    vacancy_id: UUID = key()
    clinic_id: UUID
    start_time: datetime = instant()
