"""CourseService."""

from typing import Any

import grpc

from kat.scheduler.v1 import course_pb2
from kat.scheduler.v1.course_pb2_grpc import CourseServiceServicer
from services.runtime.auth import current_caller
from services.runtime.clock import Clock
from services.scheduler.convert import course as convert
from services.scheduler.convert import review as convert_review
from services.scheduler.convert.common import page_of, resource
from services.scheduler.servicers.calls import Calls
from services.scheduler.use_cases import consents, course_changes, courses, reviews

Context = grpc.aio.ServicerContext[Any, Any]


class CourseServicer(CourseServiceServicer):
    """Serves courses. `security` is the clock that a signer's last sign-in is judged by."""

    def __init__(self, calls: Calls, clock: Clock, security: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self._security = security

    async def EnrollPatient(  # noqa: N802 - the contract's name
        self, request: course_pb2.EnrollPatientRequest, _context: Context
    ) -> course_pb2.Course:
        """Enrol a patient."""
        command, actor = convert.enroll_patient(request), current_caller().actor
        return await self._calls.write(
            request,
            course_pb2.Course,
            lambda unit: courses.enroll_patient(command, unit, self._clock, actor),
            convert.course_message,
        )

    async def ReviewScreening(  # noqa: N802 - the contract's name
        self, request: course_pb2.ReviewScreeningRequest, _context: Context
    ) -> course_pb2.Course:
        """Record a decision on a screening."""
        command, actor = convert.review_screening(request), current_caller().actor
        return await self._calls.write(
            request,
            course_pb2.Course,
            lambda unit: courses.review_screening(command, unit, self._clock, actor),
            convert.course_message,
        )

    async def GetCourse(self, request: course_pb2.GetCourseRequest, _context: Context) -> course_pb2.Course:  # noqa: N802 - the contract's name
        """Return one course."""
        async with self._calls.reading() as unit:
            return convert.course_message(await unit.courses.get(resource(request.name, "courses")))

    async def ListCourses(  # noqa: N802 - the contract's name
        self, request: course_pb2.ListCoursesRequest, _context: Context
    ) -> course_pb2.ListCoursesResponse:
        """List courses."""
        patient_id, page = convert.patient_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            return convert.courses_message(request, await unit.courses.page(page, patient_id=patient_id))

    async def ReviewCourse(  # noqa: N802 - the contract's name
        self, request: course_pb2.ReviewCourseRequest, _context: Context
    ) -> course_pb2.ReviewCourseResponse:
        """Record a signed review."""
        command = convert_review.review_course(request, current_caller())
        clocks = reviews.Clocks(self._clock, self._security)
        return await self._calls.write(
            request,
            course_pb2.ReviewCourseResponse,
            lambda unit: reviews.review_course(command, unit, clocks),
            convert_review.reviewed_message,
        )

    async def GetCourseReview(  # noqa: N802 - the contract's name
        self, request: course_pb2.GetCourseReviewRequest, _context: Context
    ) -> course_pb2.CourseReview:
        """Return one review."""
        async with self._calls.reading() as unit:
            return convert_review.review_message(
                await unit.course_records.review(resource(request.name, "courseReviews"))
            )

    async def ListCourseReviews(  # noqa: N802 - the contract's name
        self, request: course_pb2.ListCourseReviewsRequest, _context: Context
    ) -> course_pb2.ListCourseReviewsResponse:
        """List the reviews of a course."""
        course_id, page = convert_review.of_course(request), page_of(request)
        async with self._calls.reading() as unit:
            await unit.courses.get(course_id)
            found = await unit.course_records.reviews(page, course_id=course_id)
            return convert_review.reviews_message(request, found)

    async def ExtendCourse(  # noqa: N802 - the contract's name
        self, request: course_pb2.ExtendCourseRequest, _context: Context
    ) -> course_pb2.Course:
        """Let a course hold more sessions."""
        command, actor = convert_review.extend_course(request), current_caller().actor
        return await self._calls.write(
            request,
            course_pb2.Course,
            lambda unit: course_changes.extend_course(command, unit, self._clock, actor),
            convert.course_message,
        )

    async def RenewConsent(  # noqa: N802 - the contract's name
        self, request: course_pb2.RenewConsentRequest, _context: Context
    ) -> course_pb2.Course:
        """Renew the consent of a course."""
        command, actor = convert_review.renew_consent(request), current_caller().actor
        return await self._calls.write(
            request,
            course_pb2.Course,
            lambda unit: consents.renew_consent(command, unit, self._clock, actor),
            convert.course_message,
        )

    async def PauseCourse(  # noqa: N802 - the contract's name
        self, request: course_pb2.PauseCourseRequest, _context: Context
    ) -> course_pb2.Course:
        """Pause a course."""
        command, actor = convert_review.pause_course(request), current_caller().actor
        return await self._calls.write(
            request,
            course_pb2.Course,
            lambda unit: course_changes.pause_course(command, unit, self._clock, actor),
            convert.course_message,
        )

    async def ResumeCourse(  # noqa: N802 - the contract's name
        self, request: course_pb2.ResumeCourseRequest, _context: Context
    ) -> course_pb2.Course:
        """Resume a course."""
        command, actor = convert_review.resume_course(request), current_caller().actor
        return await self._calls.write(
            request,
            course_pb2.Course,
            lambda unit: course_changes.resume_course(command, unit, self._clock, actor),
            convert.course_message,
        )

    async def CompleteCourse(  # noqa: N802 - the contract's name
        self, request: course_pb2.CompleteCourseRequest, _context: Context
    ) -> course_pb2.Course:
        """End a course."""
        command, actor = convert_review.complete_course(request), current_caller().actor
        return await self._calls.write(
            request,
            course_pb2.Course,
            lambda unit: course_changes.complete_course(command, unit, self._clock, actor),
            convert.course_message,
        )

    async def MoveCourseProtocol(  # noqa: N802 - the contract's name
        self, request: course_pb2.MoveCourseProtocolRequest, _context: Context
    ) -> course_pb2.Course:
        """Move a course to another version of its protocol."""
        command, actor = convert_review.move_course_protocol(request), current_caller().actor
        return await self._calls.write(
            request,
            course_pb2.Course,
            lambda unit: course_changes.move_course_protocol(command, unit, self._clock, actor),
            convert.course_message,
        )

    async def ListCourseChanges(  # noqa: N802 - the contract's name
        self, request: course_pb2.ListCourseChangesRequest, _context: Context
    ) -> course_pb2.ListCourseChangesResponse:
        """List the changes of a course."""
        course_id, page = convert_review.of_course(request), page_of(request)
        async with self._calls.reading() as unit:
            await unit.courses.get(course_id)
            found = await unit.course_records.changes(page, course_id=course_id)
            return convert_review.changes_message(request, found)
