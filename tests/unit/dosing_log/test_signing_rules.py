"""Who may sign what, what a signature covers, and PINs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dosing_log.domain.contents import Wastage, WastageKind
from services.dosing_log.domain.records import Meaning, RecordVersion
from services.dosing_log.domain.signing import (
    PinAttempts,
    is_continuous,
    pin_fault,
    signature_hash,
    why_not,
)
from services.runtime.actor import Actor
from tests.unit.dosing_log.dose_cases import LOT, NOW, NURSE, PHYSICIAN, check, mg
from tests.unit.dosing_log.test_given_rules import administration

WITNESS = Actor(subject="witness", printed_name="W", credential="RN", roles=("clinician",))
OTHER_NURSE = Actor(subject="other", printed_name="O", credential="RN", roles=("clinician",))
WASTAGE = Wastage(
    administration_id=None,
    lot_id=LOT,
    amount=mg("15"),
    kind=WastageKind.SPILL,
    method="sink",
    location="room 1",
    witness_subject="witness",
)


def version(content: Any, **changes: Any) -> RecordVersion[Any]:
    return RecordVersion(
        **{
            "record_id": UUID(int=1),
            "version": 1,
            "session_id": UUID(int=2),
            "patient_id": UUID(int=3),
            "event_time": NOW,
            "record_time": NOW,
            "recorder": NURSE,
            "amendment_reason": "",
            "content": content,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("signed", "meaning", "signer", "allowed"),
    [
        (version(check()), Meaning.AUTHORED, NURSE, True),
        (version(check()), Meaning.AUTHORED, PHYSICIAN, False),
        (version(administration()), Meaning.ADMINISTERED, NURSE, True),
        (version(administration()), Meaning.ADMINISTERED, OTHER_NURSE, False),
        (version(administration(), recorder=PHYSICIAN, version=2), Meaning.ADMINISTERED, NURSE, True),
        (version(check()), Meaning.ADMINISTERED, NURSE, False),
        (version(WASTAGE), Meaning.WITNESSED, WITNESS, True),
        (version(WASTAGE), Meaning.WITNESSED, NURSE, False),
        (version(WASTAGE), Meaning.WITNESSED, OTHER_NURSE, False),
        (version(WASTAGE, recorder=WITNESS), Meaning.WITNESSED, WITNESS, False),
        (version(check()), Meaning.WITNESSED, WITNESS, False),
        (version(check()), Meaning.REVIEWED, PHYSICIAN, True),
        (version(check()), Meaning.REVIEWED, OTHER_NURSE, False),
        (version(check(), recorder=PHYSICIAN), Meaning.REVIEWED, PHYSICIAN, False),
        (version(check()), Meaning.COUNTERSIGNED, PHYSICIAN, True),
        (version(check()), Meaning.COUNTERSIGNED, NURSE, False),
        (version(check(), version=2), Meaning.AMENDED, NURSE, True),
        (version(check()), Meaning.AMENDED, NURSE, False),
        (version(check(), version=2), Meaning.AMENDED, OTHER_NURSE, False),
    ],
)
def test_who_may_sign_with_which_meaning(signed, meaning, signer, allowed):
    assert (why_not(signed, meaning, signer) is None) == allowed


def test_the_hash_covers_commitment_meaning_signer_and_time():
    covered = {"commitment": bytes(32), "meaning": Meaning.AUTHORED, "signer": NURSE, "sign_time": NOW}
    changed = [
        {"commitment": bytes(31) + b"\x01"},
        {"meaning": Meaning.REVIEWED},
        {"signer": PHYSICIAN},
        {"signer": replace(NURSE, printed_name="Another")},
        {"sign_time": NOW + timedelta(microseconds=1)},
    ]
    hashes = {signature_hash(**{**covered, **change}) for change in ({}, *changed)}
    assert len(hashes) == 1 + len(changed)


def test_the_hash_is_what_sha256sum_says():
    found = signature_hash(commitment=bytes(32), meaning=Meaning.AUTHORED, signer=NURSE, sign_time=NOW)
    # sha256sum over "kat-signature/v1", a zero byte and the canonical JSON
    assert found.hex() == "1bd58818e99b716bb724b320f61863d7f7412a8de7026f1bb105a3b4188dae55"


@pytest.mark.parametrize("pin", ["140719", "112233", "909090909090", "123457"])
def test_a_good_pin(pin):
    assert pin_fault(pin) is None


@pytest.mark.parametrize(
    "pin", ["", "12345", "1234567890123", "111111", "123456", "654321", "12345a", "١٢٣٤٥٧", " 40719"]
)
def test_a_bad_pin(pin):
    assert pin_fault(pin) is not None


def test_the_sixth_attempt_waits_for_the_end_of_the_lockout():
    pin = PinAttempts("hash")
    for _ in range(5):
        assert pin.locked_until(NOW) is None
        pin = pin.attempted(NOW)
    assert pin.locked_until(NOW) == NOW + timedelta(minutes=15)
    assert pin.locked_until(NOW + timedelta(minutes=15) - timedelta(seconds=1)) is not None
    assert pin.locked_until(NOW + timedelta(minutes=15)) is None
    assert pin.attempted(NOW + timedelta(minutes=15)).attempts == 1
    assert pin.right().attempts == 0


@given(seconds=st.integers(-10, 2000))
def test_one_component_suffices_for_fifteen_minutes(seconds):
    assert is_continuous(NOW, NOW + timedelta(seconds=seconds)) == (0 <= seconds < 900)
    assert not is_continuous(None, NOW)
