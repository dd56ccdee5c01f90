"""Where a session could stand instead: the free slots nearest to the time that it was to have."""

from collections.abc import Sequence
from datetime import date, datetime

from services.scheduler.domain.slots import Slot, SlotSearch
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.booking import Attempt

PROPOSALS = 3
_SLOTS_OF_A_DAY = 96


async def nearest_slots(
    attempt: Attempt, dates: Sequence[date], unit: UnitOfWork, now: datetime, *, count: int = PROPOSALS
) -> list[Slot]:
    """Return free slots at an attempt's clinic on these dates: nearest dates first, then nearest times of day."""
    if not dates:
        return []
    search = SlotSearch.of(
        attempt.protocol, clinic_ids=(attempt.place.clinic_id,), dates=tuple(sorted(dates)), after=now
    )
    slots = await unit.slots.find(search, limit=_SLOTS_OF_A_DAY * len(dates))

    def apart(slot: Slot) -> tuple[int, int, datetime]:
        local, wanted = slot.interval.start.astimezone(attempt.zone), attempt.arrival
        minutes = (local.hour - wanted.time.hour) * 60 + local.minute - wanted.time.minute
        return abs((local.date() - wanted.date).days), abs(minutes), slot.interval.start

    return sorted(slots, key=apart)[:count]
