"""Signing a record with two components: the token and a PIN."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.dosing_log.domain import signing
from services.dosing_log.domain.records import Meaning, Signature
from services.dosing_log.domain.signing import PinAttempts
from services.dosing_log.errors import (
    AlreadySignedError,
    PinNotSetError,
    PinRefusedError,
    RecordNotFoundError,
    SignatureDeniedError,
    StaleRecordError,
)
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.runtime.actor import Actor
from services.runtime.clock import Clock

VerifyPin = Callable[[str, str], Awaitable[bool]]
"""(hash, PIN) to whether the PIN is right."""
HashPin = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureAsked:
    """A signature on a record as it was read. `token_id` names the signer's token session; `pin` may be empty."""

    record_id: UUID
    etag: str
    meaning: Meaning
    pin: str
    token_id: str


@dataclass(frozen=True, slots=True)
class PinKeeper:
    """What checks PINs, and the clock that lockout and continuous sessions go by: never a simulated one."""

    verify: VerifyPin
    hash: HashPin
    clock: Clock

    async def begin_attempt(self, unit: UnitOfWork, subject: str) -> None:
        """Count an attempt. Commit it before the PIN is checked: attempts side by side then gain nothing.

        Raises:
            PinNotSetError: no PIN is set.
            PinRefusedError: it is locked.
        """
        pin = await unit.pins.attempts(subject)
        if pin is None:
            raise PinNotSetError
        now = self.clock.now()
        until = pin.locked_until(now)
        if until is not None:
            raise PinRefusedError.locked(until)
        await unit.pins.save(subject, pin.attempted(now))

    async def give_back_attempt(self, unit: UnitOfWork, subject: str) -> None:
        """Take back an attempt that checked nothing, since the answer was there already."""
        pin = await unit.pins.attempts(subject)
        if pin is not None:
            await unit.pins.save(subject, pin.given_back())

    async def check(self, unit: UnitOfWork, subject: str, pin: str) -> None:
        """Check a PIN whose attempt was counted.

        Raises:
            PinRefusedError: it is wrong.
        """
        found = await unit.pins.attempts(subject)
        if found is None:
            raise PinNotSetError
        if not await self.verify(found.pin_hash, pin):
            raise PinRefusedError.wrong()
        await unit.pins.save(subject, found.right())


async def set_pin(unit: UnitOfWork, keeper: PinKeeper, subject: str, *, pin: str, current_pin: str) -> datetime:
    """Set a person's PIN and return when. One that is set is replaced only with the one until now.

    Raises:
        PinRefusedError: the current PIN is missing or wrong.
    """
    if await unit.pins.attempts(subject) is not None:
        if not current_pin:
            raise PinRefusedError.missing()
        await keeper.check(unit, subject, current_pin)
    await unit.pins.save(subject, PinAttempts(await keeper.hash(pin)))
    return keeper.clock.now()


async def sign_record(
    command: SignatureAsked, unit: UnitOfWork, clock: Clock, actor: Actor, keeper: PinKeeper
) -> AnyRecord:
    """Sign the present version of a record, and return it with the signature.

    Raises:
        RecordNotFoundError: there is no such record.
        StaleRecordError: it has changed since it was read: what is signed is what was seen.
        SignatureDeniedError: this person may not sign it with this meaning.
        AlreadySignedError: they did.
        PinRefusedError: the PIN is missing or wrong.
    """
    found = await unit.records.find(command.record_id)
    if found is None:
        raise RecordNotFoundError(command.record_id)
    await unit.records.lock_patient(found.version.patient_id)
    present = await unit.records.find(command.record_id)
    if present is None or present.etag != command.etag:
        raise StaleRecordError
    why_not = signing.why_not(present.version, command.meaning, actor)
    if why_not is not None:
        raise SignatureDeniedError(why_not)
    if present.signed_by(actor.subject, command.meaning):
        raise AlreadySignedError
    components = await _components(command, unit, actor, keeper)
    signature = _signature(present, command, actor, clock.now(), components)
    await unit.records.sign(signature, session_time=keeper.clock.now())
    signed = await unit.records.find(command.record_id)
    if signed is None:
        raise RecordNotFoundError(command.record_id)
    return signed


async def _components(command: SignatureAsked, unit: UnitOfWork, actor: Actor, keeper: PinKeeper) -> int:
    if command.pin:
        await keeper.check(unit, actor.subject, command.pin)
        return 2
    last_full = await unit.records.last_full_signature(actor.subject, command.token_id)
    if not signing.is_continuous(last_full, keeper.clock.now()):
        raise PinRefusedError.missing()
    return 1


def _signature(present: AnyRecord, command: SignatureAsked, actor: Actor, now: datetime, components: int) -> Signature:
    return Signature(
        record_id=command.record_id,
        version=present.version.version,
        signer=actor,
        meaning=command.meaning,
        sign_time=now,
        components_used=components,
        token_id=command.token_id,
        signature_hash=signing.signature_hash(
            commitment=present.receipt.commitment, meaning=command.meaning, signer=actor, sign_time=now
        ).hex(),
    )
