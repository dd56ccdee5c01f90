# ruff: noqa: N802, ARG002 - names and arguments are those of the generated servicer
"""InventoryService."""

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1.dosing_log_pb2_grpc import InventoryServiceServicer
from kat.dosing_log.v1.records_pb2 import Lot
from services.dosing_log.convert import pages, stock
from services.dosing_log.errors import LotNotFoundError
from services.dosing_log.ports import UnitOfWork
from services.dosing_log.servicers.desk import Context, Desk
from services.dosing_log.use_cases.stocking import receive_lot
from services.runtime.paging import page_size


class InventoryServicer(InventoryServiceServicer):
    """Drug stock."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ReceiveLot(self, request: pb.ReceiveLotRequest, context: Context) -> Lot:
        """Take in a lot."""
        lot = stock.receive_lot(request, self._desk.now(), self._desk.actor)

        async def work(unit: UnitOfWork) -> Lot:
            return stock.lot_message(await receive_lot(lot, unit))

        return await self._desk.once(request, Lot, work)

    async def GetLot(self, request: pb.GetLotRequest, context: Context) -> Lot:
        """Return one lot."""
        lot_id = stock.lot_id(request, "name")
        found = await self._desk.transact(lambda unit: unit.stock.on_hand(lot_id))
        if found is None:
            raise LotNotFoundError(lot_id)
        return stock.lot_message(found)

    async def ListLots(self, request: pb.ListLotsRequest, context: Context) -> pb.ListLotsResponse:
        """List lots."""
        size, before, clinic_id = page_size(request.page_size), pages.after_id(request), stock.clinic_filter(request)
        found = await self._desk.transact(
            lambda unit: unit.stock.lots(clinic_id=clinic_id, before=before, limit=size + 1)
        )
        shown, token = pages.cut(request, found, size, lambda last: [str(last.lot.lot_id)])
        return pb.ListLotsResponse(lots=map(stock.lot_message, shown), next_page_token=token)

    async def ListMovements(self, request: pb.ListMovementsRequest, context: Context) -> pb.ListMovementsResponse:
        """List the movements of a lot."""
        size, after, lot_id = page_size(request.page_size), pages.after_number(request), stock.lot_id(request, "lot")
        found = await self._desk.transact(lambda unit: unit.stock.movements(lot_id, after=after, limit=size + 1))
        shown, token = pages.cut(request, found, size, lambda last: [str(last.sequence_number)])
        return pb.ListMovementsResponse(movements=map(stock.movement_message, shown), next_page_token=token)
