"""What is due in an organization, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.ports.due import Due

# One look for all kinds: every replica takes it every few seconds in every organization.
_DUE = text(
    """
    (select 'lapsed_holds' as kind, session_id as subject from session
     where state = 'held' and hold_expire_time <= :now order by hold_expire_time limit :at_once)
    union all
    (select 'missed_sessions', session_id from session
     where state = 'booked' and start_time <= :started_before order by start_time limit :at_once)
    union all
    (select 'ended_offers', waitlist_entry_id from waitlist_entry w
     where state = 'offered'
       and (offer_expire_time <= :now or not exists (
            select from session s where s.organization_id = w.organization_id
              and s.session_id = w.offered_session_id and s.state = 'held'))
     limit :at_once)
    union all
    (select distinct 'vacant_clinics', clinic_id from vacancy limit :at_once)
    """
)
_AT_ONCE = 200
_WAITING = text("select distinct unnest(clinic_ids) from waitlist_entry where state = 'waiting'")


class PostgresDue:
    """`DueRepository` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, now: datetime, *, started_before: datetime) -> Due:
        """See the port."""
        asked = {"now": now, "started_before": started_before, "at_once": _AT_ONCE}
        found: dict[str, list[UUID]] = {}
        for row in await self._connection.execute(_DUE, asked):
            found.setdefault(row.kind, []).append(row.subject)
        return Due(**found)

    async def waiting_clinics(self) -> Sequence[UUID]:
        """See the port."""
        return (await self._connection.execute(_WAITING)).scalars().all()
