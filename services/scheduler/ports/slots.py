"""What the use cases need of free time."""

from typing import Protocol as Port

from services.scheduler.domain.slots import FreeTime, SlotPosition, SlotSearch


class SlotRepository(Port):
    """Free time, computed by the database."""

    async def find(self, search: SlotSearch, *, limit: int, after: SlotPosition | None = None) -> FreeTime:
        """Return the best free slots after a position, and every date without one. Raises NotFoundError."""
        ...
