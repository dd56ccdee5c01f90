"""What the use cases need of protocols and courses."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.course import Course
from services.scheduler.domain.protocol import Protocol, ProtocolDefinition
from services.scheduler.ports.paging import Listing, Page


class ProtocolRepository(Port):
    """Protocol versions."""

    async def install(self, definitions: Sequence[ProtocolDefinition], now: datetime) -> list[Protocol]:
        """Store the versions that are not there yet, and return those that were added."""
        ...

    async def versions(self, definitions: Sequence[ProtocolDefinition]) -> list[Protocol]:
        """Return the stored version of each definition, in their order."""
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

    async def open_course(self, patient_id: UUID, protocol_code: str) -> UUID | None:
        """Return the draft or active course of a patient under a protocol, if there is one."""
        ...

    async def add(self, course: Course) -> None:
        """Store a new course. Raises RaceLostError where another was opened at the same moment."""
        ...

    async def save_review(self, course: Course) -> None:
        """Store a course whose screening was reviewed."""
        ...
