"""Access records."""

from collections.abc import Sequence
from uuid import UUID

import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.domain.access import Access
from services.dosing_log.domain.canonical import from_json, object_to_json
from services.dosing_log.domain.records import Receipt
from services.dosing_log.storage.ledger import LedgerWriter, receipt_of, with_receipt
from services.dosing_log.storage.tables import ACCESS_RECORD


class StoredAccessLog:
    """The access records of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID, ledger: LedgerWriter) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._ledger = ledger

    async def add(self, access: Access) -> None:
        """Add an access."""
        row = insert(ACCESS_RECORD).values(access_id=access.access_id, patient_id=access.patient_id)
        await self._ledger.append({"type": "access", **object_to_json(access)}, row)

    async def newest(
        self, *, patient_id: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[tuple[Access, Receipt]]:
        """Return accesses, the newest first, beginning before one."""
        access = ACCESS_RECORD.c
        statement = with_receipt(select(access.access_id), ACCESS_RECORD).where(
            access.organization_id == self._organization_id
        )
        if patient_id is not None:
            statement = statement.where(access.patient_id == patient_id)
        if before is not None:
            statement = statement.where(access.access_id < before)
        rows = await self._connection.execute(statement.order_by(access.access_id.desc()).limit(limit))
        return [(from_json(Access, orjson.loads(row.record)), receipt_of(row)) for row in rows]
