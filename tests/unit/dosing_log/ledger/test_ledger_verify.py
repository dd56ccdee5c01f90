import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.dosing_log.ledger.checkpoint import Checkpoint, sign_checkpoint
from services.dosing_log.ledger.commitment import canonical_record, ledger_entry
from services.dosing_log.ledger.errors import MalformedError, UntrustedNoteError, VerificationError
from services.dosing_log.ledger.merkle import leaf_hash, tree_root
from services.dosing_log.ledger.note import NoteSigner
from services.dosing_log.ledger.verify import verify_log, verify_opening

ORIGIN = "kat.invalid/clinic"
SIGNER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
VKEY = SIGNER.verifier.vkey
SALT = bytes(32)
RECORDS = [canonical_record({"dose_mg": str(index)}) for index in range(20)]
ENTRIES = [ledger_entry(record, SALT, (b"signature",)) for record in RECORDS]
CHECKPOINT = Checkpoint(ORIGIN, len(ENTRIES), tree_root([leaf_hash(entry) for entry in ENTRIES]))
NOTE = sign_checkpoint(CHECKPOINT, SIGNER)


def test_the_entries_that_were_signed_over_are_accepted():
    assert verify_log(iter(ENTRIES), NOTE, VKEY) == CHECKPOINT


def test_an_empty_log_is_accepted():
    empty = Checkpoint(ORIGIN, 0, tree_root([]))

    assert verify_log([], sign_checkpoint(empty, SIGNER), VKEY) == empty


def test_every_changed_byte_of_every_entry_is_found():
    for index, entry in enumerate(ENTRIES):
        for at in range(len(entry)):
            changed = entry[:at] + bytes([entry[at] ^ 1]) + entry[at + 1 :]
            with pytest.raises(VerificationError):
                verify_log([*ENTRIES[:index], changed, *ENTRIES[index + 1 :]], NOTE, VKEY)


def test_dropped_swapped_added_and_cut_entries_are_found():
    for index in range(len(ENTRIES) - 1):
        swapped = [*ENTRIES[:index], ENTRIES[index + 1], ENTRIES[index], *ENTRIES[index + 2 :]]
        dropped = [*ENTRIES[:index], *ENTRIES[index + 1 :]]
        for entries in (swapped, dropped, ENTRIES[:index], [*ENTRIES, ENTRIES[index]]):
            with pytest.raises(VerificationError):
                verify_log(entries, NOTE, VKEY)


def test_the_first_bad_thing_is_named():
    with pytest.raises(VerificationError, match="entry 3 is not 65 bytes of version 1"):
        verify_log([*ENTRIES[:3], b"\x02" + ENTRIES[3][1:], b"", *ENTRIES[5:]], NOTE, VKEY)
    with pytest.raises(VerificationError, match="entry 4 is not 65 bytes"):
        verify_log([*ENTRIES[:4], b"", *ENTRIES[5:]], NOTE, VKEY)
    with pytest.raises(VerificationError, match="covers 20 entries, 19 were given"):
        verify_log(ENTRIES[:-1], NOTE, VKEY)
    with pytest.raises(VerificationError, match="do not have the root"):
        verify_log([*ENTRIES[:-1], ENTRIES[0]], NOTE, VKEY)


def test_a_checkpoint_of_another_key_or_form_is_refused():
    stranger = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))

    with pytest.raises(UntrustedNoteError):
        verify_log(ENTRIES, sign_checkpoint(CHECKPOINT, stranger), VKEY)
    with pytest.raises(MalformedError):
        verify_log(ENTRIES, SIGNER.sign("anything\n"), VKEY)
    with pytest.raises(MalformedError):
        verify_log(ENTRIES, NOTE, VKEY[:-1])


def test_an_opening_shows_what_was_recorded():
    verify_opening(record=RECORDS[7], salt=SALT, signatures=(b"signature",), entry=ENTRIES[7])


def test_an_opening_names_what_differs():
    opening = {"record": RECORDS[7], "salt": SALT, "signatures": (b"signature",), "entry": ENTRIES[7]}

    for part in ({"record": RECORDS[8]}, {"salt": b"\x01" * 32}, {"entry": ENTRIES[8]}):
        with pytest.raises(VerificationError, match="does not commit to this record with this salt"):
            verify_opening(**{**opening, **part})
    for signatures in ((), (b"signature", b""), (b"sig", b"nature")):
        with pytest.raises(VerificationError, match="does not commit to these signatures"):
            verify_opening(**{**opening, "signatures": signatures})
    with pytest.raises(VerificationError, match="the entry is not 65 bytes"):
        verify_opening(**{**opening, "entry": ENTRIES[7][:-1]})
