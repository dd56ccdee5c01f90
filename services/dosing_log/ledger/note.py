"""C2SP signed notes (c2sp.org/signed-note), read and written to the byte, with Ed25519 keys (type 0x01).

    <text, ends in a newline>
    <empty line>
    — <key name> <base64(key id || signature)>        one or more

The signature covers the text with its final newline. A note is read only when writing it again gives the same bytes.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.dosing_log.ledger.errors import MalformedError, UntrustedNoteError

MAX_NOTE_BYTES = 1 << 20
MAX_SIGNATURES = 64
KEY_ID_BYTES = 4
_ED25519 = b"\x01"
_ED25519_KEY_BYTES = 32
_SIGNATURE_START = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(.+)")  # the base64 may itself contain '+'


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who says to have signed, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A well-formed note. Nothing in it may be believed before `NoteVerifier.open` accepted it."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """Return the bytes of the note.

        Raises:
            MalformedError: text, names or number of signatures are not allowed in a note.
        """
        _check_text(self.text)
        if not 0 < len(self.signatures) <= MAX_SIGNATURES:
            raise MalformedError(f"a note has 1 to {MAX_SIGNATURES} signatures, not {len(self.signatures)}")
        lines = [
            f"{_SIGNATURE_START}{_checked_name(s.name)} {_base64(s.key_id + s.signature)}\n" for s in self.signatures
        ]
        return (self.text + "\n" + "".join(lines)).encode()


def parse_note(data: bytes) -> SignedNote:
    """Read a note without believing it.

    Raises:
        MalformedError: not exactly a signed note, over 1 MiB, or over 64 signatures.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise MalformedError(f"a note has at most {MAX_NOTE_BYTES} bytes, this one has {len(data)}")
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("a note is UTF-8 text") from None
    text, boundary, signature_block = note.rpartition("\n\n")
    if not boundary or not signature_block.endswith("\n"):
        raise MalformedError("a note is a text, an empty line and signature lines that end in newlines")
    _check_text(text + "\n")
    lines = signature_block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise MalformedError(f"a note has at most {MAX_SIGNATURES} signatures, this one has {len(lines)}")
    return SignedNote(text + "\n", tuple(_parse_signature(line) for line in lines))


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A named Ed25519 public key."""

    name: str
    public_key: Ed25519PublicKey

    @classmethod
    def from_vkey(cls, vkey: str) -> "NoteVerifier":
        """Read `<name>+<8 hex digits of the key id>+<base64(0x01 || public key)>`.

        Raises:
            MalformedError: not exactly that, another key type, or a key id that is not this key's.
        """
        match = _VKEY.fullmatch(vkey)
        if match is None:
            raise MalformedError("a verifier key is <name>+<8 lowercase hex digits>+<base64>")
        name, key_id, encoded = match.groups()
        key = _decode_base64(encoded)
        if key[:1] != _ED25519 or len(key) != 1 + _ED25519_KEY_BYTES:
            raise MalformedError("the verifier key is not an Ed25519 key (type 1, 32 bytes)")
        verifier = cls(_checked_name(name), Ed25519PublicKey.from_public_bytes(key[1:]))
        if verifier.key_id.hex() != key_id:
            raise MalformedError(f"the key id of this verifier key is {verifier.key_id.hex()}, not {key_id}")
        return verifier

    @property
    def vkey(self) -> str:
        """The key in the form that auditors and other C2SP tools take."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public_key.public_bytes_raw())}"

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name || newline || type || public key)."""
        key = _ED25519 + self.public_key.public_bytes_raw()
        return sha256(self.name.encode() + b"\n" + key).digest()[:KEY_ID_BYTES]

    def open(self, data: bytes) -> str:
        """Return the text of a note that this key signed; lines of other keys are ignored.

        Raises:
            MalformedError: not a signed note.
            UntrustedNoteError: no line of this key, or one that does not verify.
        """
        note = parse_note(data)
        own = [line for line in note.signatures if (line.name, line.key_id) == (self.name, self.key_id)]
        if not own:
            raise UntrustedNoteError(f"the note is not signed by {self.name}+{self.key_id.hex()}")
        for line in own:
            try:
                self.public_key.verify(line.signature, note.text.encode())
            except InvalidSignature:
                raise UntrustedNoteError(f"invalid signature of {self.name}+{self.key_id.hex()}") from None
        return note.text


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A named Ed25519 private key."""

    name: str
    private_key: Ed25519PrivateKey

    @property
    def verifier(self) -> NoteVerifier:
        """The public half."""
        return NoteVerifier(self.name, self.private_key.public_key())

    def sign(self, text: str) -> bytes:
        """Return the note over this text with one signature.

        Raises:
            MalformedError: the text does not end in a newline, or it or the name has characters a note may not have.
        """
        signature = self.private_key.sign(text.encode())
        return SignedNote(text, (NoteSignature(self.name, self.verifier.key_id, signature),)).encode()


def is_key_name(name: str) -> bool:
    """Tell whether C2SP allows this key name: not empty, no Unicode space, no plus, no control character."""
    return bool(name) and "+" not in name and not _CONTROL.search(name) and not any(map(str.isspace, name))


def _checked_name(name: str) -> str:
    if not is_key_name(name):
        raise MalformedError("a key name is not empty and has no space, plus or control character")
    return name


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise MalformedError("the text of a note ends in a newline and has no other control character")


def _parse_signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_SIGNATURE_START).partition(" ")
    key_id_and_signature = _decode_base64(encoded)
    if not line.startswith(_SIGNATURE_START) or len(key_id_and_signature) <= KEY_ID_BYTES:
        raise MalformedError("a signature line is: em dash, key name, base64 of key id and signature")
    return NoteSignature(_checked_name(name), key_id_and_signature[:KEY_ID_BYTES], key_id_and_signature[KEY_ID_BYTES:])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode_base64(encoded: str) -> bytes:
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("not standard base64") from None
    if _base64(data) != encoded:  # Python ignores stray bits in the last character; two spellings of one value are not
        raise MalformedError("not canonical base64")
    return data
