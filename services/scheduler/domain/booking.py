"""What stands in the way of a booking: every blocker at once, from one look at what is already scheduled."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.scheduler.domain.availability import Closure
from services.scheduler.domain.blockers import Blocker, BlockerCode
from services.scheduler.domain.cadence import Commitment, earliest_date, too_close
from services.scheduler.domain.course import Course, CourseState, treatment_blockers
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.lanes import Occupied, Placement, place
from services.scheduler.domain.session import Plan

_TO_BECOME_ACTIVE = {
    CourseState.DRAFT: "have its screening accepted",
    CourseState.ON_HOLD: "have it resumed",
}


@dataclass(frozen=True, slots=True)
class Supervisor:
    """A clinician who is on shift for the whole session and credentialed, and what they supervise around that time."""

    practitioner_id: UUID
    ratio: int
    occupied: tuple[Occupied, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who supervises a session, and in which lane."""

    practitioner_id: UUID
    placement: Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is scheduled around a planned session, which itself is left out when it is being moved.

    Attributes:
        commitments: the patient's live sessions and doses given.
        room_sessions: live sessions that overlap it in the room, turnover included.
        opening: the clinic's opening hours on its date, closures not counted; none on a weekday without hours.
        supervisors: all who may supervise the whole of it, whether or not they are at their ratio.
        closures: closures of the clinic, and of the room with turnover included, that it overlaps.
    """

    commitments: tuple[Commitment, ...]
    room_sessions: tuple[UUID, ...]
    opening: tuple[Interval, ...]
    supervisors: tuple[Supervisor, ...]
    closures: tuple[Closure, ...] = ()


def course_blockers(course: Course, further_sessions: int) -> list[Blocker]:
    """Return what keeps a course from holding so many further sessions, whenever they are."""
    blockers = []
    if course.state is not CourseState.ACTIVE:
        text = f"the course is {course.state}; {_TO_BECOME_ACTIVE.get(course.state, 'enrol the patient again')}"
        blockers.append(Blocker(BlockerCode.COURSE_NOT_ACTIVE, text))
    last = course.session_count + further_sessions
    if further_sessions and course.review_due and last >= course.hold_from:
        text = f"a supervisor's review is due after {course.review_point} sessions; session {last} waits for it"
        blockers.append(Blocker(BlockerCode.REVIEW_DUE, text))
    if course.session_count + further_sessions > course.session_cap:
        text = (
            f"the course holds {course.session_count} live sessions of at most {course.session_cap}; "
            f"a supervisor may extend it to {course.session_maximum}"
        )
        blockers.append(Blocker(BlockerCode.COURSE_CAP, text))
    return blockers


def date_blockers(course: Course, day: date, commitments: Sequence[Commitment]) -> list[Blocker]:
    """Return what keeps the patient from being treated on a date, at whatever time."""
    blockers = treatment_blockers(course, day)
    if conflicts := too_close(day, course.interval_days, commitments):
        earliest = earliest_date(day, course.interval_days, commitments)
        text = (
            f"{day} is closer than {course.interval_days} days to another session or dose of the patient; "
            f"the earliest date is {earliest}"
        )
        sessions = tuple(dict.fromkeys(held.session_id for held in conflicts))
        blockers.append(Blocker(BlockerCode.CADENCE, text, sessions, earliest))
    return blockers


def time_blockers(
    plan: Plan, around: Surroundings, *, now: datetime, wanted_supervisor: UUID | None = None
) -> list[Blocker]:
    """Return what keeps the session from standing at that time in that room."""
    return [
        *_hours(plan, around, now),
        *_busy(plan, around),
        *supervision_blockers(plan.interval, around.supervisors, wanted_supervisor),
    ]


def supervision_blockers(
    interval: Interval, supervisors: Sequence[Supervisor], wanted_supervisor: UUID | None = None
) -> list[Blocker]:
    """Return what keeps an interval from being supervised, by the wanted clinician or by anybody."""
    candidates = _candidates(supervisors, wanted_supervisor)
    if not candidates:
        whom = "the supervisor is not" if wanted_supervisor else "nobody is"
        text = (
            f"{whom} on shift for the whole time, from arrival to discharge, with a valid credential for the protocol; "
            "choose another time or supervisor, or add a shift"
        )
        return [Blocker(BlockerCode.NO_SUPERVISOR, text)]
    if assign(interval, supervisors, wanted_supervisor) is not None:
        return []
    sessions = {
        held.session_id: None
        for candidate in candidates
        for held in candidate.occupied
        if held.interval.overlaps(interval)
    }
    text = "all who may supervise are at their ratio at that time; choose another time"
    return [Blocker(BlockerCode.SUPERVISION_RATIO, text, tuple(sessions))]


def assign(
    interval: Interval,
    supervisors: Sequence[Supervisor],
    wanted_supervisor: UUID | None = None,
    *,
    preferred_supervisor: UUID | None = None,
) -> Assignment | None:
    """Choose who supervises: the wanted one and nobody else, or of all who can the preferred one.

    Otherwise it is the one with the fewest sessions around that time.
    """

    def rank(one: Supervisor) -> tuple[bool, int, UUID]:
        return one.practitioner_id != preferred_supervisor, len(one.occupied), one.practitioner_id

    for candidate in sorted(_candidates(supervisors, wanted_supervisor), key=rank):
        placement = place(interval, candidate.occupied, candidate.ratio)
        if placement is not None:
            return Assignment(candidate.practitioner_id, placement)
    return None


def closed(day: date) -> Blocker:
    """Return the blocker of a date without opening hours."""
    return Blocker(BlockerCode.CLINIC_CLOSED, f"the clinic is closed on {day}; choose another date")


def _hours(plan: Plan, around: Surroundings, now: datetime) -> Iterable[Blocker]:
    if plan.start_time <= now:
        yield Blocker(BlockerCode.PAST, "that time is past; choose a later one")
    if not around.opening:
        yield closed(plan.local_date)
    elif not any(hours.contains(plan.interval) for hours in around.opening):
        minutes = int((plan.end_time - plan.start_time).total_seconds() // 60)
        text = f"the session takes {minutes} minutes, which must lie within the clinic's opening hours of one day"
        yield Blocker(BlockerCode.OUTSIDE_HOURS, text)
    for closure in around.closures:
        if closure.room_id is None:
            text = f"the clinic is closed {closure.described}; choose another time"
            yield Blocker(BlockerCode.CLINIC_CLOSED, text)


def _busy(plan: Plan, around: Surroundings) -> Iterable[Blocker]:
    overlapping = [held for held in around.commitments if held.interval and held.interval.overlaps(plan.interval)]
    if overlapping:
        text = "the patient is in another session at that time"
        yield Blocker(BlockerCode.PATIENT_BUSY, text, tuple(held.session_id for held in overlapping))
    if around.room_sessions:
        text = "the room holds another session at that time, turnover included; choose another room or time"
        yield Blocker(BlockerCode.ROOM_BUSY, text, around.room_sessions)
    for closure in around.closures:
        if closure.room_id is not None:
            text = f"the room is closed {closure.described}; choose another room or time"
            yield Blocker(BlockerCode.ROOM_BUSY, text)


def _candidates(supervisors: Sequence[Supervisor], wanted: UUID | None) -> list[Supervisor]:
    return [one for one in supervisors if wanted in (None, one.practitioner_id)]
