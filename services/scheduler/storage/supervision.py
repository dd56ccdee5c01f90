"""Who supervises when, in which lane, in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import column, delete, update, values
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.booking import Assignment
from services.scheduler.domain.interval import Interval
from services.scheduler.storage import tables
from services.scheduler.storage.statements import contested
from services.scheduler.storage.tables import table_of

_SUPERVISION = table_of(tables.Supervision)

PROMISES = frozenset({"supervision_ratio", "supervision_qualified"})
"""Constraints that refuse what was free a moment ago."""


class SupervisionTable:
    """The supervision of sessions on one connection of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def add(self, session_id: UUID, interval: Interval, assignment: Assignment) -> None:
        """Let a clinician supervise a session for an interval. Raises RaceLostError where a constraint refuses it."""
        await self.deal(assignment)
        statement = insert(_SUPERVISION).values(
            organization_id=self._organization_id,
            session_id=session_id,
            practitioner_id=assignment.practitioner_id,
            lane=assignment.placement.lane,
            start_time=interval.start,
            end_time=interval.end,
            live=True,
        )
        await contested(self._connection, statement, PROMISES)

    async def reassign(self, session_id: UUID, start_time: datetime, assignment: Assignment) -> None:
        """Give the period that begins then to another clinician. Raises RaceLostError where a constraint refuses it."""
        await self.deal(assignment)
        period = (_SUPERVISION.c.session_id == session_id, _SUPERVISION.c.start_time == start_time)
        given = {"practitioner_id": assignment.practitioner_id, "lane": assignment.placement.lane}
        await contested(self._connection, update(_SUPERVISION).where(*period).values(given), PROMISES)

    async def end(self, session_id: UUID, since: datetime) -> None:
        """Let nobody supervise a session from an instant on."""
        of_session = _SUPERVISION.c.session_id == session_id
        await self._connection.execute(delete(_SUPERVISION).where(of_session, _SUPERVISION.c.start_time >= since))
        cut = update(_SUPERVISION).where(of_session, _SUPERVISION.c.end_time > since)
        await self._connection.execute(cut.values(end_time=since))

    async def clear(self, session_id: UUID) -> None:
        """Let nobody supervise a session."""
        await self._connection.execute(delete(_SUPERVISION).where(_SUPERVISION.c.session_id == session_id))

    async def deal(self, assignment: Assignment) -> None:
        """Move periods of a supervisor to other lanes so that a further one fits in.

        One statement does it, since lanes may be exchanged. Raises RaceLostError where a constraint refuses it.
        """
        dealt = assignment.placement.moves
        if not dealt:
            return
        columns = [column(name, _SUPERVISION.c[name].type) for name in ("session_id", "start_time", "lane")]
        given = values(*columns, name="given").data([(one.session_id, one.interval.start, one.lane) for one in dealt])
        statement = (
            update(_SUPERVISION)
            .where(
                _SUPERVISION.c.session_id == given.c.session_id,
                _SUPERVISION.c.start_time == given.c.start_time,
                _SUPERVISION.c.practitioner_id == assignment.practitioner_id,
            )
            .values(lane=given.c.lane)
        )
        await contested(self._connection, statement, PROMISES)
