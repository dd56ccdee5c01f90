"""Signatures: who may sign with which meaning, what the hash covers, and the PIN as second component.

Modelled on 21 CFR 11.50, 11.70 and 11.200.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from services.dosing_log.domain.canonical import instant_text, object_to_json
from services.dosing_log.domain.contents import Administration, Content, Wastage
from services.dosing_log.domain.records import Meaning, RecordVersion
from services.runtime.actor import Actor

CONTINUOUS_SESSION = timedelta(minutes=15)
WRONG_PINS_ALLOWED = 5
LOCKOUT = timedelta(minutes=15)

_DOMAIN = b"kat-signature/v1\x00"
_SUPERVISOR = "supervisor"
_MINIMUM_PIN, _MAXIMUM_PIN = 6, 12


def signature_hash(*, commitment: bytes, meaning: Meaning, signer: Actor, sign_time: datetime) -> bytes:
    """Return SHA-256 over the version's commitment, the meaning, the signer and the time, as canonical JSON.

    The commitment covers the record's name, version and content, so the hash fits no other record.
    """
    signed = {
        "commitment": commitment.hex(),
        "meaning": meaning.value,
        "signer": object_to_json(signer),
        "sign_time": instant_text(sign_time),
    }
    # Strings alone, so that sorted keys without space are the RFC 8785 form.
    canonical = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(_DOMAIN + canonical.encode()).digest()


def why_not(version: RecordVersion[Content], meaning: Meaning, signer: Actor) -> str | None:
    """Return why this person may not sign this version with this meaning, or None where they may."""
    match meaning:
        case Meaning.AUTHORED:
            allowed, rule = signer.subject == version.recorder.subject, "only who recorded it"
        case Meaning.AMENDED:
            allowed = version.version > 1 and signer.subject == version.recorder.subject
            rule = "only who amended it, and only an amended version"
        case Meaning.ADMINISTERED:
            content = version.content
            allowed = isinstance(content, Administration) and signer.subject == content.administrator.subject
            rule = "only who gave the dose, and only an administration"
        case Meaning.WITNESSED:
            allowed, rule = _is_witness(version, signer), "only the witness that a wastage names, never its recorder"
        case Meaning.REVIEWED | Meaning.COUNTERSIGNED:
            allowed = signer.subject != version.recorder.subject and signer.has_role(_SUPERVISOR)
            rule = "only a supervisor other than who recorded it"
    return None if allowed else f"With the meaning {meaning.value} may sign {rule}"


def _is_witness(version: RecordVersion[Content], signer: Actor) -> bool:
    content = version.content
    named = isinstance(content, Wastage) and signer.subject == content.witness_subject
    return named and signer.subject != version.recorder.subject


def pin_fault(pin: str) -> str | None:
    """Return what is wrong with a new PIN, or None: six to twelve digits, not all the same and not a run."""
    if not (_MINIMUM_PIN <= len(pin) <= _MAXIMUM_PIN and pin.isascii() and pin.isdigit()):
        return "write six to twelve digits"
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    if steps in ({0}, {1}, {-1}):
        return "choose digits that are not all the same and not a run such as 123456"
    return None


@dataclass(frozen=True, slots=True)
class PinAttempts:
    """A PIN's argon2id hash, and how often it was tried since it was last right.

    An attempt is counted before the PIN is checked, so that attempts side by side gain nothing.
    """

    pin_hash: str
    attempts: int = 0
    last_attempt_time: datetime | None = None

    def locked_until(self, now: datetime) -> datetime | None:
        """Return when the lockout ends, or None where there is none now."""
        if self.attempts < WRONG_PINS_ALLOWED or self.last_attempt_time is None:
            return None
        until = self.last_attempt_time + LOCKOUT
        return until if now < until else None

    def attempted(self, now: datetime) -> "PinAttempts":
        """Return it with one more attempt; after a lockout the count begins anew."""
        earlier = self.attempts if self.attempts < WRONG_PINS_ALLOWED else 0
        return replace(self, attempts=earlier + 1, last_attempt_time=now)

    def given_back(self) -> "PinAttempts":
        """Return it without an attempt that turned out to check nothing."""
        return replace(self, attempts=max(self.attempts - 1, 0))

    def right(self) -> "PinAttempts":
        """Return it after the right PIN."""
        return replace(self, attempts=0, last_attempt_time=None)


def is_continuous(last_full: datetime | None, now: datetime) -> bool:
    """Say whether one component suffices: within 15 minutes of a signature with both in the same token session."""
    return last_full is not None and timedelta() <= now - last_full < CONTINUOUS_SESSION
