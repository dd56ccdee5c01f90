"""Rows of closures and exceptions of shifts as domain values."""

from typing import Any

from sqlalchemy import Row

from services.scheduler.domain.availability import Closure, ExceptionKind, ShiftException
from services.scheduler.domain.interval import Interval


def closure(row: Row[Any]) -> Closure:
    """Return the closure in a row that has the clinic's zone."""
    return Closure(
        closure_id=row.closure_id,
        clinic_id=row.clinic_id,
        room_id=row.room_id,
        time_zone=row.time_zone,
        interval=Interval(row.start_time, row.end_time),
        reason=row.reason,
        create_time=row.create_time,
    )


def shift_exception(row: Row[Any]) -> ShiftException:
    """Return the exception in a row."""
    return ShiftException(
        shift_exception_id=row.shift_exception_id,
        practitioner_id=row.practitioner_id,
        clinic_id=row.clinic_id,
        kind=ExceptionKind(row.kind),
        time_zone=row.time_zone,
        interval=Interval(row.start_time, row.end_time),
        create_time=row.create_time,
    )
