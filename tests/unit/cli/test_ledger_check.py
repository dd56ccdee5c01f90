"""The outside check agrees with the ledger that it shares no code with, and refuses every change."""

import string

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.cli.ledger_check import LedgerFaultError, check_ledger, check_opening, root_of
from services.dosing_log.ledger.checkpoint import Checkpoint, sign_checkpoint
from services.dosing_log.ledger.commitment import canonical_record, ledger_entry, new_salt
from services.dosing_log.ledger.merkle import leaf_hash, tree_root
from services.dosing_log.ledger.note import NoteSigner

ORIGIN = "kat.invalid/test"
DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.generate())
KEY = SIGNER.verifier.vkey


def _log(size: int) -> tuple[list[bytes], bytes]:
    entries = [ledger_entry(canonical_record({"number": str(number)}), bytes(32)) for number in range(size)]
    root = tree_root([leaf_hash(entry) for entry in entries])
    return entries, sign_checkpoint(Checkpoint(ORIGIN, size, root), SIGNER)


@given(st.lists(st.binary(min_size=65, max_size=65), max_size=70))
def test_roots_agree(entries: list[bytes]) -> None:
    assert root_of(entries) == tree_root([leaf_hash(entry) for entry in entries])


@pytest.mark.parametrize("size", [1, 2, 3, 8, 70])
def test_a_right_ledger_is_accepted(size: int) -> None:
    entries, note = _log(size)
    assert check_ledger([*entries, b"later"], note, KEY).size == size


def test_each_changed_or_missing_entry_is_found() -> None:
    entries, note = _log(9)
    for index in range(9):
        changed = list(entries)
        changed[index] = bytes([changed[index][0]]) + bytes(64)
        with pytest.raises(LedgerFaultError, match="root"):
            check_ledger(changed, note, KEY)
    with pytest.raises(LedgerFaultError, match="9 entries"):
        check_ledger(entries[:-1], note, KEY)


def test_each_changed_byte_of_the_checkpoint_is_found() -> None:
    entries, note = _log(5)
    for position in range(len(note) - 1):
        changed = note[:position] + bytes([note[position] ^ 1]) + note[position + 1 :]
        with pytest.raises((LedgerFaultError, ValueError)):
            check_ledger(entries, changed, KEY)


def test_base64_has_one_spelling() -> None:
    entries, note = _log(2)
    line = note.decode().splitlines()[-1]
    digit = line[-2]  # 68 bytes: the last digit before the padding has two bits that a lax reader ignores
    others = [other for other in DIGITS if other != digit and DIGITS.index(other) // 4 == DIGITS.index(digit) // 4]
    assert len(others) == 3
    for other in others:
        changed = note.decode().replace(line, f"{line[:-2]}{other}=").encode()
        with pytest.raises(LedgerFaultError, match="spelling"):
            check_ledger(entries, changed, KEY)


def test_another_key_is_not_taken() -> None:
    entries, note = _log(3)
    other = NoteSigner(ORIGIN, Ed25519PrivateKey.generate()).verifier.vkey
    with pytest.raises(LedgerFaultError, match="no signature"):
        check_ledger(entries, note, other)


def test_an_opening_fits_its_own_entry_alone() -> None:
    record, salt, signatures = canonical_record({"given": "37.5"}), new_salt(), (b"one", b"two")
    entry = ledger_entry(record, salt, signatures)
    check_opening(entry, record, salt, signatures)
    for other in (
        (canonical_record({"given": "37.6"}), salt, signatures),
        (record, new_salt(), signatures),
        (record, salt, (b"two", b"one")),
        (record, salt, (b"onetwo",)),
        (record, salt, ()),
    ):
        with pytest.raises(LedgerFaultError):
            check_opening(entry, *other)
