"""What can stand in the way of a booking."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID


class BlockerCode(StrEnum):
    """Stable codes; the contract's names without their prefix."""

    CADENCE = "CADENCE"
    COURSE_CAP = "COURSE_CAP"
    REVIEW_DUE = "REVIEW_DUE"
    PATIENT_BUSY = "PATIENT_BUSY"
    ROOM_BUSY = "ROOM_BUSY"
    NO_SUPERVISOR = "NO_SUPERVISOR"
    SUPERVISION_RATIO = "SUPERVISION_RATIO"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    CLINIC_CLOSED = "CLINIC_CLOSED"
    PAST = "PAST"
    LOCAL_TIME_MISSING = "LOCAL_TIME_MISSING"
    LOCAL_TIME_AMBIGUOUS = "LOCAL_TIME_AMBIGUOUS"
    CONTRAINDICATION = "CONTRAINDICATION"
    CONSENT_MISSING = "CONSENT_MISSING"
    COURSE_NOT_ACTIVE = "COURSE_NOT_ACTIVE"
    HOLD_EXPIRED = "HOLD_EXPIRED"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that stands in the way and, in `description`, what would resolve it.

    Attributes:
        sessions: the sessions in the way, where it is sessions.
        earliest_date: the first clinic-local date that would be allowed, where it is a question of dates.
    """

    code: BlockerCode
    description: str
    sessions: tuple[UUID, ...] = ()
    earliest_date: date | None = None
