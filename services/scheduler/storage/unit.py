"""One unit of work: every repository on the same connection, and the events in its transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.ports.events import Events
from services.scheduler.storage.availability import PostgresAvailability
from services.scheduler.storage.calendar_feeds import PostgresCalendarFeeds
from services.scheduler.storage.changes import PostgresChanges
from services.scheduler.storage.course_records import PostgresCourseRecords
from services.scheduler.storage.courses import PostgresCourses
from services.scheduler.storage.departures import PostgresDepartures
from services.scheduler.storage.due import PostgresDue
from services.scheduler.storage.protocols import PostgresProtocols, ProtocolVersions
from services.scheduler.storage.roster import PostgresRoster
from services.scheduler.storage.roster_changes import PostgresRosterChanges
from services.scheduler.storage.sessions import PostgresSessions
from services.scheduler.storage.slots import PostgresSlots
from services.scheduler.storage.stranded import PostgresStrandedSessions
from services.scheduler.storage.waitlist import PostgresWaitlist


class PostgresUnit:
    """`UnitOfWork` on a connection inside a transaction of one organization.

    Args:
        protocols: versions that are not read again.
    """

    def __init__(
        self, connection: AsyncConnection, organization_id: UUID, events: Events, protocols: ProtocolVersions
    ) -> None:
        self._connection = connection
        self.roster = PostgresRoster(connection, organization_id)
        self.protocols = PostgresProtocols(connection, organization_id, protocols)
        self.courses = PostgresCourses(connection, organization_id)
        self.course_records = PostgresCourseRecords(connection, organization_id)
        self.sessions = PostgresSessions(connection, organization_id)
        self.changes = PostgresChanges(connection, organization_id)
        self.slots = PostgresSlots(connection)
        self.due = PostgresDue(connection)
        self.waitlist = PostgresWaitlist(connection, organization_id)
        self.roster_changes = PostgresRosterChanges(connection, organization_id)
        self.availability = PostgresAvailability(connection, organization_id)
        self.stranded = PostgresStrandedSessions(connection)
        self.departures = PostgresDepartures(connection)
        self.calendar_feeds = PostgresCalendarFeeds(connection, organization_id)
        self.events = events

    @asynccontextmanager
    async def rehearsal(self) -> AsyncIterator[None]:
        """See the port."""
        savepoint = await self._connection.begin_nested()
        try:
            yield
        finally:
            await savepoint.rollback()
