"""Checking an organization's ledger from the outside, sharing no code with the log.

An own reading of the published formats: RFC 6962 tree, C2SP signed note and checkpoint, opened commitments.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ED25519 = b"\x01"
_COMMITMENT_CONTEXT = b"kat-commit/v1\x00"


class LedgerFaultError(Exception):
    """The ledger does not hold together; the text names the first thing that is wrong."""


@dataclass(frozen=True, slots=True)
class CheckedLedger:
    """A checkpoint whose signature and root were found right over these many entries."""

    origin: str
    size: int
    root: bytes


def check_ledger(entries: Sequence[bytes], note: bytes, verification_key: str) -> CheckedLedger:
    """Check a signed checkpoint against all entries of the log.

    Raises:
        LedgerFaultError: the signature, the size or the root is wrong.
    """
    text = _verified_text(note, verification_key)
    origin, size_text, root_text = text.decode().splitlines()[:3]
    size, root = int(size_text), _decoded(root_text)
    if size > len(entries):
        raise LedgerFaultError(f"the checkpoint covers {size} entries, and {len(entries)} were handed over")
    if root_of(entries[:size]) != root:
        raise LedgerFaultError(f"the first {size} entries do not hash to the signed root")
    return CheckedLedger(origin, size, root)


def check_opening(entry: bytes, record: bytes, salt: bytes, signatures: Sequence[bytes]) -> None:
    """Check that a record is the one that an entry commits to.

    Raises:
        LedgerFaultError: it is another one, or its signatures are.
    """
    if entry[1:33] != hashlib.sha256(_COMMITMENT_CONTEXT + salt + record).digest():
        raise LedgerFaultError("the record is not the one that the entry commits to")
    joined = b"".join(len(signature).to_bytes(4, "big") + signature for signature in signatures)
    if entry[33:] != hashlib.sha256(joined).digest():
        raise LedgerFaultError("the signatures are not those that the entry covers")


def root_of(entries: Sequence[bytes]) -> bytes:
    """Return the RFC 6962 tree hash of entries."""
    # Each element is (height, hash) of a complete subtree, heights falling: the binary digits of the count.
    edge: list[tuple[int, bytes]] = []
    for entry in entries:
        height, node = 0, hashlib.sha256(b"\x00" + entry).digest()
        while edge and edge[-1][0] == height:
            node = hashlib.sha256(b"\x01" + edge.pop()[1] + node).digest()
            height += 1
        edge.append((height, node))
    if not edge:
        return hashlib.sha256().digest()
    root = edge.pop()[1]
    while edge:
        root = hashlib.sha256(b"\x01" + edge.pop()[1] + root).digest()
    return root


def _verified_text(note: bytes, verification_key: str) -> bytes:
    """Return the text of a signed note after checking the signature by this key."""
    name, key_hash, encoded = verification_key.split("+", 2)
    key = _decoded(encoded)
    text, _, signatures = note.rpartition(b"\n\n")
    text += b"\n"
    key_id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    if key[:1] != _ED25519 or key_id.hex() != key_hash:
        raise LedgerFaultError("the verification key is malformed")
    for line in signatures.decode().splitlines():
        dash, signer, signature_text = line.split(" ")
        signature = _decoded(signature_text)
        if dash == "—" and signer == name and signature[:4] == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], text)
            except InvalidSignature:
                raise LedgerFaultError(f"the signature of {name} is wrong") from None
            return text
    raise LedgerFaultError(f"the checkpoint carries no signature of {name}")


def _decoded(text: str) -> bytes:
    """Return the bytes of base64 in its one right spelling: the last digit has bits that a lax reader ignores."""
    content = base64.b64decode(text, validate=True)
    if base64.b64encode(content).decode() != text:
        raise LedgerFaultError("base64 in another spelling than the right one")
    return content
