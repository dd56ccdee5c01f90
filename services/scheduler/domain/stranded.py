"""Sessions that could not be booked as they stand, since the roster or a consent changed, or a dose came late."""

from dataclasses import dataclass
from uuid import UUID

from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.slots import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class StrandedSession:
    """A session to come, why it could not be booked as it stands, and where it could be moved to, best first."""

    session_id: UUID
    patient_id: UUID
    clinic_id: UUID
    room_id: UUID
    time_zone: str
    interval: Interval
    reasons: tuple[BlockerCode, ...]
    proposals: tuple[Slot, ...] = ()
