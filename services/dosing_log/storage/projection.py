"""What the scheduler told: kept as it stands now, and no evidence of anything."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.domain.canonical import from_json, object_to_json
from services.dosing_log.domain.protocols import Protocol
from services.dosing_log.domain.sessions import Course, Session
from services.dosing_log.storage.tables import COURSE, PROTOCOL, SESSION


class StoredProjection:
    """The projection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def session(self, session_id: UUID) -> Session | None:
        """Return a session."""
        row = await self._row(SESSION, session_id=session_id)
        if row is None:
            return None
        return Session(**{**_values(row), "supervisor_subjects": tuple(row.supervisor_subjects)})

    async def course(self, course_id: UUID) -> Course | None:
        """Return a course."""
        row = await self._row(COURSE, course_id=course_id)
        if row is None:
            return None
        return Course(**{**_values(row), "contraindications": tuple(row.contraindications)})

    async def protocol(self, protocol_id: UUID) -> Protocol | None:
        """Return a protocol version."""
        row = await self._row(PROTOCOL, protocol_id=protocol_id)
        return from_json(Protocol, row.content) if row else None

    async def put_session(self, session: Session) -> None:
        """Keep a session as it stands now; one with an older revision changes nothing."""
        values = asdict(session)
        statement = insert(SESSION).values(organization_id=self._organization_id, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["organization_id", "session_id"],
                set_=values,
                where=SESSION.c.revision <= session.revision,
            )
        )

    async def put_course(self, course: Course) -> None:
        """Keep a course."""
        values = asdict(course)
        statement = insert(COURSE).values(organization_id=self._organization_id, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["organization_id", "course_id"], set_=values)
        )

    async def put_protocol(self, protocol: Protocol) -> None:
        """Keep a protocol version; one that is kept stays as it is."""
        statement = insert(PROTOCOL).values(
            organization_id=self._organization_id,
            protocol_id=protocol.protocol_id,
            content=object_to_json(protocol),
        )
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def _row(self, table: Table, **key: UUID) -> Row[Any] | None:
        statement = select(table).filter_by(organization_id=self._organization_id, **key)
        return (await self._connection.execute(statement)).one_or_none()


def _values(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._asdict().items() if name != "organization_id"}
