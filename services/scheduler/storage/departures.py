"""Sessions of a practitioner who leaves, in PostgreSQL."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import column, select, text, update, values
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.booking import Assignment
from services.scheduler.domain.lanes import Occupied
from services.scheduler.domain.session import Session, Supervision
from services.scheduler.ports.availability import Supervised
from services.scheduler.storage import tables
from services.scheduler.storage.statements import contested
from services.scheduler.storage.tables import table_of

_SESSION = table_of(tables.Session)
_SUPERVISION = table_of(tables.Supervision)

_PROMISES = frozenset({"supervision_ratio", "supervision_qualified"})
"""Constraints that refuse a supervisor who was free a moment ago."""

_NOT_BEGUN = text("session.state in ('booked', 'held')")


class PostgresDepartures:
    """`Departures` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def supervised_after(self, practitioner_id: UUID, day: date, now: datetime) -> tuple[Supervised, ...]:
        """See the port."""
        statement = (
            select(_SESSION.c.patient_id, _SESSION.c.session_id, _SESSION.c.clinic_id, _SESSION.c.local_date)
            .join_from(_SESSION, _SUPERVISION, _SESSION.c.session_id == _SUPERVISION.c.session_id)
            .where(
                _SUPERVISION.c.practitioner_id == practitioner_id,
                _SUPERVISION.c.live,
                _NOT_BEGUN,
                _SESSION.c.local_date > day,
                _SESSION.c.end_time > now,
            )
            .distinct()
        )
        return tuple(sorted(Supervised(*row) for row in await self._connection.execute(statement)))

    async def hand_over(self, session: Session, supervision: Supervision, assignment: Assignment) -> None:
        """See the port."""
        own = Occupied(session.session_id, assignment.placement.lane, supervision.interval)
        await self._deal(assignment.practitioner_id, (*assignment.placement.moves, own))
        changed = update(_SESSION).where(_SESSION.c.session_id == session.session_id)
        await self._connection.execute(changed.values(version=session.version, update_time=session.update_time))

    async def _deal(self, practitioner_id: UUID, dealt: Sequence[Occupied]) -> None:
        """Give periods to a supervisor in these lanes, in one statement, since lanes may be exchanged."""
        columns = [column(name, _SUPERVISION.c[name].type) for name in ("session_id", "lane", "start_time")]
        given = values(*columns, name="given").data([(one.session_id, one.lane, one.interval.start) for one in dealt])
        statement = (
            update(_SUPERVISION)
            .where(_SUPERVISION.c.session_id == given.c.session_id, _SUPERVISION.c.start_time == given.c.start_time)
            .values(practitioner_id=practitioner_id, lane=given.c.lane)
        )
        await contested(self._connection, statement, _PROMISES)
