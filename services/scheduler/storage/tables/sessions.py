"""Sessions, who supervises them, and the doses given in them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Computed, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from services.scheduler.storage.tables.base import INSTANT, ORGANIZATION, Table, instant, key, references, text_column

_LIVE = ", ".join(f"'{state}'::text" for state in ("held", "booked", "checked_in", "in_progress", "fulfilled"))


class Session(Table, table=True):
    """A session. `place` numbers the counted sessions of a course within its cap.

    `local_date`, `live` (it occupies patient, room and supervisor) and `counted` (it occupies a place in the course)
    are computed.
    """

    __tablename__ = "session"
    __table_args__ = (
        ForeignKeyConstraint(
            (ORGANIZATION, "course_id", "patient_id", "session_cap"),
            [f"course.{key}" for key in (ORGANIZATION, "course_id", "patient_id", "session_cap")],
            onupdate="CASCADE",
        ),
        references("protocol", "protocol_id", "interval_days"),
        references("room", "room_id", "clinic_id"),
        references("clinic", "clinic_id", "time_zone"),
        UniqueConstraint(ORGANIZATION, "session_id", "live", name="session_live"),
        UniqueConstraint(ORGANIZATION, "session_id", "patient_id", name="session_of_patient"),
        Index("session_place", ORGANIZATION, "course_id", "place", unique=True, postgresql_where=text("counted")),
        Index("session_held", ORGANIZATION, "hold_expire_time", postgresql_where=text("state = 'held'")),
        Index("session_expected", ORGANIZATION, "start_time", postgresql_where=text("state = 'booked'")),
        Index("session_by_start", ORGANIZATION, "start_time", "session_id"),
        Index("session_by_clinic", ORGANIZATION, "clinic_id", "start_time", "session_id"),
        Index("session_by_room", ORGANIZATION, "room_id", "start_time", "session_id"),
        Index("session_by_course", ORGANIZATION, "course_id", "start_time", "session_id"),
        Index("session_by_patient", ORGANIZATION, "patient_id", "start_time", "session_id"),
        Index(
            "session_in_room",
            ORGANIZATION,
            "room_id",
            "start_time",
            postgresql_include=("release_time", "state", "hold_expire_time"),
            postgresql_where=text("live"),
        ),
    )

    organization_id: UUID = key()
    session_id: UUID = key()
    course_id: UUID
    patient_id: UUID
    protocol_id: UUID
    interval_days: int
    session_cap: int
    clinic_id: UUID
    room_id: UUID
    time_zone: str = text_column()
    start_time: datetime = instant()
    dose_time: datetime = instant()
    end_time: datetime = instant()
    release_time: datetime = instant()
    local_date: date = Field(sa_column_args=[Computed("((start_time AT TIME ZONE time_zone))::date", persisted=True)])
    place: int
    state: str = text_column()
    live: bool = Field(sa_column_args=[Computed(f"(state = ANY (ARRAY[{_LIVE}]))", persisted=True)])
    counted: bool = Field(
        sa_column_args=[
            Computed(
                f"((state = ANY (ARRAY[{_LIVE}])) OR ((state = 'no_show'::text) AND no_show_counts))", persisted=True
            )
        ]
    )
    too_early: bool
    revision: int
    version: int
    confirm_time: datetime | None = instant(nullable=True)
    check_in_time: datetime | None = instant(nullable=True)
    cancel_reason: str = text_column()
    hold_expire_time: datetime | None = instant(nullable=True)
    no_show_counts: bool
    create_time: datetime = instant()
    update_time: datetime = instant()


class Supervision(Table, table=True):
    """Who supervises a session from when until when, in one of their lanes."""

    __tablename__ = "supervision"
    __table_args__ = (
        ForeignKeyConstraint(
            (ORGANIZATION, "session_id", "live"),
            [f"session.{key}" for key in (ORGANIZATION, "session_id", "live")],
            onupdate="CASCADE",
        ),
        references("practitioner", "practitioner_id"),
        Index("supervision_by_practitioner", ORGANIZATION, "practitioner_id", "start_time"),
        Index(
            "supervision_in_lane",
            ORGANIZATION,
            "practitioner_id",
            "lane",
            "start_time",
            postgresql_include=("end_time", "session_id"),
            postgresql_where=text("live"),
        ),
    )

    organization_id: UUID = key()
    session_id: UUID = key()
    start_time: datetime = Field(primary_key=True, sa_type=INSTANT)
    end_time: datetime = instant()
    practitioner_id: UUID
    lane: int
    live: bool


class Dose(Table, table=True):
    """A dose that was given, as the dose log reported it last. The next interval counts from its date."""

    __tablename__ = "dose"
    __table_args__ = (
        references("session", "session_id", "patient_id"),
        Index("dose_by_patient", ORGANIZATION, "patient_id", "dose_date"),
    )

    organization_id: UUID = key()
    administration_id: UUID = key()
    session_id: UUID
    patient_id: UUID
    dose_time: datetime = instant()
    dose_date: date
    interval_days: int
