"""What is changed about a running course, by whom and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.runtime.actor import Actor
from services.scheduler.domain.course import Consent


class ChangeKind(StrEnum):
    """What was changed."""

    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENDED = "extended"
    COMPLETED = "completed"
    PROTOCOL_MOVED = "protocol_moved"
    CONSENT_RENEWED = "consent_renewed"


@dataclass(frozen=True, slots=True)
class Renewal:
    """A consent that was renewed, and the one that it replaced."""

    consent: Consent
    previous: Consent


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseChange:
    """One change. `protocol_id` and `session_cap` are the course's after it; `review_id` is what allowed it, if any.

    `renewal` is what became of the consent, where that was changed.
    """

    change_id: UUID
    course_id: UUID
    kind: ChangeKind
    actor: Actor
    reason: str
    change_time: datetime
    protocol_id: UUID
    session_cap: int
    review_id: UUID | None = None
    renewal: Renewal | None = None
