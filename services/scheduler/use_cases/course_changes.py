"""What is done about a running course: extended, paused, resumed, ended, moved to another version of its protocol."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.errors import Blocker, FieldViolation, InvalidArgumentError
from services.runtime.identifiers import new_id
from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.cadence import clashing
from services.scheduler.domain.course import RUNNING, Course, CourseState
from services.scheduler.domain.course_change import ChangeKind, CourseChange, Renewal
from services.scheduler.domain.protocol import Protocol
from services.scheduler.domain.review import CourseReview, ReviewDecision
from services.scheduler.domain.session import OPEN, UNDER_WAY, Session, SessionState
from services.scheduler.errors import CourseChangeRefusedError, StaleEtagError, WrongStateError
from services.scheduler.ports.paging import Page
from services.scheduler.ports.sessions import SessionFilter
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.courses import today_of
from services.scheduler.use_cases.sessions import cancel

_ALL = Page(1_000)
"""More sessions than any course may hold."""


@dataclass(frozen=True, slots=True)
class CourseCommand:
    """A course to change, as the caller read it; `reason` where one is asked for."""

    course_id: UUID
    etag: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CompleteCourse(CourseCommand):
    """A course to end; `cancel_sessions` cancels its open sessions, which are in the way otherwise."""

    cancel_sessions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendCourse:
    """A course that is to hold more sessions, and the review that allows it."""

    course_id: UUID
    etag: str
    review_id: UUID
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveCourseProtocol:
    """A course that is to follow another version of its protocol."""

    course_id: UUID
    etag: str
    protocol_id: UUID


async def extend_course(command: ExtendCourse, unit: UnitOfWork, clock: Clock, actor: Actor) -> Course:
    """Raise how many sessions a course may hold.

    Raises:
        NotFoundError: the course or the review is not known.
        StaleEtagError: the course was changed since it was read.
        CourseChangeRefusedError: with every blocker: it is not active, it would exceed its protocol's maximum, or the
            review is not its newest, does not continue it, or is older than its last session.
    """
    course = await _locked(command.course_id, command.etag, unit)
    review = await unit.course_records.review(command.review_id)
    newest = await unit.course_records.newest_review(course.course_id)
    if blockers := [*_not_active(course), *_over_maximum(course, command.sessions), *_unfit(review, newest, course)]:
        raise CourseChangeRefusedError(blockers)
    extended = course.extended(command.sessions)
    await unit.courses.save(extended)
    await note(ChangeKind.EXTENDED, extended, unit, clock, actor, review_id=review.review_id)
    return extended


async def pause_course(command: CourseCommand, unit: UnitOfWork, clock: Clock, actor: Actor) -> Course:
    """Pause a course; its sessions stay where they are.

    Raises:
        NotFoundError: the course is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not active.
    """
    course = await locked_in({CourseState.ACTIVE}, command.course_id, command.etag, unit)
    paused = course.paused(command.reason)
    await unit.courses.save(paused)
    await note(ChangeKind.PAUSED, paused, unit, clock, actor, reason=command.reason)
    return paused


async def resume_course(command: CourseCommand, unit: UnitOfWork, clock: Clock, actor: Actor) -> Course:
    """Resume a paused course.

    Raises:
        NotFoundError: the course is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not paused.
    """
    course = await locked_in({CourseState.ON_HOLD}, command.course_id, command.etag, unit)
    resumed = course.resumed()
    await unit.courses.save(resumed)
    await note(ChangeKind.RESUMED, resumed, unit, clock, actor)
    return resumed


async def complete_course(command: CompleteCourse, unit: UnitOfWork, clock: Clock, actor: Actor) -> Course:
    """End a course.

    Raises:
        NotFoundError: the course is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not running.
        CourseChangeRefusedError: with every session that is under way, and every open one unless those are cancelled.
    """
    course = await locked_running(command.course_id, command.etag, unit)
    in_the_way = await _sessions(course, UNDER_WAY if command.cancel_sessions else OPEN | UNDER_WAY, unit)
    if in_the_way:
        raise CourseChangeRefusedError([_unfinished(session) for session in in_the_way])
    await cancel_open_sessions(course, command.reason or "course completed", unit, clock)
    completed = await complete(course, unit)
    await note(ChangeKind.COMPLETED, completed, unit, clock, actor, reason=command.reason)
    return await unit.courses.get(course.course_id)


async def move_course_protocol(command: MoveCourseProtocol, unit: UnitOfWork, clock: Clock, actor: Actor) -> Course:
    """Let a running course follow another version of its protocol.

    Sessions that took place keep their version; held and booked ones follow, where they are. Not during a visit: its
    order is for the version that the course was on, and a dose needs an order for the present one (rule H4 of the dose
    log, project default).

    Raises:
        NotFoundError: the course or the protocol is not known.
        StaleEtagError: the course was changed since it was read.
        WrongStateError: it is not running.
        InvalidArgumentError: it is no other version of the course's protocol.
        CourseChangeRefusedError: with every blocker: a session that is under way, sessions closer than the new
            interval or of another length than the new version's, a cap over the new maximum, or a patient under the
            new age.
        RaceLostError: another transaction took a place at the same moment.
    """
    course = await locked_running(command.course_id, command.etag, unit)
    protocol = await unit.protocols.get(command.protocol_id)
    if protocol.code != course.protocol_code or protocol.protocol_id == course.protocol_id:
        fault = f"choose another version of {course.protocol_code} than the course is on"
        raise InvalidArgumentError([FieldViolation("protocol", fault)])
    patient = await unit.roster.patient(course.patient_id)
    sessions = await _sessions(course, OPEN | UNDER_WAY, unit)
    followers = [session for session in sessions if session.state in OPEN]
    blockers = [_under_way(session) for session in sessions if session.state in UNDER_WAY]
    blockers += [*_cap_over(course, protocol), *await _too_close(course, protocol, followers, unit)]
    blockers += _of_other_length(protocol, followers)
    moved = course.following(protocol)
    if moved.of_age_date > today_of(patient, clock):
        blockers.append(Blocker(BlockerCode.UNDER_AGE, patient.name, "the patient is younger than it allows"))
    if blockers:
        raise CourseChangeRefusedError(blockers)
    await unit.courses.save(moved)
    await unit.sessions.follow_protocol(moved, OPEN, clock.now())
    await note(ChangeKind.PROTOCOL_MOVED, moved, unit, clock, actor)
    await unit.events.course_activated(moved)
    for session in followers:
        if session.state is SessionState.HELD:  # of which nobody was told
            continue
        await unit.events.session_protocol_changed(await unit.sessions.get(session.session_id))
    return moved


def _of_other_length(protocol: Protocol, followers: Sequence[Session]) -> list[Blocker]:
    """Name the sessions whose room and supervisor are not booked for as long as the version takes."""
    wanted = (protocol.phases.attendance, protocol.phases.turnover)
    return [
        Blocker("SESSION_LENGTH", one.name, "the version takes another time; cancel it, and book it anew afterwards")
        for one in followers
        if (one.plan.end_time - one.plan.start_time, one.plan.release_time - one.plan.end_time) != wanted
    ]


async def locked_running(course_id: UUID, etag: str, unit: UnitOfWork) -> Course:
    """Return a running course, locked.

    Raises:
        NotFoundError: the course is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is not running.
    """
    return await locked_in(RUNNING, course_id, etag, unit)


async def locked_in(states: Collection[CourseState], course_id: UUID, etag: str, unit: UnitOfWork) -> Course:
    """Return a course that is in one of these states, locked.

    Raises:
        NotFoundError: the course is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it is in none of them.
    """
    course = await _locked(course_id, etag, unit)
    if course.state not in states:
        raise WrongStateError(course.name, course.state, " or ".join(sorted(states)))
    return course


async def cancel_open_sessions(course: Course, reason: str, unit: UnitOfWork, clock: Clock) -> None:
    """Cancel the held and booked sessions of a course."""
    for session in await _sessions(course, OPEN, unit):
        await cancel(session, reason, unit, clock.now())


async def complete(course: Course, unit: UnitOfWork) -> Course:
    """Store that a course is ended, and tell of it."""
    completed = course.completed()
    await unit.courses.save(completed)
    await unit.events.course_completed(completed)
    return completed


async def note(
    kind: ChangeKind,
    course: Course,
    unit: UnitOfWork,
    clock: Clock,
    actor: Actor,
    *,
    reason: str = "",
    review_id: UUID | None = None,
    renewal: Renewal | None = None,
) -> None:
    """Record what was changed about a course, as it is now."""
    change = CourseChange(
        change_id=new_id(),
        course_id=course.course_id,
        kind=kind,
        actor=actor,
        reason=reason,
        change_time=clock.now(),
        protocol_id=course.protocol_id,
        session_cap=course.session_cap,
        review_id=review_id,
        renewal=renewal,
    )
    await unit.course_records.add_change(change)


async def _locked(course_id: UUID, etag: str, unit: UnitOfWork) -> Course:
    course = await unit.courses.lock(course_id)
    if etag != course.etag:
        raise StaleEtagError(course.name)
    return course


async def _sessions(course: Course, states: Collection[SessionState], unit: UnitOfWork) -> Sequence[Session]:
    wanted = SessionFilter(course_id=course.course_id, states=tuple(states))
    return (await unit.sessions.page(_ALL, wanted)).items


def _not_active(course: Course) -> Iterator[Blocker]:
    if course.state is not CourseState.ACTIVE:
        text = f"the course is {course.state}; it is extended only while it is active"
        yield Blocker(BlockerCode.COURSE_NOT_ACTIVE, course.name, text)


def _over_maximum(course: Course, sessions: int) -> Iterator[Blocker]:
    if course.session_cap + sessions > course.session_maximum:
        text = (
            f"the course may hold {course.session_cap} sessions and its protocol allows {course.session_maximum} at "
            f"most; extend it by {course.session_maximum - course.session_cap} or less"
        )
        yield Blocker(BlockerCode.COURSE_CAP, course.name, text)


def _unfit(review: CourseReview, newest: CourseReview | None, course: Course) -> Iterator[Blocker]:
    subject = f"courseReviews/{review.review_id}"
    if newest is None or newest.review_id != review.review_id:
        yield Blocker(BlockerCode.REVIEW_DUE, subject, "this is not the newest review of the course; name that one")
    if review.decision is not ReviewDecision.CONTINUE:
        yield Blocker(BlockerCode.REVIEW_DUE, subject, "this review does not continue the course")
    if not review.session_count:
        text = "no session had taken place when this review was made; have the course reviewed after one has"
        yield Blocker(BlockerCode.REVIEW_DUE, subject, text)
    elif review.session_count != course.taken_count:
        text = (
            f"this review is of {review.session_count} sessions and {course.taken_count} took place; "
            "have the course reviewed as it is now"
        )
        yield Blocker(BlockerCode.REVIEW_DUE, subject, text)


def _unfinished(session: Session) -> Blocker:
    what = "cancel it, or ask for that" if session.state in OPEN else "end it first"
    return Blocker("SESSION_OPEN", session.name, f"the session is {session.state}; {what}")


def _under_way(session: Session) -> Blocker:
    text = (
        f"the session is {session.state}, and its order is for the present version; move the course once the patient "
        "is discharged, or cancel the session where nothing was given"
    )
    return Blocker("SESSION_UNDER_WAY", session.name, text)


def _cap_over(course: Course, protocol: Protocol) -> Iterator[Blocker]:
    if course.session_cap > protocol.session_maximum:
        text = f"the course may hold {course.session_cap} sessions, that version allows {protocol.session_maximum}"
        yield Blocker(BlockerCode.COURSE_CAP, course.name, text)


async def _too_close(
    course: Course, protocol: Protocol, followers: Sequence[Session], unit: UnitOfWork
) -> list[Blocker]:
    own = {session.session_id for session in followers}
    held = await unit.sessions.commitments(course.patient_id)
    others = [one for one in held if one.session_id not in own]
    moved = [replace(one, interval_days=protocol.interval_days) for one in held if one.session_id in own]
    text = f"closer than {protocol.interval_days} days to another session or dose; reschedule it first"
    return [
        Blocker(BlockerCode.CADENCE, f"sessions/{one.session_id}", f"{one.day} is {text}")
        for one in clashing(moved, others)
    ]
