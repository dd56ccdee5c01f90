"""Sessions of a practitioner who leaves, in PostgreSQL."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.ports.availability import Supervised
from services.scheduler.storage import tables
from services.scheduler.storage.tables import table_of

_SESSION = table_of(tables.Session)
_SUPERVISION = table_of(tables.Supervision)

_TO_COME = text(
    "(session.state in ('booked', 'held') or session.state in ('checked_in', 'in_progress') "
    "and supervision.end_time > :now)"
)


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
                _TO_COME.bindparams(now=now),
                _SESSION.c.local_date > day,
                _SESSION.c.end_time > now,
            )
            .distinct()
        )
        return tuple(sorted(Supervised(*row) for row in await self._connection.execute(statement)))
