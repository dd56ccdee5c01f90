"""A notification: a message about one thing to one person over one channel, and the states that it goes through."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.notifications.domain.people import Channel
from services.notifications.domain.rules import RULES, MessageRule


class State(StrEnum):
    """Where a notification is; all but PLANNED and SENDING are final."""

    PLANNED = "planned"
    SENDING = "sending"
    ACCEPTED = "accepted"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    AMBIGUOUS = "ambiguous"


class Reason(StrEnum):
    """Why a notification is in its state, beside the reasons of `Unreachable`."""

    SESSION_CHANGED = "SESSION_CHANGED"
    TOO_LATE = "TOO_LATE"
    QUIET_HOURS = "QUIET_HOURS"
    CAP_REACHED = "CAP_REACHED"
    SENDER_PROFILE_MISSING = "SENDER_PROFILE_MISSING"
    BLOCKED_TERM = "BLOCKED_TERM"
    CONTACT_UNREADABLE = "CONTACT_UNREADABLE"
    PREPARATION_FAILED = "PREPARATION_FAILED"
    REFUSED_BY_PROVIDER = "REFUSED_BY_PROVIDER"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    ANSWER_LOST = "ANSWER_LOST"


class SessionState(StrEnum):
    """Whether a session takes place."""

    BOOKED = "booked"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What this service knows of a session: as its newest revision has it.

    Attributes:
        time_zone: IANA zone of the clinic, in which the patient reads the time.
        calendar_uid: UID of its calendar event, random and the same for ever.
    """

    session_id: UUID
    patient_id: UUID
    clinic_id: UUID
    revision: int
    state: SessionState
    start_time: datetime
    end_time: datetime
    time_zone: str
    calendar_uid: str


NO_REVISION = 0
"""Session revision of what is about the visit that took place, not about its booking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification as it stands.

    Attributes:
        ideal_time: when its rule wants it sent; `due_time` has quiet hours considered.
        may_have_been_sent: an answer of the provider was lost, so that nobody knows.
        attempts: how often it was claimed.
        fence: proves, at each write, that the work is still this worker's.
        steps: what was decided and why, for people.
    """

    notification_id: UUID
    organization_id: UUID
    patient_id: UUID
    session_id: UUID
    session_revision: int
    clinic_id: UUID
    template_code: str
    template_version: int
    rule_code: str
    channel: Channel
    state: State
    state_reason: str
    ideal_time: datetime
    due_time: datetime
    expire_time: datetime
    create_time: datetime
    message_id: str = ""
    may_have_been_sent: bool = False
    attempts: int = 0
    fence: int = 0
    steps: Sequence[str] = ()

    @property
    def rule(self) -> MessageRule:
        """The rule that planned it."""
        return RULES[self.rule_code]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to send; `outcome` is empty while it runs, and where it was cut off."""

    attempt_id: UUID
    start_time: datetime
    message_id: str
    end_time: datetime | None = None
    outcome: str = ""


class TaskCode(StrEnum):
    """What a person has to do since no message could."""

    UNREACHABLE = "UNREACHABLE"
    UNDELIVERABLE = "UNDELIVERABLE"
    AMBIGUOUS_SEND = "AMBIGUOUS_SEND"


TASK_DESCRIPTIONS = {
    TaskCode.UNREACHABLE: (
        "This patient has no verified e-mail address with consent. Tell them about their appointments by phone or in "
        "person, or record a verified address and their consent."
    ),
    TaskCode.UNDELIVERABLE: (
        "A message to this patient could not be delivered. Tell them yourself, and check their contact data."
    ),
    TaskCode.AMBIGUOUS_SEND: (
        "Nobody knows whether a message reached this patient: the provider's answer was lost. Ask them, or tell them."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffTask:
    """Something that a person has to do."""

    task_id: UUID
    code: TaskCode
    patient_id: UUID
    notification_id: UUID | None
    create_time: datetime
    resolve_time: datetime | None = None
    resolution: str = field(default="", repr=False)
