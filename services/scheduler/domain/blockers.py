"""What can stand in the way of a booking."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
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
    UNDER_AGE = "UNDER_AGE"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means, what resolves it, and which constraints of the database refuse it whoever writes.

    Without constraints it is a matter of judgement or of the calendar, checked when something is booked.
    """

    meaning: str
    resolved_by: str
    constraints: tuple[str, ...] = ()


EXPLANATIONS: Mapping[BlockerCode, Explanation] = MappingProxyType(
    {
        BlockerCode.CADENCE: Explanation(
            "Closer to another live session of the patient, or to a dose given, than the protocol's interval, counted "
            "in clinic-local dates; never under 7 days, across all clinics, courses and protocols.",
            "Book on or after the earliest date that the blocker names, or move the session in the way.",
            ("session_cadence", "session_dose_anchor", "protocol_minimum_interval"),
        ),
        BlockerCode.COURSE_CAP: Explanation(
            "The course holds as many sessions as it may: those that the protocol plans, until a review extends it.",
            "Have a supervisor review the course and extend it (ExtendCourse), up to the protocol's maximum.",
            ("session_course_cap", "session_place"),
        ),
        BlockerCode.REVIEW_DUE: Explanation(
            "A supervisor's review of the course is due, and this session stands at or past the protocol's hold.",
            "Have a supervisor sign a review (ReviewCourse) that continues the course.",
            ("session_review_gate",),
        ),
        BlockerCode.PATIENT_BUSY: Explanation(
            "The patient is in another session at that time.",
            "Choose another time, or cancel the other session.",
            ("session_patient",),
        ),
        BlockerCode.ROOM_BUSY: Explanation(
            "The room holds another session at that time, turnover included, or the room is closed.",
            "Choose another room or time, or end the room's closure.",
            ("session_room", "session_closure"),
        ),
        BlockerCode.NO_SUPERVISOR: Explanation(
            "Nobody, or not the clinician who was asked for, is on shift at the clinic from arrival to discharge with "
            "a valid credential for the protocol.",
            "Choose another time or supervisor, add a shift or an extra one, or renew the credential.",
            ("supervision_qualified", "session_supervised"),
        ),
        BlockerCode.SUPERVISION_RATIO: Explanation(
            "All who may supervise have as many sessions at some minute of it as their ratio lets them.",
            "Choose another time, bring in another supervisor, or hand one of the sessions over.",
            ("supervision_ratio",),
        ),
        BlockerCode.OUTSIDE_HOURS: Explanation(
            "The session does not lie within the clinic's opening hours of one date.",
            "Choose an earlier time, or change the opening hours.",
        ),
        BlockerCode.CLINIC_CLOSED: Explanation(
            "The clinic has no hours on that date, or a closure stands there.",
            "Choose another date or clinic, or delete the closure.",
            ("session_closure",),
        ),
        BlockerCode.PAST: Explanation("That time is past.", "Choose a later time."),
        BlockerCode.LOCAL_TIME_MISSING: Explanation(
            "The clinic's clock jumps over that time on that date.",
            "Choose one of the two times that the blocker names.",
        ),
        BlockerCode.LOCAL_TIME_AMBIGUOUS: Explanation(
            "The clinic's clock shows that time twice on that date.",
            "Send `utc_offset` with one of the two that the blocker names.",
        ),
        BlockerCode.CONTRAINDICATION: Explanation(
            "The screening holds an absolute contraindication.",
            "Nothing: the patient cannot be treated under any protocol of this suite.",
        ),
        BlockerCode.CONSENT_MISSING: Explanation(
            "No consent is valid on that date.",
            "Obtain a new consent and renew the course's with it (RenewConsent).",
        ),
        BlockerCode.COURSE_NOT_ACTIVE: Explanation(
            "The course is a draft, on hold, completed or revoked.",
            "Have its screening accepted, resume it, or enrol the patient for another course.",
            ("session_course_active",),
        ),
        BlockerCode.HOLD_EXPIRED: Explanation(
            "The slot was held, or offered, for too long.",
            "Hold it again, or book it where it is still free.",
        ),
        BlockerCode.UNDER_AGE: Explanation(
            "By the date of birth as it is known now, the patient is too young on that date for the protocol.",
            "Correct the date of birth if it is wrong (UpdatePatient); otherwise book a date on which the patient is "
            "old enough, or end the course.",
        ),
    }
)
"""The table of all codes; the page "How scheduling decides" is made from it."""


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


def sessions_in_the_way(blockers: Iterable[Blocker]) -> list[UUID]:
    """Return the sessions that blockers name."""
    return [session_id for blocker in blockers for session_id in blocker.sessions]
