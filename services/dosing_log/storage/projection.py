"""What the scheduler told: kept as it stands now, and no evidence of anything."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Table, and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.domain.canonical import from_json, object_to_json
from services.dosing_log.domain.protocols import Protocol
from services.dosing_log.domain.sessions import Course, Planned, Session
from services.dosing_log.storage.tables import COURSE, PROTOCOL, SESSION


class StoredProjection:
    """The projection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def session(self, session_id: UUID) -> Session | None:
        """Return a session."""
        statement = select(SESSION).filter_by(organization_id=self._organization_id, session_id=session_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return _session(row._asdict()) if row else None

    async def planned(self, session_id: UUID) -> Planned | None:
        """Return a session with its course and protocol."""
        session, course, protocol = SESSION.c, COURSE.c, PROTOCOL.c
        ours = session.organization_id
        statement = (
            select(SESSION, *_prefixed(COURSE), protocol.content)
            .outerjoin(COURSE, and_(course.organization_id == ours, course.course_id == session.course_id))
            .outerjoin(PROTOCOL, and_(protocol.organization_id == ours, protocol.protocol_id == session.protocol_id))
            .where(ours == self._organization_id, session.session_id == session_id)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return None
        values = row._asdict()
        return Planned(
            _session({column.name: values[column.name] for column in SESSION.c}),
            _course({column.name: values[f"course__{column.name}"] for column in COURSE.c}),
            from_json(Protocol, row.content) if row.content else None,
        )

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


def _prefixed(table: Table) -> list[Any]:
    return [column.label(f"course__{column.name}") for column in table.c]


def _session(values: dict[str, Any]) -> Session:
    del values["organization_id"]
    return Session(**{**values, "supervisor_subjects": tuple(values["supervisor_subjects"])})


def _course(values: dict[str, Any]) -> Course | None:
    if values.pop("organization_id") is None:
        return None
    return Course(**{**values, "contraindications": tuple(values["contraindications"])})
