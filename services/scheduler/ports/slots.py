"""What the use cases need of free time."""

from typing import Protocol as Port

from services.scheduler.domain.slots import FreeTime, Slot, SlotPosition, SlotSearch


class SlotRepository(Port):
    """Free time, computed by the database."""

    async def find(self, search: SlotSearch, *, limit: int) -> list[Slot]:
        """Return the best free slots. Raises NotFoundError."""
        ...

    async def free_time(self, search: SlotSearch, *, limit: int, after: SlotPosition | None = None) -> FreeTime:
        """Return the best free slots after a position, and every date without one. Raises NotFoundError."""
        ...
