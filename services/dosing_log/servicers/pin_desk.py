"""Calls that bring a PIN.

An attempt is counted and committed before the PIN is checked, and taken back where nothing was checked. The PIN is
left out of what the request id is remembered by: a fast hash of a short number would give it away.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1.records_pb2 import Record
from services.dosing_log.convert import answers, requests
from services.dosing_log.errors import PinRefusedError
from services.dosing_log.ports import UnitOfWork
from services.dosing_log.servicers.desk import Desk
from services.dosing_log.use_cases import signing
from services.dosing_log.use_cases.signing import PinKeeper
from services.runtime.auth import current_caller
from services.runtime.errors import DomainError
from services.runtime.fields import timestamp

T = TypeVar("T")


@dataclass(slots=True)
class _Attempt:
    """Whether the work of a call ran, so that its PIN was looked at."""

    ran: bool = False

    def watched(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> Callable[[UnitOfWork], Awaitable[T]]:
        async def run(unit: UnitOfWork) -> T:
            self.ran = True
            return await work(unit)

        return run


class PinDesk:
    """SetSigningPin and SignRecord."""

    def __init__(self, desk: Desk, keeper: PinKeeper) -> None:
        self._desk = desk
        self._keeper = keeper

    async def set_pin(self, request: pb.SetSigningPinRequest) -> pb.SetSigningPinResponse:
        """Set the caller's PIN."""
        pin, current_pin = requests.set_signing_pin(request)
        subject = self._desk.actor.subject

        async def work(unit: UnitOfWork) -> pb.SetSigningPinResponse:
            set_time = await signing.set_pin(unit, self._keeper, subject, pin=pin, current_pin=current_pin)
            return pb.SetSigningPinResponse(set_time=timestamp(set_time))

        redacted = pb.SetSigningPinRequest(request_id=request.request_id)
        async with self._desk.recording_denials(request, ""), self._attempt(bool(current_pin)) as attempt:
            return await self._desk.once(redacted, pb.SetSigningPinResponse, attempt.watched(work))

    async def sign(self, request: pb.SignRecordRequest) -> Record:
        """Sign a record."""
        caller, desk = current_caller(), self._desk
        asked = requests.sign_record(request, caller.token_id)

        async def work(unit: UnitOfWork) -> Record:
            return answers.record(await signing.sign_record(asked, unit, desk.clock, caller.actor, self._keeper))

        redacted = pb.SignRecordRequest()
        redacted.CopyFrom(request)
        redacted.ClearField("pin")
        async with desk.recording_denials(request, request.name), self._attempt(bool(asked.pin)) as attempt:
            return await desk.once(redacted, Record, attempt.watched(work))

    @asynccontextmanager
    async def _attempt(self, counted: bool) -> AsyncIterator[_Attempt]:  # noqa: FBT001 - read where it is called
        attempt, subject = _Attempt(), self._desk.actor.subject
        if counted:
            await self._desk.transact(lambda unit: self._keeper.begin_attempt(unit, subject))
        checked = True
        try:
            yield attempt
            checked = attempt.ran
        except PinRefusedError:
            raise
        except DomainError:
            checked = False
            raise
        finally:
            if counted and not checked:
                await self._desk.transact(lambda unit: self._keeper.give_back_attempt(unit, subject))
