"""What the use cases need of sessions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.booking import Assignment, Surroundings
from services.scheduler.domain.cadence import Commitment
from services.scheduler.domain.course import Course
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.session import Plan, Session, SessionState
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.roster import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to store, booked."""

    session_id: UUID
    course: Course
    place: Place
    plan: Plan
    assignment: Assignment
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions are asked for; what is left out does not count."""

    patient_id: UUID | None = None
    course_id: UUID | None = None
    clinic_id: UUID | None = None
    ends_after: datetime | None = None
    starts_before: datetime | None = None
    states: tuple[SessionState, ...] = ()


class SessionRepository(Port):
    """Sessions, who supervises them, and the doses given in them."""

    async def get(self, session_id: UUID) -> Session:
        """Return a session. Raises NotFoundError."""
        ...

    async def lock(self, session_id: UUID) -> Session:
        """Return a session, and let nothing else of its patient be scheduled until this unit of work ends."""
        ...

    async def page(self, page: Page, wanted: SessionFilter) -> Listing[Session]:
        """Return sessions by start."""
        ...

    async def standing(self, session_ids: Collection[UUID]) -> list[Session]:
        """Return these sessions as they stand now, in no order."""
        ...

    async def lock_days(self, days: Sequence[tuple[UUID, date]]) -> None:
        """Let nothing else be booked at these clinics on these dates until this unit of work ends."""
        ...

    async def commitments(self, patient_id: UUID, *, moving: UUID | None = None) -> tuple[Commitment, ...]:
        """Return the live sessions of a patient and the doses given, those of the session being moved left out."""
        ...

    async def opening(self, clinic_id: UUID, day: date) -> tuple[Interval, ...]:
        """Return a clinic's hours on a date of its clock."""
        ...

    async def around(
        self, plan: Plan, place: Place, protocol_code: str, commitments: Sequence[Commitment], *, moving: UUID | None
    ) -> Surroundings:
        """Return what is scheduled around a planned session, the one being moved left out."""
        ...

    async def add(self, new: NewSession) -> None:
        """Store a new session. Raises RaceLostError where a constraint refuses it."""
        ...

    async def move(self, session: Session, assignment: Assignment) -> None:
        """Store a session's new place in time. Raises RaceLostError where a constraint refuses it."""
        ...

    async def save_state(self, session: Session) -> None:
        """Store a session's state, confirmation, arrival and reason for cancelling."""
        ...

    async def add_dose(self, administration_id: UUID, session: Session, given: datetime, interval_days: int) -> None:
        """Store a dose, or its amended start; the sessions that stand too early after it are flagged, and no others."""
        ...
