"""One organization's storage inside one transaction."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.storage.contact_cipher import ContactCipher
from services.notifications.storage.notifications import StoredNotifications
from services.notifications.storage.people import StoredRecipients
from services.notifications.storage.sessions import StoredSessions
from services.notifications.storage.staff_tasks import StoredStaffTasks
from services.notifications.storage.work import WorkQueue


class StoredUnit:
    """`ports.UnitOfWork` on PostgreSQL."""

    def __init__(
        self, connection: AsyncConnection, organization_id: UUID, *, cipher: ContactCipher, queue: WorkQueue
    ) -> None:
        self.organization_id = organization_id
        self.recipients = StoredRecipients(connection, organization_id, cipher)
        self.sessions = StoredSessions(connection, organization_id)
        self.notifications = StoredNotifications(connection, organization_id, queue)
        self.staff_tasks = StoredStaffTasks(connection, organization_id)
