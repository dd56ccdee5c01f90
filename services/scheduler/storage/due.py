"""What is due in an organization, in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.ports.due import Due, DueOffers

# One look for all that a job does: every replica takes it every few seconds in every organization.
_DUE = text(
    """
    (select 'lapsed_holds' as kind, session_id as subject from session
     where state = 'held' and hold_expire_time <= :now order by hold_expire_time limit :at_once)
    union all
    (select 'missed_sessions', session_id from session
     where state = 'booked' and start_time <= :started_before order by start_time limit :at_once)
    """
)
_DUE_OFFERS = text(
    """
    (select 'ended_offers' as kind, waitlist_entry_id as subject from waitlist_entry w
     where state = 'offered'
       and (offer_expire_time <= :now or not exists (
            select from session s where s.organization_id = w.organization_id
              and s.session_id = w.offered_session_id and s.state = 'held'))
     limit :at_once)
    union all
    (select 'vacant_clinics', clinic_id from vacancy group by clinic_id order by min(start_time), clinic_id
     limit :clinics)
    """
)
_AT_ONCE = 200


class PostgresDue:
    """`DueRepository` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, now: datetime, *, started_before: datetime) -> Due:
        """See the port."""
        return Due(**await self._by_kind(_DUE, now=now, started_before=started_before))

    async def find_offers(self, now: datetime, *, clinics: int) -> DueOffers:
        """See the port."""
        return DueOffers(**await self._by_kind(_DUE_OFFERS, now=now, clinics=clinics))

    async def _by_kind(self, statement: TextClause, **asked: object) -> dict[str, list[UUID]]:
        found: dict[str, list[UUID]] = {}
        for row in await self._connection.execute(statement, {**asked, "at_once": _AT_ONCE}):
            found.setdefault(row.kind, []).append(row.subject)
        return found
