"""Lots and their movements."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, Select, and_, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.domain.canonical import from_json, object_to_json
from services.dosing_log.domain.stock import Lot, LotOnHand, Movement
from services.dosing_log.errors import LotExistsError
from services.dosing_log.storage.ledger import LedgerWriter, with_receipt
from services.dosing_log.storage.records import lock
from services.dosing_log.storage.tables import LOT, MOVEMENT
from services.runtime.database import constraint_of


class StoredStock:
    """The stock of one organization."""

    def __init__(self, connection: AsyncConnection, organization_id: UUID, ledger: LedgerWriter) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._ledger = ledger

    async def add_lot(self, lot: Lot, receipt: Movement) -> None:
        """Add a lot with its first movement.

        Raises:
            LotExistsError: the clinic has it.
        """
        row = insert(LOT).values(
            lot_id=lot.lot_id,
            clinic_id=lot.clinic_id,
            product=lot.product,
            lot_number=lot.lot_number,
        )
        try:
            await self._ledger.append({"type": "lot", **object_to_json(lot)}, row)
        except IntegrityError as error:
            if constraint_of(error) == "lot_once":
                raise LotExistsError from error
            raise
        await self.post(receipt)

    async def locked(self, lot_id: UUID) -> LotOnHand | None:
        """Return a lot whose stock no other transaction moves until this one ends."""
        await lock(self._connection, "lots", lot_id)
        return await self.on_hand(lot_id)

    async def on_hand(self, lot_id: UUID) -> LotOnHand | None:
        """Return a lot with its present balance."""
        row = (await self._connection.execute(self._lots().where(LOT.c.lot_id == lot_id))).one_or_none()
        return _on_hand(row) if row else None

    async def post(self, movement: Movement) -> None:
        """Add the next movement of a locked lot."""
        row = insert(MOVEMENT).values(
            lot_id=movement.lot_id,
            sequence_number=movement.sequence_number,
            amount_mg=movement.amount_mg,
            balance_after_mg=movement.balance_after_mg,
            record_id=movement.record_id,
        )
        await self._ledger.append({"type": "movement", **object_to_json(movement)}, row)

    async def posted_by(self, record_id: UUID) -> dict[UUID, Decimal]:
        """Return what the movements of a record sum up to, in mg for each lot."""
        statement = (
            select(MOVEMENT.c.lot_id, func.sum(MOVEMENT.c.amount_mg).label("posted"))
            .filter_by(organization_id=self._organization_id, record_id=record_id)
            .group_by(MOVEMENT.c.lot_id)
        )
        return {row.lot_id: row.posted for row in await self._connection.execute(statement)}

    async def lots(self, *, clinic_id: UUID | None, before: UUID | None, limit: int) -> Sequence[LotOnHand]:
        """Return lots, the newest first, beginning before one."""
        statement = self._lots().order_by(LOT.c.lot_id.desc()).limit(limit)
        if clinic_id is not None:
            statement = statement.where(LOT.c.clinic_id == clinic_id)
        if before is not None:
            statement = statement.where(LOT.c.lot_id < before)
        return [_on_hand(row) for row in await self._connection.execute(statement)]

    async def movements(self, lot_id: UUID, *, after: int, limit: int) -> Sequence[Movement]:
        """Return movements in order, beginning after a sequence number."""
        movement = MOVEMENT.c
        statement = (
            with_receipt(select(movement.sequence_number), MOVEMENT)
            .where(
                movement.organization_id == self._organization_id,
                movement.lot_id == lot_id,
                movement.sequence_number > after,
            )
            .order_by(movement.sequence_number)
            .limit(limit)
        )
        return [from_json(Movement, orjson.loads(row.record)) for row in await self._connection.execute(statement)]

    def _lots(self) -> Select[Any]:
        newest = (
            select(MOVEMENT.c.sequence_number, MOVEMENT.c.balance_after_mg)
            .where(and_(MOVEMENT.c.organization_id == LOT.c.organization_id, MOVEMENT.c.lot_id == LOT.c.lot_id))
            .order_by(MOVEMENT.c.sequence_number.desc())
            .limit(1)
            .lateral("newest")
        )
        statement = with_receipt(select(newest.c.sequence_number, newest.c.balance_after_mg).select_from(LOT), LOT)
        return statement.join(newest, LOT.c.organization_id == self._organization_id)


def _on_hand(row: Row[Any]) -> LotOnHand:
    return LotOnHand(from_json(Lot, orjson.loads(row.record)), row.sequence_number, row.balance_after_mg)
