"""One organization's storage inside one transaction, opened for whoever needs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.ports import UnitOfWork
from services.notifications.storage.contact_cipher import ContactCipher
from services.notifications.storage.unit import StoredUnit
from services.notifications.storage.work import WorkQueue
from services.runtime.database import Database


class Units:
    """Opens units of work on the service's database."""

    def __init__(self, database: Database, *, cipher: ContactCipher, queue: WorkQueue) -> None:
        self._database = database
        self._cipher = cipher
        self._queue = queue

    def on(self, connection: AsyncConnection, organization_id: UUID) -> UnitOfWork:
        """Return the unit of work of a transaction that is open."""
        return StoredUnit(connection, organization_id, cipher=self._cipher, queue=self._queue)

    @asynccontextmanager
    async def transaction(self, organization_id: UUID) -> AsyncIterator[UnitOfWork]:
        """Open a transaction; commit on success, roll back on any error."""
        async with self._database.transaction(organization_id) as connection:
            yield self.on(connection, organization_id)
