"""Reviews and changes of courses as messages, and what is to be done about a running course out of them."""

from uuid import UUID

from kat.scheduler.v1 import course_pb2
from services.runtime.auth import Caller
from services.runtime.fields import Fields, actor_message, date_message, timestamp
from services.runtime.names import format_name
from services.scheduler.convert.common import next_token
from services.scheduler.convert.course import consent, course_message, score_message
from services.scheduler.domain.course import Consent, Course
from services.scheduler.domain.course_change import CourseChange
from services.scheduler.domain.review import CourseReview, ReviewDecision, Signature
from services.scheduler.ports.paging import Listing
from services.scheduler.use_cases.consents import RenewConsent
from services.scheduler.use_cases.course_changes import (
    CompleteCourse,
    CourseCommand,
    ExtendCourse,
    MoveCourseProtocol,
)
from services.scheduler.use_cases.reviews import ReviewCourse

_MAXIMUM_SESSIONS = 100
_REASON = 2_000
_DECISIONS: dict[int, ReviewDecision] = {
    course_pb2.CourseReview.DECISION_CONTINUE: ReviewDecision.CONTINUE,
    course_pb2.CourseReview.DECISION_STOP: ReviewDecision.STOP,
}


def review_course(request: course_pb2.ReviewCourseRequest, caller: Caller) -> ReviewCourse:
    """Read a review, to be signed by the caller.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = ReviewCourse(
        course_id=fields.name("name", request.name, "courses"),
        etag=fields.text("etag", request.etag, maximum=100),
        decision=fields.enum("decision", request.decision, _DECISIONS),
        reason=fields.text("reason", request.reason, minimum=0, maximum=_REASON),
        signature=Signature(
            signer=caller.actor,
            signed_name=fields.text("signed_name", request.signed_name, maximum=500),
            auth_time=caller.auth_time,
        ),
    )
    fields.check()
    return command


def extend_course(request: course_pb2.ExtendCourseRequest) -> ExtendCourse:
    """Read an extension.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = ExtendCourse(
        course_id=fields.name("name", request.name, "courses"),
        etag=fields.text("etag", request.etag, maximum=100),
        review_id=fields.name("review", request.review, "courseReviews"),
        sessions=fields.integer("sessions", request.sessions, 1, _MAXIMUM_SESSIONS),
    )
    fields.check()
    return command


def pause_course(request: course_pb2.PauseCourseRequest) -> CourseCommand:
    """Read a pause.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = CourseCommand(
        fields.name("name", request.name, "courses"),
        fields.text("etag", request.etag, maximum=100),
        fields.text("reason", request.reason, maximum=_REASON),
    )
    fields.check()
    return command


def resume_course(request: course_pb2.ResumeCourseRequest) -> CourseCommand:
    """Read the end of a pause.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = CourseCommand(
        fields.name("name", request.name, "courses"), fields.text("etag", request.etag, maximum=100)
    )
    fields.check()
    return command


def complete_course(request: course_pb2.CompleteCourseRequest) -> CompleteCourse:
    """Read the end of a course.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = CompleteCourse(
        fields.name("name", request.name, "courses"),
        fields.text("etag", request.etag, maximum=100),
        fields.text("reason", request.reason, minimum=0, maximum=_REASON),
        request.cancel_sessions,
    )
    fields.check()
    return command


def move_course_protocol(request: course_pb2.MoveCourseProtocolRequest) -> MoveCourseProtocol:
    """Read a move to another version.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = MoveCourseProtocol(
        course_id=fields.name("name", request.name, "courses"),
        etag=fields.text("etag", request.etag, maximum=100),
        protocol_id=fields.name("protocol", request.protocol, "protocols"),
    )
    fields.check()
    return command


def renew_consent(request: course_pb2.RenewConsentRequest) -> RenewConsent:
    """Read a renewed consent.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = RenewConsent(
        course_id=fields.name("name", request.name, "courses"),
        etag=fields.text("etag", request.etag, maximum=100),
        consent=consent(fields, "", request),
    )
    fields.check()
    return command


def of_course(request: course_pb2.ListCourseReviewsRequest | course_pb2.ListCourseChangesRequest) -> UUID:
    """Read of which course a list is.

    Raises:
        InvalidArgumentError: it is not a course's name.
    """
    fields = Fields()
    course_id = fields.name("course", request.course, "courses")
    fields.check()
    return course_id


def review_message(review: CourseReview) -> course_pb2.CourseReview:
    """Return a review."""
    return course_pb2.CourseReview(
        name=format_name("courseReviews", review.review_id),
        course=format_name("courses", review.course_id),
        decision=course_pb2.CourseReview.Decision.Value(f"DECISION_{review.decision.name}"),
        reason=review.reason,
        reviewer=actor_message(review.reviewer),
        meaning=course_pb2.CourseReview.MEANING_REVIEWED,
        sign_time=timestamp(review.sign_time),
        auth_time=timestamp(review.auth_time),
        session_count=review.session_count,
        scores=[score_message(score) for score in review.scores],
    )


def reviewed_message(reviewed: tuple[CourseReview, Course]) -> course_pb2.ReviewCourseResponse:
    """Return a review with the course after it."""
    review, course = reviewed
    return course_pb2.ReviewCourseResponse(review=review_message(review), course=course_message(course))


def reviews_message(
    request: course_pb2.ListCourseReviewsRequest, listing: Listing[CourseReview]
) -> course_pb2.ListCourseReviewsResponse:
    """Return a page of reviews."""
    return course_pb2.ListCourseReviewsResponse(
        reviews=[review_message(review) for review in listing.items], next_page_token=next_token(request, listing)
    )


def changes_message(
    request: course_pb2.ListCourseChangesRequest, listing: Listing[CourseChange]
) -> course_pb2.ListCourseChangesResponse:
    """Return a page of changes."""
    return course_pb2.ListCourseChangesResponse(
        changes=[_change_message(change) for change in listing.items], next_page_token=next_token(request, listing)
    )


def _change_message(change: CourseChange) -> course_pb2.CourseChange:
    renewal = change.renewal
    return course_pb2.CourseChange(
        name=format_name("courseChanges", change.change_id),
        course=format_name("courses", change.course_id),
        kind=course_pb2.CourseChange.Kind.Value(f"KIND_{change.kind.name}"),
        actor=actor_message(change.actor),
        reason=change.reason,
        change_time=timestamp(change.change_time),
        protocol=format_name("protocols", change.protocol_id),
        session_cap=change.session_cap,
        review=format_name("courseReviews", change.review_id) if change.review_id else "",
        consent=_consent_message(renewal.consent) if renewal else None,
        previous_consent=_consent_message(renewal.previous) if renewal else None,
    )


def _consent_message(consent: Consent) -> course_pb2.Consent:
    return course_pb2.Consent(reference=consent.reference, expire_date=date_message(consent.expire_date))
