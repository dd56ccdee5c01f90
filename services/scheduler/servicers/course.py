"""CourseService."""

from typing import Any

import grpc

from kat.scheduler.v1 import course_pb2
from kat.scheduler.v1.course_pb2_grpc import CourseServiceServicer
from services.runtime.auth import current_caller
from services.runtime.clock import Clock
from services.scheduler.convert import course as convert
from services.scheduler.convert.common import page_of, resource
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.servicers.calls import Calls
from services.scheduler.use_cases import courses

Context = grpc.aio.ServicerContext[Any, Any]


class CourseServicer(CourseServiceServicer):
    """Serves courses."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock

    async def EnrollPatient(  # noqa: N802 - the contract's name
        self, request: course_pb2.EnrollPatientRequest, _context: Context
    ) -> course_pb2.Course:
        """Enrol a patient."""
        command, actor = convert.enroll_patient(request), current_caller().actor

        async def work(unit: UnitOfWork) -> course_pb2.Course:
            return convert.course_message(await courses.enroll_patient(command, unit, self._clock, actor))

        return await self._calls.once(request, course_pb2.Course, work)

    async def ReviewScreening(  # noqa: N802 - the contract's name
        self, request: course_pb2.ReviewScreeningRequest, _context: Context
    ) -> course_pb2.Course:
        """Record a decision on a screening."""
        command, actor = convert.review_screening(request), current_caller().actor

        async def work(unit: UnitOfWork) -> course_pb2.Course:
            return convert.course_message(await courses.review_screening(command, unit, self._clock, actor))

        return await self._calls.once(request, course_pb2.Course, work)

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
