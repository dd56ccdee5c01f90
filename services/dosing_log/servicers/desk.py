"""What the RPCs of one service share: transactions, request ids, access records of denials."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import grpc
from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncConnection

from kat.dosing_log.v1.records_pb2 import Record
from services.dosing_log.convert import answers
from services.dosing_log.domain.access import Purpose
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.dosing_log.use_cases.reading import Reader, patient_of
from services.runtime.actor import Actor
from services.runtime.auth import Caller, current_caller
from services.runtime.clock import Clock
from services.runtime.database import Database
from services.runtime.errors import DomainError, FailedPreconditionError, NotFoundError, PermissionDeniedError
from services.runtime.writes import Writer

Context = grpc.aio.ServicerContext[Any, Any]
UnitOn = Callable[[AsyncConnection, UUID], UnitOfWork]
Answer = TypeVar("Answer", bound=Message)
T = TypeVar("T")

_DENIALS = (FailedPreconditionError, PermissionDeniedError, NotFoundError)


class Desk:
    """Where the RPCs of a service do their work.

    Args:
        service: full name of the service, such as "kat.dosing_log.v1.DoseService".
        unit_on: makes the unit of work of a connection and organization.
    """

    def __init__(self, service: str, database: Database, writer: Writer, unit_on: UnitOn, clock: Clock) -> None:
        self._service = service
        self._database = database
        self._writer = writer
        self._unit_on = unit_on
        self.clock = clock

    @property
    def actor(self) -> Actor:
        """Who calls."""
        return current_caller().actor

    def now(self) -> datetime:
        """Return the present instant."""
        return self.clock.now()

    def reader(self, request: Message) -> Reader:
        """Return who reads with this request."""
        return Reader(self.actor, self._method(request), self.clock)

    async def transact(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Do work in a transaction of the caller's organization."""
        organization_id = current_caller().organization
        async with self._database.transaction(organization_id) as connection:
            return await work(self._unit_on(connection, organization_id))

    async def once(
        self, request: Message, answer: type[Answer], work: Callable[[UnitOfWork], Awaitable[Answer]]
    ) -> Answer:
        """Do a write once for its request id."""

        async def on(connection: AsyncConnection) -> Answer:
            return await work(self._unit_on(connection, current_caller().organization))

        return await self._writer.once(request, answer, on)

    async def record(
        self, request: Message, resource: str, work: Callable[[UnitOfWork], Awaitable[AnyRecord]]
    ) -> Record:
        """Do a write that makes a record; a denial leaves an access record."""

        async def answered(unit: UnitOfWork) -> Record:
            return answers.record(await work(unit))

        async with self.recording_denials(request, resource):
            return await self.once(request, Record, answered)

    async def read(
        self, request: Message, resource: str, purpose: Purpose, work: Callable[[UnitOfWork], Awaitable[T]]
    ) -> T:
        """Do a read. Its access record is committed before this returns; a denial leaves one too."""
        async with self.recording_denials(request, resource, purpose):
            return await self.transact(work)

    @asynccontextmanager
    async def recording_denials(
        self, request: Message, resource: str, purpose: Purpose = Purpose.NONE
    ) -> AsyncIterator[None]:
        """Leave an access record where what is inside is refused. It is committed although the call fails."""
        try:
            yield
        except _DENIALS as refusal:
            await self._record_denial(request, resource, purpose, refusal)
            raise

    async def _record_denial(self, request: Message, resource: str, purpose: Purpose, refusal: DomainError) -> None:
        reasons = [refusal.reason]
        if isinstance(refusal, FailedPreconditionError):
            reasons += sorted({blocker.code for blocker in refusal.blockers})
        collection, _, identifier = resource.partition("/")

        async def work(unit: UnitOfWork) -> None:
            patient_id = await patient_of(unit, collection, UUID(identifier)) if identifier else None
            await self.reader(request).denied(unit, purpose, resource, patient_id, reasons)

        await self.transact(work)

    def _method(self, request: Message) -> str:
        return f"{self._service}/{type(request).__name__.removesuffix('Request')}"


class RoleDenials:
    """Leaves an access record of a caller who was turned away by their role, before any RPC saw the call."""

    def __init__(self, database: Database, unit_on: UnitOn, clock: Clock) -> None:
        self._database = database
        self._unit_on = unit_on
        self._clock = clock

    async def __call__(self, caller: Caller, method: str, reason: str) -> None:
        """Record it. A caller of no organization has no log to be recorded in."""
        organization_id = caller.organization_id
        if organization_id is None:
            return
        reader = Reader(caller.actor, method.removeprefix("/"), self._clock)
        async with self._database.transaction(organization_id) as connection:
            unit = self._unit_on(connection, organization_id)
            await reader.denied(unit, Purpose.NONE, "", None, (reason,))
