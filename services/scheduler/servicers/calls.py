"""How a call gets its unit of work: one transaction of the caller's organization."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.auth import current_caller
from services.runtime.database import Database
from services.runtime.errors import AbortedError
from services.runtime.writes import Writer
from services.scheduler.ports.unit import UnitOfWork

Answer = TypeVar("Answer", bound=Message)
UnitMaker = Callable[[AsyncConnection, UUID], UnitOfWork]

ATTEMPTS = 8
"""How often a write that lost a race is done again, from the beginning, before the caller is told."""


class Calls:
    """Opens units of work for the calls of this service.

    Args:
        unit: makes the unit of work of a connection inside a transaction of an organization.
    """

    def __init__(self, database: Database, writer: Writer, unit: UnitMaker) -> None:
        self._database = database
        self._writer = writer
        self._unit = unit

    def reading(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Open a unit of work that writes nothing."""
        return self.reading_of(current_caller().organization)

    @asynccontextmanager
    async def reading_of(self, organization_id: UUID) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work of an organization that writes nothing, for what outlives a call."""
        async with self._database.transaction(organization_id) as connection:
            yield self._unit(connection, organization_id)

    async def once(
        self, request: Message, answer: type[Answer], work: Callable[[UnitOfWork], Awaitable[Answer]]
    ) -> Answer:
        """Run a write once for its request id.

        A race that is lost shows nothing yet of what is in the way: the work is done again on what is there now, and
        either succeeds or refuses with every blocker.

        Raises:
            AlreadyExistsError: the request id was used for another request.
            AbortedError: every attempt lost a race.
        """
        organization_id = current_caller().organization

        async def in_transaction(connection: AsyncConnection) -> Answer:
            return await work(self._unit(connection, organization_id))

        return await _again(lambda: self._writer.once(request, answer, in_transaction))

    async def rehearse(self, work: Callable[[UnitOfWork], Awaitable[Answer]]) -> Answer:
        """Return what a write would answer, and undo it.

        Raises:
            AbortedError: every attempt lost a race.
        """
        organization_id = current_caller().organization

        async def undone() -> Answer:
            async with self._database.transaction(organization_id) as connection:
                savepoint = await connection.begin_nested()
                answer = await work(self._unit(connection, organization_id))
                await savepoint.rollback()
                return answer

        return await _again(undone)


async def _again(attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    """Do a write again while it loses races, from the beginning each time."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await attempt()
        except AbortedError as error:
            if error.reason != "RACE_LOST":
                raise
    return await attempt()
