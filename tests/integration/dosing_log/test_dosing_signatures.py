"""Signatures under attack: wrong PIN, guessing side by side, replay, moving one to another record."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1 import records_pb2 as rec
from services.dosing_log.domain.records import Meaning
from services.dosing_log.domain.signing import signature_hash
from services.runtime.actor import Actor
from services.runtime.errors import (
    AbortedError,
    AlreadyExistsError,
    DomainError,
    FailedPreconditionError,
    PermissionDeniedError,
)
from services.runtime.identifiers import new_id
from tests.integration.dosing_log.clinic import PIN
from tests.support.services import make_caller

AUTHORED = rec.Signature.MEANING_AUTHORED


async def set_pin(clinic, caller, pin: str = PIN, current_pin: str = ""):
    request = pb.SetSigningPinRequest(pin=pin, current_pin=current_pin)
    return await clinic.call(caller, clinic.doses.SetSigningPin, request)


async def a_record(clinic):
    return await (await (await clinic.enrol()).book()).vitals()


async def sign(clinic, caller, record, *, pin: str = PIN, meaning: int = AUTHORED, request_id: str = ""):
    request = pb.SignRecordRequest(request_id=request_id, name=record.name, etag=record.etag, meaning=meaning, pin=pin)
    return await clinic.call(caller, clinic.doses.SignRecord, request)


async def reason_of(attempt) -> str:
    with pytest.raises(DomainError) as refused:
        await attempt
    return refused.value.reason


async def test_five_wrong_pins_lock_for_fifteen_minutes(clinic):
    await set_pin(clinic, clinic.nurse)
    record = await a_record(clinic)
    for _ in range(5):
        assert await reason_of(sign(clinic, clinic.nurse, record, pin="999998")) == "PIN_WRONG"
    assert await reason_of(sign(clinic, clinic.nurse, record)) == "PIN_LOCKED"
    clinic.security_clock.advance(minutes=14, seconds=59)
    assert await reason_of(sign(clinic, clinic.nurse, record)) == "PIN_LOCKED"
    clinic.security_clock.advance(seconds=1)
    assert len((await sign(clinic, clinic.nurse, record)).signatures) == 1


async def test_the_right_pin_forgets_the_wrong_ones(clinic):
    await set_pin(clinic, clinic.nurse)
    record = await a_record(clinic)
    for _ in range(4):
        assert await reason_of(sign(clinic, clinic.nurse, record, pin="999998")) == "PIN_WRONG"
    record = await sign(clinic, clinic.nurse, record)
    another = await a_record(clinic)
    for _ in range(4):
        assert await reason_of(sign(clinic, clinic.nurse, another, pin="999998")) == "PIN_WRONG"
    await sign(clinic, clinic.nurse, another)


async def test_guesses_side_by_side_gain_nothing(clinic):
    await set_pin(clinic, clinic.nurse)
    record = await a_record(clinic)
    guesses = [reason_of(sign(clinic, clinic.nurse, record, pin=f"90{guess:04}")) for guess in range(20)]
    reasons = await asyncio.gather(*guesses)
    assert sorted(reasons) == ["PIN_LOCKED"] * 15 + ["PIN_WRONG"] * 5


async def test_a_stale_request_costs_no_attempt(clinic):
    await set_pin(clinic, clinic.nurse)
    record = await a_record(clinic)
    stale = rec.Record(name=record.name, etag="7-7")
    for _ in range(6):
        with pytest.raises(AbortedError):
            await sign(clinic, clinic.nurse, stale)
    await sign(clinic, clinic.nurse, record)


async def test_a_replayed_request_signs_once_and_costs_no_attempt(clinic):
    await set_pin(clinic, clinic.nurse)
    record = await a_record(clinic)
    request_id = str(new_id())
    for _ in range(8):
        signed = await sign(clinic, clinic.nurse, record, request_id=request_id)
        assert len(signed.signatures) == 1
    assert len((await clinic.get(clinic.nurse, record)).signatures) == 1
    assert await reason_of(sign(clinic, clinic.nurse, await clinic.get(clinic.nurse, record))) == "ALREADY_SIGNED"


async def test_one_component_within_fifteen_minutes_of_the_same_token_session(clinic):
    await set_pin(clinic, clinic.nurse)
    records = [await a_record(clinic) for _ in range(4)]
    assert await reason_of(sign(clinic, clinic.nurse, records[0], pin="")) == "PIN_REQUIRED"
    first = await sign(clinic, clinic.nurse, records[0])
    assert first.signatures[0].components_used == 2
    clinic.security_clock.advance(minutes=14, seconds=59)
    second = await sign(clinic, clinic.nurse, records[1], pin="")
    assert second.signatures[0].components_used == 1
    other_session = make_caller("clinician", organization_id=clinic.organization_id, subject=clinic.nurse.actor.subject)
    assert await reason_of(sign(clinic, other_session, records[2], pin="")) == "PIN_REQUIRED"
    clinic.security_clock.advance(seconds=1)  # a signature with one component does not prolong it
    assert await reason_of(sign(clinic, clinic.nurse, records[3], pin="")) == "PIN_REQUIRED"


async def test_without_a_pin_nobody_signs(clinic):
    record = await a_record(clinic)
    with pytest.raises(FailedPreconditionError) as refused:
        await sign(clinic, clinic.nurse, record)
    assert refused.value.reason == "PIN_NOT_SET"


async def test_a_pin_is_replaced_only_with_the_one_until_now(clinic):
    await set_pin(clinic, clinic.nurse)
    assert await reason_of(set_pin(clinic, clinic.nurse, "271828")) == "PIN_REQUIRED"
    assert await reason_of(set_pin(clinic, clinic.nurse, "271828", "999998")) == "PIN_WRONG"
    await set_pin(clinic, clinic.nurse, "271828", PIN)
    record = await a_record(clinic)
    assert await reason_of(sign(clinic, clinic.nurse, record)) == "PIN_WRONG"
    await sign(clinic, clinic.nurse, record, pin="271828")


async def test_a_repeated_change_of_pin_is_done_once(clinic):
    await set_pin(clinic, clinic.nurse)
    request = pb.SetSigningPinRequest(request_id=str(new_id()), pin="271828", current_pin=PIN)
    for _ in range(7):
        await clinic.call(clinic.nurse, clinic.doses.SetSigningPin, request)
    await sign(clinic, clinic.nurse, await a_record(clinic), pin="271828")


async def test_no_pin_is_kept_in_a_form_that_can_be_guessed(clinic, migrated_dosing_log):
    await set_pin(clinic, clinic.nurse)
    async with clinic.database.transaction(clinic.organization_id) as connection:
        (stored,) = (await connection.execute(text("select pin_hash from signing_pin"))).scalars()
    assert stored.startswith("$argon2id$")


async def test_the_hash_can_be_recomputed_and_fits_no_other_record(clinic):
    await set_pin(clinic, clinic.nurse)
    signed = await sign(clinic, clinic.nurse, await a_record(clinic))
    other = await a_record(clinic)
    (signature,) = signed.signatures
    nurse = clinic.nurse.actor
    signer = Actor(
        subject=nurse.subject, printed_name=nurse.printed_name, credential=nurse.credential, roles=nurse.roles
    )

    def over(commitment: bytes) -> bytes:
        return signature_hash(
            commitment=commitment, meaning=Meaning.AUTHORED, signer=signer, sign_time=clinic.clock.now()
        )

    assert over(signed.ledger_receipt.commitment) == signature.signature_hash
    assert over(other.ledger_receipt.commitment) != signature.signature_hash


async def test_a_signature_cannot_be_moved_to_another_record(clinic):
    await set_pin(clinic, clinic.nurse)
    await sign(clinic, clinic.nurse, await a_record(clinic))
    other = await a_record(clinic)
    moved = text(
        "insert into signature select organization_id, :record, version, signer_subject, meaning, event_id, token_id,"
        " components_used, sign_time, session_time from signature"
    )
    with pytest.raises(DBAPIError, match="event_id"):
        async with clinic.database.transaction(clinic.organization_id) as connection:
            await connection.execute(moved, {"record": other.name.removeprefix("records/")})
    assert not (await clinic.get(clinic.nurse, other)).signatures


async def test_meanings_belong_to_people(clinic):
    for caller in (clinic.nurse, clinic.physician, clinic.witness):
        await set_pin(clinic, caller)
    lot = await clinic.receive()
    visit = await (await clinic.enrol()).book()
    given = await visit.administer(lot)
    denied = (
        (clinic.witness, rec.Signature.MEANING_ADMINISTERED),
        (clinic.physician, rec.Signature.MEANING_ADMINISTERED),
        (clinic.nurse, rec.Signature.MEANING_COUNTERSIGNED),
        (clinic.witness, rec.Signature.MEANING_REVIEWED),
        (clinic.witness, rec.Signature.MEANING_WITNESSED),
        (clinic.nurse, rec.Signature.MEANING_AMENDED),
    )
    for caller, meaning in denied:
        with pytest.raises(PermissionDeniedError):
            await sign(clinic, caller, given, meaning=meaning)
    given = await sign(clinic, clinic.nurse, given, meaning=rec.Signature.MEANING_ADMINISTERED)
    given = await sign(clinic, clinic.physician, given, meaning=rec.Signature.MEANING_COUNTERSIGNED)
    assert [signature.meaning for signature in given.signatures] == [
        rec.Signature.MEANING_ADMINISTERED,
        rec.Signature.MEANING_COUNTERSIGNED,
    ]


async def test_of_two_signatures_at_once_one_is_stale(clinic):
    await set_pin(clinic, clinic.nurse)
    record = await a_record(clinic)
    done = await asyncio.gather(*(sign(clinic, clinic.nurse, record) for _ in range(3)), return_exceptions=True)
    refused = [result for result in done if isinstance(result, DomainError)]
    assert len(refused) == 2
    assert all(isinstance(result, AbortedError | AlreadyExistsError) for result in refused)
