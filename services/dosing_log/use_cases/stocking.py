"""Taking in drug."""

from decimal import Decimal

from services.dosing_log.domain.stock import Lot, LotOnHand, MovementKind
from services.dosing_log.ports import UnitOfWork
from services.runtime.identifiers import new_id


async def receive_lot(lot: Lot, unit: UnitOfWork) -> LotOnHand:
    """Take in a lot with the movement of its receipt.

    Raises:
        LotExistsError: the clinic has this lot number of this product.
    """
    receipt = LotOnHand(lot, 0, Decimal()).after(
        lot.received_mg,
        movement_id=new_id(),
        kind=MovementKind.RECEIPT,
        event_time=lot.receive_time,
        record_time=lot.receive_time,
        recorder=lot.receiver,
        record_id=None,
    )
    await unit.stock.add_lot(lot, receipt)
    return LotOnHand(lot, receipt.sequence_number, receipt.balance_after_mg)
