"""C2SP checkpoints (c2sp.org/tlog-checkpoint): the head of one log, as the text of a signed note.

    <origin>
    <size>
    <base64 of the root>

Extension lines, which the specification advises against because nobody can audit them, are neither written nor
accepted.
"""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from services.dosing_log.ledger.errors import MalformedError
from services.dosing_log.ledger.merkle import HASH_BYTES
from services.dosing_log.ledger.note import NoteSigner, NoteVerifier, is_key_name

_BODY = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n", re.ASCII)
_LARGEST_SIZE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the log `origin`: how many entries it has and the root of the tree over them."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """Return the note text.

        Raises:
            MalformedError: the origin cannot name a key, or size or root are out of range.
        """
        if not is_key_name(self.origin):
            raise MalformedError("an origin is not empty and has no space, plus or control character")
        if not 0 <= self.size <= _LARGEST_SIZE or len(self.root) != HASH_BYTES:
            raise MalformedError("a checkpoint has a size from 0 to 2^63-1 and a root of 32 bytes")
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode('ascii')}\n"


def parse_checkpoint(body: str) -> Checkpoint:
    """Read a note text as a checkpoint.

    Raises:
        MalformedError: not exactly an origin, a size and a root.
    """
    match = _BODY.fullmatch(body)
    if match is None:
        raise MalformedError("a checkpoint is three lines: origin, size, base64 of a 32-byte root")
    checkpoint = Checkpoint(match[1], int(match[2]), b64decode(match[3]))
    if checkpoint.body() != body:
        raise MalformedError("the root of the checkpoint is not canonical base64")
    return checkpoint


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> bytes:
    """Return the signed note of a checkpoint.

    Raises:
        MalformedError: the key is not named after the log, or the checkpoint has no exact form.
    """
    if signer.name != checkpoint.origin:
        raise MalformedError(f"the key of log {checkpoint.origin} must bear its name, not {signer.name}")
    return signer.sign(checkpoint.body())


def open_checkpoint(note: bytes, verifier: NoteVerifier) -> Checkpoint:
    """Return the checkpoint that the log's key signed.

    Raises:
        MalformedError: not a signed note, or not a checkpoint of the log that the key is named after.
        UntrustedNoteError: the key did not sign it.
    """
    checkpoint = parse_checkpoint(verifier.open(note))
    if checkpoint.origin != verifier.name:
        raise MalformedError(f"the checkpoint is of log {checkpoint.origin}, the key of {verifier.name}")
    return checkpoint
