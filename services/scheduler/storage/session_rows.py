"""Rows of sessions as domain values."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from services.scheduler.domain.interval import Interval
from services.scheduler.domain.session import Plan, Session, SessionState, Supervision


def session(row: Row[Any]) -> Session:
    """Return the session in a row, with `supervisions` as a JSON list of [practitioner, start, end, subject]."""
    return Session(
        session_id=row.session_id,
        patient_id=row.patient_id,
        course_id=row.course_id,
        protocol_id=row.protocol_id,
        clinic_id=row.clinic_id,
        room_id=row.room_id,
        time_zone=row.time_zone,
        plan=Plan(
            local_date=row.local_date,
            start_time=row.start_time,
            dose_time=row.dose_time,
            end_time=row.end_time,
            release_time=row.release_time,
        ),
        supervisions=_supervisions(row.supervisions or ()),
        ordinal=row.ordinal,
        review_after=row.review_after,
        state=SessionState(row.state),
        revision=row.revision,
        version=row.version,
        too_early=row.too_early,
        confirm_time=row.confirm_time,
        check_in_time=row.check_in_time,
        cancel_reason=row.cancel_reason,
        hold_expire_time=row.hold_expire_time,
        counted=row.counted,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def _supervisions(stored: Sequence[Sequence[str]]) -> tuple[Supervision, ...]:
    found = (
        Supervision(practitioner_id=UUID(practitioner), interval=interval(start, end), subject=subject)
        for practitioner, start, end, subject in stored
    )
    return tuple(sorted(found, key=lambda supervision: supervision.interval))


def interval(start: str, end: str) -> Interval:
    """Return the interval between two instants as PostgreSQL writes them in JSON."""
    return Interval(datetime.fromisoformat(start), datetime.fromisoformat(end))
