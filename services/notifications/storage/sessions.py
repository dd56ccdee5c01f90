"""Sessions at their newest revision."""

from dataclasses import asdict
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.domain.notification import Session, SessionState
from services.notifications.ports import Lock
from services.notifications.storage.queries import locked
from services.notifications.storage.tables import SESSION


class StoredSessions:
    """`ports.Sessions` on PostgreSQL."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def get(self, session_id: UUID, *, lock: Lock = Lock.NONE) -> Session | None:
        """Return a session."""
        asked = locked(select(SESSION).where(SESSION.c.session_id == session_id), lock)
        row = (await self._connection.execute(asked)).one_or_none()
        if row is None:
            return None
        return Session(
            session_id=row.session_id,
            patient_id=row.patient_id,
            clinic_id=row.clinic_id,
            revision=row.revision,
            state=SessionState(row.state),
            start_time=row.start_time,
            end_time=row.end_time,
            time_zone=row.time_zone,
            calendar_uid=row.calendar_uid,
        )

    async def save(self, session: Session) -> None:
        """Add a session or its newer revision."""
        values = asdict(session)
        statement = insert(SESSION).values(organization_id=self._organization_id, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["organization_id", "session_id"],
                set_={name: statement.excluded[name] for name in values},
                where=SESSION.c.revision < statement.excluded.revision,
            )
        )
