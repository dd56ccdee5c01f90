"""A write happens once for each request id, however often it is sent."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.auth import Caller, current_caller
from services.runtime.database import Database
from services.runtime.errors import AlreadyExistsError
from services.runtime.fields import Fields
from services.runtime.tables import RuntimeTables

Answer = TypeVar("Answer", bound=Message)


class AnswerKeeping(Protocol):
    """How the answer of a request is kept, and what the request is recognised by."""

    def fingerprint(self, organization_id: UUID, request: bytes) -> bytes:
        """Return what is equal for equal requests alone."""
        ...

    def seal(self, organization_id: UUID, request_id: UUID, answer: bytes) -> bytes:
        """Return what is stored of an answer."""
        ...

    def open(self, organization_id: UUID, request_id: UUID, stored: bytes) -> bytes:
        """Return the answer."""
        ...


class PlainAnswers:
    """Keeps answers as they are, for a service whose records beside them are kept as they are."""

    def fingerprint(self, organization_id: UUID, request: bytes) -> bytes:
        """See the port."""
        return hashlib.sha256(organization_id.bytes + request).digest()

    def seal(self, _organization_id: UUID, _request_id: UUID, answer: bytes) -> bytes:
        """See the port."""
        return answer

    def open(self, _organization_id: UUID, _request_id: UUID, stored: bytes) -> bytes:
        """See the port."""
        return stored


class Writer:
    """Runs writes in one transaction with the record of their request id.

    Args:
        database: the service's database.
        tables: of which it uses `request`.
        keeping: how answers are kept there.
    """

    def __init__(self, database: Database, tables: RuntimeTables, keeping: AnswerKeeping | None = None) -> None:
        self._database = database
        self._keeping = keeping or PlainAnswers()
        self._enter = insert(tables.request).on_conflict_do_nothing()
        of_request = [tables.request.c[name] == bindparam(f"this_{name}") for name in ("organization_id", "request_id")]
        self._answer = update(tables.request).where(*of_request)
        self._answered = select(tables.request).where(*of_request)

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
        organization_id = caller.organization
        fingerprint = self._keeping.fingerprint(organization_id, _identity(request, caller))
        entry = {"organization_id": organization_id, "request_id": request_id, "fingerprint": fingerprint}
        key = {"this_organization_id": organization_id, "this_request_id": request_id}
        async with self._database.transaction(organization_id) as connection:
            # A second call with the id waits here until the first is committed or rolled back.
            entered = await connection.execute(self._enter, entry)
            if entered.rowcount == 0:
                return await self._repeat(connection, key, fingerprint, answer)
            result = await work(connection)
            kept = self._keeping.seal(organization_id, request_id, result.SerializeToString(deterministic=True))
            await connection.execute(self._answer, key | {"answer": kept})
            return result

    async def _repeat(
        self, connection: AsyncConnection, key: Mapping[str, UUID], fingerprint: bytes, answer: type[Answer]
    ) -> Answer:
        row = (await connection.execute(self._answered, key)).one()
        if row.fingerprint != fingerprint:
            message = "This request_id was used for another request; send a new uuid"
            raise AlreadyExistsError(message, reason="REQUEST_ID_REUSED")
        return answer.FromString(self._keeping.open(row.organization_id, row.request_id, row.answer))


def _identity(request: Message, caller: Caller) -> bytes:
    parts = (type(request).DESCRIPTOR.full_name, caller.actor.subject)
    return "\0".join(parts).encode() + b"\0" + request.SerializeToString(deterministic=True)
