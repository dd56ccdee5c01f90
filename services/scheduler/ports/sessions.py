"""What the use cases need of sessions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.booking import Assignment, Supervisor, Surroundings
from services.scheduler.domain.cadence import Commitment
from services.scheduler.domain.course import Course
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.session import Plan, Session, SessionState, Supervision
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.ports.roster import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to store: booked, or held until `hold_expire_time`."""

    session_id: UUID
    course: Course
    place: Place
    plan: Plan
    assignment: Assignment
    create_time: datetime
    hold_expire_time: datetime | None = None


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

    async def try_lock_day(self, room_id: UUID, day: date) -> tuple[Place, bool]:
        """Return where a room is, and whether its clinic's date is locked as by `lock_days`; this never waits.

        It is not where somebody else is booking there. Raises NotFoundError.
        """
        ...

    async def commitments(self, patient_id: UUID, *, moving: UUID | None = None) -> tuple[Commitment, ...]:
        """Return the live sessions of a patient and the doses given, those of the session being moved left out."""
        ...

    async def opening(self, clinic_id: UUID, day: date) -> tuple[Interval, ...]:
        """Return a clinic's hours on a date of its clock, less the times in which it is closed."""
        ...

    async def around(self, plan: Plan, place: Place, course: Course, *, moving: UUID | None) -> Surroundings:
        """Return what is scheduled around a planned session of a course, the one being moved left out.

        All of it is as it was at one moment: of another booking it shows the whole, or nothing.
        """
        ...

    async def supervisors(
        self, interval: Interval, day: date, clinic_id: UUID, protocol_code: str, *, moving: UUID | None
    ) -> tuple[Supervisor, ...]:
        """Return all who may supervise the whole of an interval on a date at a clinic, at their ratio or not.

        What they supervise of the session being moved is left out.
        """
        ...

    async def add(self, new: NewSession) -> Session:
        """Store a new session and return it. Raises RaceLostError where a constraint refuses it."""
        ...

    async def move(self, session: Session, assignment: Assignment) -> None:
        """Store a session's new place in time. Raises RaceLostError where a constraint refuses it."""
        ...

    async def restore(self, session: Session, assignment: Assignment) -> bool:
        """Let a missed session stand again where it stood; False where a constraint refuses it: nothing is changed."""
        ...

    async def supervise(self, session: Session, since: datetime, interval: Interval, assignment: Assignment) -> None:
        """Give the supervision of a session to a clinician for an interval, and drop what was from `since` on.

        Raises RaceLostError where a constraint refuses it.
        """
        ...

    async def reassign(self, session: Session, period: Supervision, assignment: Assignment) -> None:
        """Give one period of supervision to another clinician. Raises RaceLostError where a constraint refuses it."""
        ...

    async def prolong(self, session: Session) -> None:
        """Store a session's later end. Raises RaceLostError where a constraint refuses it."""
        ...

    async def lift(self, session_ids: Sequence[UUID]) -> None:
        """Take sessions out of the schedule, within this unit of work, until `move` puts each of them back."""
        ...

    async def following(self, session: Session) -> list[Session]:
        """Return a session and the booked ones of its course after it, by start."""
        ...

    async def expire_holds(
        self, now: datetime, patient_id: UUID, days: Sequence[tuple[UUID, date]], sessions: Sequence[UUID] = ()
    ) -> int:
        """Cancel the holds of a patient, those at clinics on dates, and these, that have expired; return how many."""
        ...

    async def has_dose(self, session_id: UUID) -> bool:
        """Say whether a dose was given in a session."""
        ...

    async def save_state(self, session: Session) -> None:
        """Store a session's state, confirmation, arrival, hold and reason for cancelling.

        Raises RaceLostError where it becomes live again and a constraint refuses it.
        """
        ...

    async def follow_protocol(self, course: Course, states: Collection[SessionState], now: datetime) -> None:
        """Let a course's sessions in these states follow the version that it is on now.

        Raises RaceLostError where a constraint refuses it.
        """
        ...

    async def add_dose(self, administration_id: UUID, session: Session, given: datetime, interval_days: int) -> None:
        """Store a dose, or its amended start; the sessions that stand too early after it are flagged, and no others."""
        ...
