"""Encryption of contact data by field, with a key that the database does not have."""

import hashlib
import hmac
import os
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.notifications.errors import ContactUnreadableError

KEY_BYTES = 32
_FORMAT = b"\x01"  # first byte of every stored value, so that another key or cipher can be told apart later
_NONCE_BYTES = 12


class ContactCipher:
    """Encrypts a text for one place: organization, table, column and row; elsewhere it cannot be read.

    AES-256-GCM with a random nonce. Keyed hashes find equal values without reading them, within one organization.

    Args:
        key: 32 random bytes, of which the keys for both purposes are derived.

    Raises:
        ValueError: the key has another length.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the contact key must have {KEY_BYTES} bytes")
        self._aead = AESGCM(_derive(key, b"kat notifications field encryption"))
        self._hash_key = _derive(key, b"kat notifications value lookup")

    @classmethod
    def from_file(cls, path: Path) -> "ContactCipher":
        """Return the cipher of a key file.

        Raises:
            OSError: it cannot be read.
            ValueError: it does not hold a key.
        """
        return cls(path.read_bytes())

    def encrypt(self, text: str, *, organization_id: UUID, table: str, column: str, row: UUID) -> bytes:
        """Return what is stored of a text at this place."""
        return self._seal(text.encode(), _place(organization_id, table, column, row))

    def decrypt(self, stored: bytes, *, organization_id: UUID, table: str, column: str, row: UUID) -> str:
        """Return the text.

        Raises:
            ContactUnreadableError: it was changed, belongs to another place, or was written with another key.
        """
        return self._open(stored, _place(organization_id, table, column, row)).decode()

    def lookup_hash(self, value: str, *, organization_id: UUID) -> bytes:
        """Return a keyed hash that is equal for equal values of an organization."""
        return self.fingerprint(organization_id, value.encode())

    def fingerprint(self, organization_id: UUID, request: bytes) -> bytes:
        """Return a keyed hash of a request: a plain one of a phone number would give the number away."""
        return hmac.new(self._hash_key, organization_id.bytes + request, hashlib.sha256).digest()

    def seal(self, organization_id: UUID, request_id: UUID, answer: bytes) -> bytes:
        """Return what is stored of the answer to a request, which may hold contact data."""
        return self._seal(answer, _place(organization_id, "request", "answer", request_id))

    def open(self, organization_id: UUID, request_id: UUID, stored: bytes) -> bytes:
        """Return the answer to a request.

        Raises:
            ContactUnreadableError: it was changed, belongs to another request, or was written with another key.
        """
        return self._open(stored, _place(organization_id, "request", "answer", request_id))

    def _seal(self, content: bytes, place: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._aead.encrypt(nonce, content, place)

    def _open(self, stored: bytes, place: bytes) -> bytes:
        nonce, content = stored[1 : 1 + _NONCE_BYTES], stored[1 + _NONCE_BYTES :]
        if stored[:1] != _FORMAT or len(nonce) != _NONCE_BYTES:
            raise ContactUnreadableError
        try:
            return self._aead.decrypt(nonce, content, place)
        except InvalidTag:
            raise ContactUnreadableError from None


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)


def _place(organization_id: UUID, table: str, column: str, row: UUID) -> bytes:
    return f"{organization_id}.{table}.{column}.{row}".encode()
