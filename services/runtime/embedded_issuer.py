"""Token issuer of the embedded default: signs what `kat token` prints and what the suite's own parties present."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from services.runtime.clock import Clock
from services.runtime.embedded_files import private_folder, write_private, write_public

ISSUER: Final = "https://issuer.kat.invalid"
AUDIENCE: Final = "kat"
_ALGORITHM = "EdDSA"


class EmbeddedIssuer:
    """A token issuer in a folder: an Ed25519 key (`issuer.key`, mode 0600) made on first use, public in `jwks.json`.

    `clock` should be the machine's, which whoever checks a token goes by. One process at a time makes the key.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self.jwks_file = private_folder(folder) / "jwks.json"
        key_file = folder / "issuer.key"
        if not key_file.exists():
            write_private(key_file, _key_pem(Ed25519PrivateKey.generate()))
        self._key = _load_key(key_file)
        self._key_id = _key_id(self._key)
        public = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        keys = {"keys": [public | {"kid": self._key_id, "alg": _ALGORITHM, "use": "sig"}]}
        write_public(self.jwks_file, json.dumps(keys, indent=2).encode())

    def token(
        self,
        *,
        subject: str,
        organization: UUID | Literal["*"],
        roles: Sequence[str],
        name: str,
        credential: str = "",
        lifetime: timedelta = timedelta(hours=1),
        auth_time: datetime | None = None,
    ) -> str:
        """Sign a token that lets `subject` act in `organization` with `roles` (lower-case) from now for `lifetime`.

        `organization` "*" is every organization, which is for the suite's own services. `name` and `credential` are
        what a signature prints. `auth_time` (aware) is when the person last proved who they are: now, unless given.
        """
        now = self._clock.now()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "org": str(organization),
            "roles": list(roles),
            "name": name,
            "credential": credential,
            "auth_time": int((auth_time or now).timestamp()),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"kid": self._key_id})


def _key_id(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


def _key_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_key(file: Path) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{file} should hold an Ed25519 key; remove it to have a new one made.")
    return key
