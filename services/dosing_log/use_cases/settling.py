"""Stock follows records: what a record says was taken is what its movements sum up to."""

from decimal import Decimal
from uuid import UUID

from services.dosing_log.domain.amounts import EXACT
from services.dosing_log.domain.contents import Administration, Content, Wastage
from services.dosing_log.domain.records import RecordVersion
from services.dosing_log.domain.stock import LotOnHand, MovementKind
from services.dosing_log.errors import invalid
from services.dosing_log.ports import UnitOfWork
from services.runtime.identifiers import new_id


def taken_from(content: Content) -> dict[UUID, Decimal]:
    """Return what a content takes from which lot, in mg above zero.

    A dose takes what was given. What it left over stays on the book until its wastage is recorded; what was returned
    never left it.
    """
    match content:
        case Administration():
            return {content.lot_id: content.given.mg}
        case Wastage():
            return {content.lot_id: content.amount.mg}
        case _:
            return {}


async def lock_lot(unit: UnitOfWork, lot_id: UUID, path: str) -> LotOnHand:
    """Return a lot, locked until the transaction ends.

    Raises:
        InvalidArgumentError: no such lot, at `path`.
    """
    lot = await unit.stock.locked(lot_id)
    if lot is None:
        raise invalid(path, "no such lot is here; receive it first")
    return lot


async def settle(unit: UnitOfWork, version: RecordVersion[Content], held: LotOnHand | None) -> None:
    """Post what the record's movements lack, in the transaction of the version; `held` is the lot locked already.

    A movement never takes the book below zero: where a fact exceeds the book, it is posted down to zero, and the
    version's finding H8 states the shortfall. A count then brings book and shelf together.
    """
    taken = taken_from(version.content)
    posted = await unit.stock.posted_by(version.record_id) if version.version > 1 else {}
    for lot_id in sorted(taken.keys() | posted.keys()):
        wanted = EXACT.minus(EXACT.add(taken.get(lot_id, Decimal()), posted.get(lot_id, Decimal())))
        lot = held if held and held.lot.lot_id == lot_id else await lock_lot(unit, lot_id, "lot")
        movement = lot.after(
            wanted,
            movement_id=new_id(),
            kind=_kind(version),
            event_time=version.event_time,
            record_time=version.record_time,
            recorder=version.recorder,
            record_id=version.record_id,
        )
        if movement.amount_mg:
            await unit.stock.post(movement)


def _kind(version: RecordVersion[Content]) -> MovementKind:
    if version.version > 1:
        return MovementKind.CORRECTION
    return MovementKind.WASTE if isinstance(version.content, Wastage) else MovementKind.ADMINISTER
