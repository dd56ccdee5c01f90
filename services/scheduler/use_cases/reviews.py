"""Reviews of how a course goes: signed by a supervisor, told when they are due, made by the dose log's scores."""

from dataclasses import dataclass
from uuid import UUID

from services.runtime.clock import Clock
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.runtime.identifiers import new_id
from services.scheduler.domain.course import Course
from services.scheduler.domain.course_change import ChangeKind
from services.scheduler.domain.review import Assessment, CourseReview, ReviewDecision, Signature, reason_needed
from services.scheduler.errors import SignInNotRecentError
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.course_changes import cancel_open_sessions, complete, locked_running, note

COURSE_ENDED = "course ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCourse:
    """A supervisor's decision on a course as they read it. `reason` is empty where none was given."""

    course_id: UUID
    etag: str
    decision: ReviewDecision
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clock that records go by, and the one that security goes by."""

    records: Clock
    security: Clock


async def review_course(command: ReviewCourse, unit: UnitOfWork, clocks: Clocks) -> tuple[CourseReview, Course]:
    """Record a signed review: the course goes on up to the next, or it ends and its open sessions are cancelled.

    Raises:
        NotFoundError: the course is not known.
        SignInNotRecentError: the signer proved who they are too long ago.
        StaleEtagError: the course was changed since it was read.
        WrongStateError: it is not running.
        InvalidArgumentError: the name is not the signer's, or a reason is missing that this review needs.
    """
    signature = command.signature
    if not signature.is_recent(clocks.security.now()):
        raise SignInNotRecentError
    course = await locked_running(command.course_id, command.etag, unit)
    _check_text(command, course)
    review = CourseReview(
        review_id=new_id(),
        course_id=course.course_id,
        decision=command.decision,
        reason=command.reason,
        reviewer=signature.signer,
        sign_time=clocks.records.now(),
        auth_time=signature.auth_time,
        session_count=course.taken_count,
        scores=course.scores,
    )
    await unit.course_records.add_review(review)
    if command.decision is ReviewDecision.CONTINUE:
        await unit.courses.save(course.continued())
    else:
        await _stop(course, review, unit, clocks.records)
    return review, await unit.courses.get(course.course_id)


def _check_text(command: ReviewCourse, course: Course) -> None:
    faults = []
    if not command.signature.is_own_name:
        faults.append(FieldViolation("signed_name", "write your printed name exactly as your token has it"))
    if not command.reason and (needed := reason_needed(command.decision, course.scores)):
        faults.append(FieldViolation("reason", needed))
    if faults:
        raise InvalidArgumentError(faults)


async def _stop(course: Course, review: CourseReview, unit: UnitOfWork, clock: Clock) -> None:
    await cancel_open_sessions(course, COURSE_ENDED, unit, clock)
    completed = await complete(course, unit)
    await note(
        ChangeKind.COMPLETED, completed, unit, clock, review.reviewer, reason=review.reason, review_id=review.review_id
    )


async def tell_if_due(course: Course, unit: UnitOfWork) -> bool:
    """Tell of a review that is due, once for each; the patient of the course is locked.

    Returns:
        Whether it was told now.
    """
    if course.review_told or not course.review_due:
        return False
    await unit.courses.save(course.told())
    await unit.events.course_review_due(course, await unit.courses.clinic_of_last_session(course.course_id))
    return True


async def flag_review(course_id: UUID, unit: UnitOfWork) -> bool:
    """Look at a course again, under its patient's lock, and tell of its review where that is due and was not told.

    Raises:
        NotFoundError: the course is not known.
    """
    return await tell_if_due(await unit.courses.lock(course_id), unit)


async def record_assessment(assessment: Assessment, unit: UnitOfWork) -> None:
    """Keep a score that the dose log reports; of its versions the newest stands, in whatever order they come.

    Raises:
        NotFoundError: the session is not known.
    """
    session = await unit.sessions.get(assessment.session_id)
    await unit.course_records.put_assessment(assessment, session)
