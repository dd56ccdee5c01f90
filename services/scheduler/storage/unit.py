"""One unit of work: every repository on the same connection, and the events in its transaction."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.ports.events import Events
from services.scheduler.storage.changes import PostgresChanges
from services.scheduler.storage.courses import PostgresCourses
from services.scheduler.storage.protocols import PostgresProtocols
from services.scheduler.storage.roster import PostgresRoster
from services.scheduler.storage.sessions import PostgresSessions
from services.scheduler.storage.slots import PostgresSlots


class PostgresUnit:
    """`UnitOfWork` on a connection inside a transaction of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID, events: Events) -> None:
        self.roster = PostgresRoster(connection, organization_id)
        self.protocols = PostgresProtocols(connection, organization_id)
        self.courses = PostgresCourses(connection, organization_id)
        self.sessions = PostgresSessions(connection, organization_id)
        self.changes = PostgresChanges(connection, organization_id)
        self.slots = PostgresSlots(connection)
        self.events = events
