"""Reading the ledger back."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.domain.evidence import Entry, Opening, SignedCheckpoint
from services.dosing_log.storage.tables import LEDGER, OPENING


class StoredEvidence:
    """The ledger of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID) -> None:
        self._connection = connection
        self._organization_id = organization_id

    async def checkpoint(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint."""
        checkpoint, log = LEDGER.checkpoint.c, LEDGER.log.c
        statement = (
            select(checkpoint.note, log.origin, checkpoint.size, checkpoint.signed_at)
            .join(LEDGER.log, log.organization_id == checkpoint.organization_id)
            .where(checkpoint.organization_id == self._organization_id)
            .order_by(checkpoint.size.desc())
            .limit(1)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return SignedCheckpoint(row.note, row.origin, row.size, row.signed_at) if row else None

    async def entries(self, *, start: int, limit: int) -> Sequence[Entry]:
        """Return entries by index."""
        entry = LEDGER.entry.c
        statement = (
            select(entry.idx, entry.entry, entry.event_id)
            .where(entry.organization_id == self._organization_id, entry.idx >= start)
            .order_by(entry.idx)
            .limit(limit)
        )
        return [Entry(row.idx, row.entry, row.event_id) for row in await self._connection.execute(statement)]

    async def opening(self, event_id: UUID) -> Opening | None:
        """Return what opens an entry."""
        statement = select(OPENING).filter_by(organization_id=self._organization_id, event_id=event_id)
        row = (await self._connection.execute(statement)).one_or_none()
        return Opening(row.event_id, row.record, row.salt, tuple(row.signatures)) if row else None
