"""Free slots, and the dates without one, as PostgreSQL computes them in one statement."""

from datetime import time
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.errors import NotFoundError
from services.runtime.names import format_name
from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.slots import DateWithoutSlot, FreeTime, Slot, SlotPosition, SlotSearch
from services.scheduler.storage.free_time import FIND_FREE_TIME


class PostgresSlots:
    """`SlotRepository` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, search: SlotSearch, *, limit: int) -> list[Slot]:
        """See the port."""
        return list((await self.free_time(search, limit=limit)).slots)

    async def free_time(self, search: SlotSearch, *, limit: int, after: SlotPosition | None = None) -> FreeTime:
        """See the port."""
        rows = (await self._connection.execute(FIND_FREE_TIME, _asked(search, limit, after))).all()
        slots, without = [], []
        for row in rows:
            if row.at is not None:
                slots.append(_slot(row, search))
            elif row.day is not None:
                without.append(DateWithoutSlot(row.clinic_id, row.day, _reasons(row)))
            else:
                raise NotFoundError(format_name("clinics", row.clinic_id))
        return FreeTime(tuple(slots), tuple(without))


def _asked(search: SlotSearch, limit: int, after: SlotPosition | None) -> dict[str, object]:
    return {
        "attendance": search.attendance,
        "room_time": search.attendance + search.turnover,
        "after": search.after,
        "earliest": search.earliest_time or time.min,
        "latest": search.latest_time or time.max,
        "clinic_ids": list(search.clinic_ids),
        "dates": list(search.dates),
        "excluded_dates": list(search.excluded_dates),
        "protocol_code": search.protocol_code,
        "preferred": search.preferred_supervisor,
        "last_preferred": after.preferred if after else None,
        "last_start": after.start_time if after else None,
        "last_clinic": after.clinic_id if after else None,
        "limit": limit,
    }


def _slot(row: Row[Any], search: SlotSearch) -> Slot:
    return Slot(
        clinic_id=row.clinic_id,
        room_id=row.room_id,
        supervisor_id=row.supervisor_id,
        time_zone=row.time_zone,
        interval=Interval(row.at, row.at + search.attendance),
        preferred=row.preferred,
    )


def _reasons(row: Row[Any]) -> tuple[BlockerCode, ...]:
    """Name every reason; where rooms and supervisors are free, but never together, both."""
    if row.closed:
        return (BlockerCode.CLINIC_CLOSED,)
    if row.outside_hours:
        return (BlockerCode.OUTSIDE_HOURS,)
    if row.past:
        return (BlockerCode.PAST,)
    never_together = not row.no_room and not row.at_ratio
    reasons = []
    if row.no_supervisor or (never_together and row.no_supervisor_with_room):
        reasons.append(BlockerCode.NO_SUPERVISOR)
    elif row.at_ratio or never_together:
        reasons.append(BlockerCode.SUPERVISION_RATIO)
    if row.no_room or never_together:
        reasons.append(BlockerCode.ROOM_BUSY)
    return tuple(reasons)
