"""Who is written to, where, and with whose leave."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.notifications.domain.quiet_hours import QuietHours


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    SMS = "sms"


class Purpose(StrEnum):
    """What consent is for."""

    APPOINTMENTS = "appointments"
    AFTERCARE = "aftercare"


class Language(StrEnum):
    """The languages that every template has."""

    ENGLISH = "en"
    SPANISH = "es"
    GERMAN = "de"
    FRENCH = "fr"


class VerifySource(StrEnum):
    """Who says that a contact point is the person's."""

    STAFF = "staff"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A person's decision about one channel and purpose, and where it was taken."""

    channel: Channel
    purpose: Purpose
    granted: bool
    source: str
    decision_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPoint:
    """An e-mail address or an E.164 phone number; never written to before `verify_time` is set."""

    contact_point_id: UUID
    channel: Channel
    value: str = field(repr=False)
    verify_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a person beside contact points: `display_name` is the name to use, `time_zone` an IANA name."""

    patient_id: UUID
    display_name: str = field(repr=False)
    language: Language
    time_zone: str
    quiet_hours: QuietHours


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A person as they stand now; `consents` are the decisions that hold. `revision` rises with every change."""

    profile: Profile
    contact_points: Sequence[ContactPoint]
    consents: Sequence[Consent]
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderProfile:
    """How a clinic names itself to patients: a short neutral name, and an E.164 phone for questions."""

    clinic_id: UUID
    short_name: str
    phone: str


class Unreachable(StrEnum):
    """Why a person may not be written to over a channel."""

    RECIPIENT_UNKNOWN = "RECIPIENT_UNKNOWN"
    CONTACT_MISSING = "CONTACT_MISSING"
    CONTACT_UNVERIFIED = "CONTACT_UNVERIFIED"
    CONSENT_MISSING = "CONSENT_MISSING"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"


def reachable_at(recipient: Recipient | None, channel: Channel, purpose: Purpose) -> ContactPoint | Unreachable:
    """Return where a person may be written to: the contact point verified last; or why not."""
    if recipient is None:
        return Unreachable.RECIPIENT_UNKNOWN
    consent = next((c for c in recipient.consents if (c.channel, c.purpose) == (channel, purpose)), None)
    if consent is None:
        return Unreachable.CONSENT_MISSING
    if not consent.granted:
        return Unreachable.CONSENT_WITHDRAWN
    points = [point for point in recipient.contact_points if point.channel is channel]
    verified = [(point.verify_time, point) for point in points if point.verify_time is not None]
    if verified:
        return max(verified, key=lambda pair: pair[0])[1]
    return Unreachable.CONTACT_UNVERIFIED if points else Unreachable.CONTACT_MISSING


def decisions_that_hold(history: Iterable[Consent]) -> tuple[Consent, ...]:
    """Return the newest decision for each channel and purpose of a history in the order of its recording.

    Of decisions of the same instant the one recorded last holds, except that a withdrawal is never undone by them.
    """
    newest: dict[tuple[Channel, Purpose], Consent] = {}
    for consent in history:
        key = (consent.channel, consent.purpose)
        known = newest.get(key)
        if known is None or (consent.decision_time, not consent.granted) >= (known.decision_time, not known.granted):
            newest[key] = consent
    return tuple(newest.values())
