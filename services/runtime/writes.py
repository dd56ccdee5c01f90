"""A write happens once for each request id, however often it is sent."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.auth import Caller, current_caller
from services.runtime.database import Database
from services.runtime.errors import AlreadyExistsError
from services.runtime.fields import Fields
from services.runtime.tables import RuntimeTables

Answer = TypeVar("Answer", bound=Message)


class Writer:
    """Runs writes in one transaction with the record of their request id."""

    def __init__(self, database: Database, tables: RuntimeTables) -> None:
        self._database = database
        self._request = tables.request

    async def once(
        self,
        request: Message,
        answer: type[Answer],
        work: Callable[[AsyncConnection], Awaitable[Answer]],
    ) -> Answer:
        """Run `work` in a transaction of the caller's organization and return its answer.

        The same request id with the same request by the same caller has the same answer, without doing it again.

        Raises:
            InvalidArgumentError: the request id is not a uuid.
            AlreadyExistsError: the request id was used for another request.
        """
        fields = Fields()
        request_id = fields.request_id(request.request_id)  # type: ignore[attr-defined]  # every write has it, by contract test
        fields.check()
        caller = current_caller()
        fingerprint = _fingerprint(request, caller)
        key: dict[str, object] = {"organization_id": caller.organization, "request_id": request_id}
        async with self._database.transaction(caller.organization) as connection:
            # A second call with the id waits here until the first is committed or rolled back.
            entered = await connection.execute(
                insert(self._request).values(**key, fingerprint=fingerprint).on_conflict_do_nothing()
            )
            if entered.rowcount == 0:
                return await self._repeat(connection, key, fingerprint, answer)
            result = await work(connection)
            await connection.execute(
                update(self._request).filter_by(**key).values(answer=result.SerializeToString(deterministic=True))
            )
            return result

    async def _repeat(
        self, connection: AsyncConnection, key: dict[str, object], fingerprint: bytes, answer: type[Answer]
    ) -> Answer:
        row = (await connection.execute(select(self._request).filter_by(**key))).one()
        if row.fingerprint != fingerprint:
            message = "This request_id was used for another request; send a new uuid"
            raise AlreadyExistsError(message, reason="REQUEST_ID_REUSED")
        return answer.FromString(row.answer or b"")


def _fingerprint(request: Message, caller: Caller) -> bytes:
    parts = (type(request).DESCRIPTOR.full_name, caller.actor.subject)
    content = "\0".join(parts).encode() + b"\0" + request.SerializeToString(deterministic=True)
    return hashlib.sha256(content).digest()
