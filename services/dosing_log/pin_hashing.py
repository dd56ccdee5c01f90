"""Hashing PINs with argon2id, off the event loop."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

# OWASP's setting of 19 MiB: a few checks at once must not exhaust the service's memory.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


async def hash_pin(pin: str) -> str:
    """Return the argon2id hash of a PIN, with its salt and parameters."""
    return await asyncio.to_thread(_HASHER.hash, pin)


async def verify_pin(pin_hash: str, pin: str) -> bool:
    """Say whether a PIN is the one that was hashed."""
    return await asyncio.to_thread(_verify, pin_hash, pin)


def _verify(pin_hash: str, pin: str) -> bool:
    try:
        return _HASHER.verify(pin_hash, pin)
    except VerificationError:
        return False
