"""Checking JSON Web Tokens against the keys of an OpenID Connect issuer."""

import asyncio
import hashlib
import json
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt

from services.runtime.errors import UnauthenticatedError, UnavailableError

# Asymmetric algorithms alone: with HS256 whoever knows the public key could sign.
ALGORITHMS = ("EdDSA", "ES256", "RS256", "PS256")
LEEWAY_SECONDS = 10
REFRESH_SECONDS = 300
REFRESH_AT_MOST_EVERY_SECONDS = 10
# A signature takes longer to check than the rest of a small call, and callers send the same token many times.
REMEMBERED_TOKENS = 4_096


class TokenVerifier:
    """Verifies tokens of one issuer.

    Args:
        issuer: the exact `iss`.
        audience: the `aud` that a token must hold.
        keys: where the issuer's JSON Web Key Set is: a file, or an https address.
    """

    def __init__(self, *, issuer: str, audience: str, keys: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._source = keys
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = -float("inf")
        self._lock = asyncio.Lock()
        self._verified: dict[bytes, Mapping[str, object]] = {}

    async def verify(self, token: str) -> Mapping[str, object]:
        """Return the claims of a valid token.

        Raises:
            UnauthenticatedError: it is malformed, expired, not yet valid, or of another issuer, audience or key.
            UnavailableError: the issuer's keys cannot be read and none are known.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and self._age() <= REFRESH_SECONDS and not _has_expired(known):
            return known
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid", "")))
            claims = self._decode(token, key)
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(_explain(error), reason="TOKEN_INVALID") from error
        if len(self._verified) >= REMEMBERED_TOKENS:
            self._verified.clear()
        self._verified[digest] = claims
        return claims

    def _age(self) -> float:
        """Return how many seconds ago the keys were read."""
        return time.monotonic() - self._read_at

    def _decode(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
        )

    async def _key(self, key_id: str) -> jwt.PyJWK:
        age = self._age()
        if age > REFRESH_SECONDS or (key_id not in self._keys and age > REFRESH_AT_MOST_EVERY_SECONDS):
            async with self._lock:
                await self._refresh()
        if key_id not in self._keys:
            raise jwt.InvalidKeyError("unknown key")
        return self._keys[key_id]

    async def _refresh(self) -> None:
        if self._age() < REFRESH_AT_MOST_EVERY_SECONDS:
            return
        self._verified = {}  # a token is believed no longer than the keys that it was checked with
        try:
            content = await asyncio.to_thread(_read, self._source)
            self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(json.loads(content)).keys if key.key_id}
        except (OSError, ValueError, AttributeError, jwt.PyJWTError) as error:  # AttributeError: not a key set
            if not self._keys:
                raise UnavailableError("The issuer's keys cannot be read; try again", reason="ISSUER_AWAY") from error
        self._read_at = time.monotonic()


def _has_expired(claims: Mapping[str, object]) -> bool:
    return float(str(claims["exp"])) + LEEWAY_SECONDS <= time.time()


def _read(source: str) -> bytes:
    if source.startswith("https://"):
        with urllib.request.urlopen(source, timeout=5) as answer:  # noqa: S310 - https alone
            return bytes(answer.read(1_000_000))
    return Path(source).read_bytes()


def _explain(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "The token has expired; get a new one"
        case jwt.ImmatureSignatureError():
            return "The token is not valid yet; check the clocks"
        case jwt.InvalidAudienceError() | jwt.InvalidIssuerError():
            return "The token is for another audience or of another issuer"
        case _:
            return "The token is not valid; get a new one"
