"""Sessions that could not be booked, or go on, as they stand: the roster or a consent changed, or a dose came late."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.slots import Slot


@dataclass(frozen=True, slots=True)
class NeededHandOver:
    """From when nobody supervises a patient who is there, and who could take over; None where nobody can."""

    hand_over_time: datetime
    supervisor_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrandedSession:
    """A session to come, why it could not be booked as it stands, and where it could be moved to, best first.

    Or one that is under way and whose supervisor is called away: then `hand_over` is what it needs, and no move.
    """

    session_id: UUID
    patient_id: UUID
    clinic_id: UUID
    room_id: UUID
    time_zone: str
    interval: Interval
    reasons: tuple[BlockerCode, ...]
    proposals: tuple[Slot, ...] = ()
    hand_over: NeededHandOver | None = None
