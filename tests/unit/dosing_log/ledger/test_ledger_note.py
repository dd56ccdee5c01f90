import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.dosing_log.ledger.errors import LedgerError, MalformedError, UntrustedNoteError
from services.dosing_log.ledger.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    NoteSigner,
    NoteVerifier,
    SignedNote,
    parse_note,
)

# The example of c2sp.org/signed-note.
C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

# The keys and notes of golang.org/x/mod, sumdb/note/note_test.go (BSD-3-Clause).
PETER_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH_VKEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
PETER_NOTE = f"{TEXT}\n{PETER_LINE}".encode()

PETER = NoteVerifier.from_vkey(PETER_VKEY)
ENOCH = NoteVerifier.from_vkey(ENOCH_VKEY)


def test_the_example_of_the_specification_opens():
    assert NoteVerifier.from_vkey(C2SP_VKEY).open(C2SP_NOTE) == "This is an example message.\n"


def test_signing_gives_the_bytes_that_go_gives():
    signer = NoteSigner("PeterNeumann", Ed25519PrivateKey.from_private_bytes(PETER_SEED))

    assert signer.verifier.vkey == PETER_VKEY
    assert signer.sign(TEXT) == PETER_NOTE


def test_lines_of_other_keys_are_ignored():
    note = f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}".encode()

    assert PETER.open(note) == ENOCH.open(note) == TEXT
    with pytest.raises(UntrustedNoteError, match="not signed by EnochRoot"):
        ENOCH.open(PETER_NOTE)


def test_one_bad_line_of_a_known_key_rejects_the_note():
    bad = PETER_LINE.replace("x08go/ZJ", "x08go/ZK")

    for lines in (bad, PETER_LINE + bad, bad + PETER_LINE):
        with pytest.raises(UntrustedNoteError, match="invalid signature"):
            PETER.open(f"{TEXT}\n{lines}".encode())


def test_the_name_alone_or_the_key_id_alone_is_not_the_key():
    renamed = PETER_LINE.replace("PeterNeumann", "CarmenSandiego")
    other_id = PETER_LINE.replace("x08g", "xxxx")

    assert PETER.open(f"{TEXT}\n{renamed}{other_id}{PETER_LINE}".encode()) == TEXT
    with pytest.raises(UntrustedNoteError):
        PETER.open(f"{TEXT}\n{renamed}{other_id}".encode())


def test_a_note_is_written_as_it_was_read():
    for data in (C2SP_NOTE, PETER_NOTE, f"{TEXT}\n\n{TEXT}\n{PETER_LINE}{ENOCH_LINE}".encode()):
        assert parse_note(data).encode() == data


def test_the_last_empty_line_ends_the_text():
    assert parse_note(f"a\n\nb\n\n\n{PETER_LINE}".encode()).text == "a\n\nb\n\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        PETER_NOTE[:-1],
        b"\x01" + PETER_NOTE,
        b"\xff" + PETER_NOTE,
        b"\xef\xbb" + PETER_NOTE,
        PETER_NOTE.replace(b"\n", b"\r\n"),
        PETER_NOTE.replace(b"PeterNeumann ", b"Peter Neumann "),
        PETER_NOTE.replace(b"PeterNeumann ", "Peter\u2003Neumann ".encode()),
        PETER_NOTE.replace(b"PeterNeumann ", b"Peter+Neumann "),
        PETER_NOTE.replace(b"PeterNeumann ", b" "),
        PETER_NOTE.replace("—".encode(), b"-"),
        PETER_NOTE.replace(b"JnAM=", b"JnAN="),  # other spelling of the same bytes
        PETER_NOTE.replace(b"JnAM=", b"JnAM"),
        PETER_NOTE.replace(b"JnAM=", b"JnAM= "),
        PETER_NOTE + b"Unexpected line.\n",
        PETER_NOTE + b"\n",
        f"{TEXT}\n— PeterNeumann x08gow==\n".encode(),  # a key id and no signature
        f"{TEXT}\n{PETER_LINE * (MAX_SIGNATURES + 1)}".encode(),
        b"a" * MAX_NOTE_BYTES + PETER_NOTE,
    ],
)
def test_anything_but_the_exact_form_is_malformed(data):
    with pytest.raises(MalformedError):
        PETER.open(data)


def test_as_many_signatures_as_allowed_are_read():
    assert PETER.open(f"{TEXT}\n{PETER_LINE * MAX_SIGNATURES}".encode()) == TEXT


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "null\x00\n"])
def test_a_text_that_could_not_be_read_back_is_not_signed(text):
    signer = NoteSigner("PeterNeumann", Ed25519PrivateKey.from_private_bytes(PETER_SEED))

    with pytest.raises(MalformedError):
        signer.sign(text)


def test_a_note_needs_a_signature():
    with pytest.raises(MalformedError, match="signatures"):
        SignedNote(TEXT, ()).encode()


def test_every_part_of_a_verifier_key_counts():
    pieces = {PETER_VKEY[i:j] for i in range(len(PETER_VKEY)) for j in range(i, len(PETER_VKEY) + 1)} - {PETER_VKEY}
    mutations = {
        PETER_VKEY[:at] + chr(ord(PETER_VKEY[at]) + step) + PETER_VKEY[at + 1 :]
        for at in range(len(PETER_VKEY))
        for step in (1, -1)
    }
    wrong_length = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="
    unknown_type = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

    for vkey in pieces | mutations | {wrong_length, unknown_type}:
        with pytest.raises(LedgerError):
            NoteVerifier.from_vkey(vkey)


def test_the_base64_of_a_verifier_key_may_hold_a_plus():
    # From transparency-dev/formats, note/note_cosigv1_test.go (Apache-2.0).
    vkey = "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6"

    assert NoteVerifier.from_vkey(vkey).vkey == vkey
