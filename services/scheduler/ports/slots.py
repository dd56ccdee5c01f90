"""What the use cases need of free time."""

from typing import Protocol as Port

from services.scheduler.domain.slots import DateWithoutSlot, Slot, SlotPosition, SlotSearch


class SlotRepository(Port):
    """Free time, computed by the database."""

    async def find(self, search: SlotSearch, *, limit: int, after: SlotPosition | None = None) -> list[Slot]:
        """Return free slots, best first."""
        ...

    async def without(self, search: SlotSearch) -> list[DateWithoutSlot]:
        """Return the dates without a slot by clinic and date, and why."""
        ...
