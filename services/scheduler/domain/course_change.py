"""What is changed about a running course, by whom and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.runtime.actor import Actor


class ChangeKind(StrEnum):
    """What was changed."""

    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENDED = "extended"
    COMPLETED = "completed"
    PROTOCOL_MOVED = "protocol_moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseChange:
    """One change. `protocol_id` and `session_cap` are the course's after it; `review_id` is what allowed it, if any."""

    change_id: UUID
    course_id: UUID
    kind: ChangeKind
    actor: Actor
    reason: str
    change_time: datetime
    protocol_id: UUID
    session_cap: int
    review_id: UUID | None = None
