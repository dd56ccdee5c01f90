"""What runs at intervals. Each job is safe on every replica at once and finds after an outage what was left."""

from uuid import UUID

from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.runtime.errors import DomainError
from services.scheduler.servicers.calls import UnitMaker
from services.scheduler.storage.courses import organizations
from services.scheduler.use_cases.reviews import flag_review

REVIEWS_EVERY_SECONDS = 30.0


class CourseJobs:
    """The jobs around courses.

    Args:
        unit: makes the unit of work of a connection inside a transaction of an organization.
    """

    def __init__(self, database: Database, unit: UnitMaker) -> None:
        self._database = database
        self._unit = unit

    async def flag_reviews_due(self) -> int:
        """Tell of every review that is due and that nobody was told of; return of how many.

        The session after which it is due tells of it at once; this is the net under that.
        """
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            known = await organizations(connection)
        return sum([await self._flag_in(organization_id) for organization_id in known])

    async def _flag_in(self, organization_id: UUID) -> int:
        async with self._database.transaction(organization_id) as connection:
            due = await self._unit(connection, organization_id).courses.reviews_to_tell()
        return sum([await self._flag(course_id, organization_id) for course_id in due])

    async def _flag(self, course_id: UUID, organization_id: UUID) -> bool:
        try:
            async with self._database.transaction(organization_id) as connection:
                return await flag_review(course_id, self._unit(connection, organization_id))
        except DomainError:  # somebody else works on the patient; the next run looks again
            return False
