"""What is due in any organization: ids alone, which its own transaction then looks at again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, func, or_, select

from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.scheduler.domain.session import SessionState
from services.scheduler.domain.waitlist import WaitlistState
from services.scheduler.storage import tables
from services.scheduler.storage.tables import table_of

AT_ONCE = 200
"""How much of one kind is done in one go; the rest at the next."""

_SESSION = table_of(tables.Session)
_ENTRY = table_of(tables.WaitlistEntry)
_VACANCY = table_of(tables.Vacancy)

Due = Sequence[tuple[UUID, UUID]]
"""(organization, what is due in it)."""


class DueWork:
    """Looks for what is due, in the scope of a worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lapsed_holds(self, now: datetime) -> Due:
        """Return sessions that are held for too long."""
        held = (_SESSION.c.state == SessionState.HELD, _SESSION.c.hold_expire_time <= now)
        return await self._find(
            select(_SESSION.c.organization_id, _SESSION.c.session_id)
            .where(*held)
            .order_by(_SESSION.c.hold_expire_time)
            .limit(AT_ONCE)
        )

    async def missed_sessions(self, started_before: datetime) -> Due:
        """Return sessions to which nobody came, that began until then."""
        booked = (_SESSION.c.state == SessionState.BOOKED, _SESSION.c.start_time <= started_before)
        return await self._find(
            select(_SESSION.c.organization_id, _SESSION.c.session_id)
            .where(*booked)
            .order_by(_SESSION.c.start_time)
            .limit(AT_ONCE)
        )

    async def ended_offers(self, now: datetime) -> Due:
        """Return waiting-list entries whose offer has expired, or whose offered session is not held any more."""
        held = exists().where(
            _SESSION.c.organization_id == _ENTRY.c.organization_id,
            _SESSION.c.session_id == _ENTRY.c.offered_session_id,
            _SESSION.c.state == SessionState.HELD,
        )
        offered = _ENTRY.c.state == WaitlistState.OFFERED
        return await self._find(
            select(_ENTRY.c.organization_id, _ENTRY.c.waitlist_entry_id)
            .where(offered, or_(_ENTRY.c.offer_expire_time <= now, ~held))
            .limit(AT_ONCE)
        )

    async def clinics_with_vacancies(self) -> Due:
        """Return clinics at which a place became free while somebody waits."""
        return await self._find(select(_VACANCY.c.organization_id, _VACANCY.c.clinic_id).distinct().limit(AT_ONCE))

    async def clinics_with_waiting(self) -> Due:
        """Return clinics at which somebody waits."""
        clinics = select(_ENTRY.c.organization_id, func.unnest(_ENTRY.c.clinic_ids))
        return await self._find(clinics.where(_ENTRY.c.state == WaitlistState.WAITING).distinct())

    async def _find(self, statement: Select[Any]) -> Due:
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            return [(row[0], row[1]) for row in await connection.execute(statement)]
