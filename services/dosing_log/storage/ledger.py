"""Putting events into the ledger: row, opening and pending entry in one statement."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, Row, Select, and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.domain.canonical import Json
from services.dosing_log.domain.records import Receipt
from services.dosing_log.ledger.commitment import canonical_record, commitment, ledger_entry, new_salt
from services.dosing_log.ledger.tables import open_log
from services.dosing_log.storage.tables import LEDGER, OPENING
from services.runtime.identifiers import new_id


class OpenLogs:
    """Remembers in a process which organizations have a log, so that not every event asks."""

    def __init__(self, origin_prefix: str) -> None:
        self._origin_prefix = origin_prefix
        self._open: set[UUID] = set()

    async def ensure(self, connection: AsyncConnection, organization_id: UUID) -> None:
        """Open the organization's log unless it is known to be open."""
        if organization_id in self._open:
            return
        found = select(LEDGER.log.c.organization_id).filter_by(organization_id=organization_id)
        if (await connection.execute(found)).first() is not None:
            self._open.add(organization_id)  # committed by another transaction, so it stays
            return
        await open_log(connection, LEDGER, organization_id=organization_id, origin_prefix=self._origin_prefix)


class LedgerWriter:
    """The ledger of one organization, within one transaction."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID, logs: OpenLogs) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._logs = logs

    async def append(self, event: Mapping[str, Json], row: Insert, signatures: Sequence[bytes] = ()) -> Receipt:
        """Commit to an event, queue its entry, and insert its row, all in one statement.

        Args:
            event: what is committed to; the organization is added.
            row: the insert of the event's own row, without organization and event id.
            signatures: what the entry covers beside the event.
        """
        await self._logs.ensure(self._connection, self._organization_id)
        owned = {**event, "organization_id": str(self._organization_id)}
        record, salt, event_id = canonical_record(owned), new_salt(), new_id()
        receipt = Receipt(event_id, commitment(record, salt))
        opening = insert(OPENING).values(
            organization_id=self._organization_id,
            event_id=event_id,
            record=record,
            salt=salt,
            commitment=receipt.commitment,
            signatures=list(signatures),
        )
        pending = insert(LEDGER.pending).values(
            organization_id=self._organization_id, event_id=event_id, entry=ledger_entry(record, salt, signatures)
        )
        owned_row = row.values(organization_id=self._organization_id, event_id=event_id)
        await self._connection.execute(owned_row.add_cte(opening.cte("opening"), pending.cte("pending")))
        return receipt


RECEIPT_COLUMNS = (OPENING.c.event_id, OPENING.c.record, OPENING.c.commitment, LEDGER.entry.c.idx)


def with_receipt(statement: Select[Any], table: Any) -> Select[Any]:
    """Join the rows of a table with their openings and, once sequenced, their indices."""
    entry = LEDGER.entry
    return (
        statement.join(OPENING, OPENING.c.event_id == table.c.event_id)
        .outerjoin(
            entry, and_(entry.c.organization_id == table.c.organization_id, entry.c.event_id == table.c.event_id)
        )
        .add_columns(*RECEIPT_COLUMNS)
    )


def receipt_of(row: Row[Any]) -> Receipt:
    """Return the receipt of a joined row."""
    return Receipt(row.event_id, row.commitment, row.idx)
