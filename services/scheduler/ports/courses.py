"""What the use cases need of protocols and courses."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.course import Course
from services.scheduler.domain.course_change import CourseChange
from services.scheduler.domain.protocol import Protocol, ProtocolDefinition
from services.scheduler.domain.review import Assessment, CourseReview
from services.scheduler.domain.session import Session
from services.scheduler.ports.paging import Listing, Page


class ProtocolRepository(Port):
    """Protocol versions."""

    async def install(self, definitions: Sequence[ProtocolDefinition], now: datetime) -> list[Protocol]:
        """Store the versions that are not there yet, and return those that were added."""
        ...

    async def versions(self, definitions: Sequence[ProtocolDefinition]) -> list[Protocol]:
        """Return the stored version of each definition, in their order."""
        ...

    async def create(self, definition: ProtocolDefinition, now: datetime) -> Protocol:
        """Store a definition as the next version of its code, whatever version it says, and return it.

        Raises RaceLostError where another was created at the same moment.
        """
        ...

    async def newest(self, code: str) -> Protocol | None:
        """Return the newest version of a code, if there is one."""
        ...

    async def get(self, protocol_id: UUID) -> Protocol:
        """Return a protocol version. Raises NotFoundError."""
        ...

    async def page(self, page: Page, *, code: str = "") -> Listing[Protocol]:
        """Return protocols by code and version."""
        ...


class CourseRepository(Port):
    """Courses."""

    async def get(self, course_id: UUID) -> Course:
        """Return a course. Raises NotFoundError."""
        ...

    async def lock(self, course_id: UUID) -> Course:
        """Return a course, and let nothing else of its patient be scheduled until this unit of work ends."""
        ...

    async def page(self, page: Page, *, patient_id: UUID | None = None) -> Listing[Course]:
        """Return courses, newest first."""
        ...

    async def running(self, patient_ids: Collection[UUID]) -> list[Course]:
        """Return the courses of these patients that are under way."""
        ...

    async def open_course(self, patient_id: UUID, protocol_code: str) -> UUID | None:
        """Return the draft or active course of a patient under a protocol, if there is one."""
        ...

    async def add(self, course: Course) -> None:
        """Store a new course. Raises RaceLostError where another was opened at the same moment."""
        ...

    async def save(self, course: Course) -> None:
        """Store a course that was changed."""
        ...

    async def clinic_of_last_session(self, course_id: UUID) -> UUID:
        """Return the clinic of the newest session that took place."""
        ...

    async def reviews_to_tell(self) -> list[UUID]:
        """Return the courses whose review is due and was not told of."""
        ...


class CourseRecords(Port):
    """What is recorded of courses and never changes, and the scores that the dose log reports."""

    async def add_review(self, review: CourseReview) -> None:
        """Store a signed review. Raises RaceLostError where another was at the same moment."""
        ...

    async def review(self, review_id: UUID) -> CourseReview:
        """Return a review. Raises NotFoundError."""
        ...

    async def newest_review(self, course_id: UUID) -> CourseReview | None:
        """Return the newest review of a course, if there is one."""
        ...

    async def reviews(self, page: Page, *, course_id: UUID) -> Listing[CourseReview]:
        """Return the reviews of a course, newest first."""
        ...

    async def add_change(self, change: CourseChange) -> None:
        """Store what was changed. Raises RaceLostError where something else was at the same moment."""
        ...

    async def changes(self, page: Page, *, course_id: UUID) -> Listing[CourseChange]:
        """Return the changes of a course, newest first."""
        ...

    async def put_assessment(self, assessment: Assessment, session: Session) -> None:
        """Store a score of a session; a version that is not newer than the stored one changes nothing."""
        ...
