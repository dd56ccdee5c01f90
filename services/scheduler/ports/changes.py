"""What the use cases need of the changes of sessions."""

from collections.abc import Collection
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.changes import Position, SessionChange


class ChangeRepository(Port):
    """What changed of sessions, in an order in which nothing can come before what was read."""

    async def latest(self) -> Position:
        """Return the position after every change that can be told by now."""
        ...

    async def after(self, position: Position, limit: int) -> list[SessionChange]:
        """Return what follows a position, so many at most. Raises PositionExpiredError."""
        ...

    async def pending(self, session_ids: Collection[UUID], position: Position) -> frozenset[UUID]:
        """Return those of these sessions that were changed after a position, also by what cannot be told yet."""
        ...
