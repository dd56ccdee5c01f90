"""What an entry commits to: canonical record bytes, a salt, and the signatures over the record.

    C     = SHA-256("kat-commit/v1" || 0x00 || salt || record)
    entry = 0x01 || C || SHA-256(signatures)                       65 bytes

`record` is RFC 8785 JSON. `signatures` is each signature, in order, as a 4-byte big-endian length followed by its
bytes; no signatures are the empty string. Whoever destroys the salt makes the commitment unlinkable to its record.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

import rfc8785

from services.dosing_log.ledger.errors import RecordError

ENTRY_VERSION = b"\x01"
ENTRY_BYTES = 65
SALT_BYTES = 32
_DOMAIN = b"kat-commit/v1\x00"
_LARGEST_INTEGER = 2**53 - 1  # RFC 8785 inherits the range of exact integers in a double

RecordValue = str | int | bool | None | Sequence["RecordValue"] | Mapping[str, "RecordValue"]


def canonical_record(record: Mapping[str, RecordValue]) -> bytes:
    """Return the RFC 8785 bytes of a record.

    Quantities are strings ("37.5"): a float is refused, because its decimal digits are not what was written.

    Raises:
        RecordError: naming the path of every value that has no exact canonical form.
    """
    members = dict(record)
    faults = list(_faults(members, "record"))
    if faults:
        raise RecordError("record cannot be made canonical: " + "; ".join(faults))
    return rfc8785.dumps(members)


def new_salt() -> bytes:
    """Return 32 random bytes."""
    return secrets.token_bytes(SALT_BYTES)


def commitment(record: bytes, salt: bytes) -> bytes:
    """Return C, the salted hash of canonical record bytes.

    Raises:
        RecordError: the salt is not 32 bytes, so that record and salt could not be told apart.
    """
    if len(salt) != SALT_BYTES:
        raise RecordError(f"a salt has {SALT_BYTES} bytes, this one has {len(salt)}")
    return sha256(_DOMAIN + salt + record).digest()


def signatures_hash(signatures: Sequence[bytes]) -> bytes:
    """Return the hash of the length-prefixed signatures; their order counts."""
    return sha256(b"".join(len(signature).to_bytes(4, "big") + signature for signature in signatures)).digest()


def ledger_entry(record: bytes, salt: bytes, signatures: Sequence[bytes] = ()) -> bytes:
    """Return the 65-byte entry that goes into the log for this record.

    Raises:
        RecordError: the salt is not 32 bytes.
    """
    return ENTRY_VERSION + commitment(record, salt) + signatures_hash(signatures)


def _faults(value: object, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if not _is_unicode(value):
            yield f"{path} has a lone surrogate"
    elif isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            yield f"{path} is an integer beyond 2^53-1; write it as a string"
    elif isinstance(value, dict):
        yield from _faults_of_object(value, path)
    elif isinstance(value, list | tuple):
        for index, element in enumerate(value):
            yield from _faults(element, f"{path}[{index}]")
    elif value is not None:
        yield f"{path} is a {type(value).__name__}; write it as a string"


def _faults_of_object(value: dict[object, object], path: str) -> Iterator[str]:
    for key, member in value.items():
        if isinstance(key, str) and _is_unicode(key):
            yield from _faults(member, f"{path}.{key}")
        else:
            yield f"{path} has a key that is not a Unicode string"


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
