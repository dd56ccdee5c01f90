"""What the use cases need of the outside: repositories, and where events go. One unit of work is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar
from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.booking import Assignment, Surroundings
from services.scheduler.domain.cadence import Commitment
from services.scheduler.domain.course import Course
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.protocol import Protocol, ProtocolDefinition
from services.scheduler.domain.roster import Clinic, Identifier, Patient, Practitioner, Room, Shift
from services.scheduler.domain.roster_import import KnownRoster, Roster
from services.scheduler.domain.session import Plan, Session, SessionState
from services.scheduler.domain.slots import DateWithoutSlot, Slot, SlotPosition, SlotSearch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SavedRoster:
    """What an import made or changed, in the order in which it was given."""

    clinics: tuple[Clinic, ...]
    rooms: tuple[Room, ...]
    practitioners: tuple[Practitioner, ...]
    shifts: tuple[Shift, ...]
    patients: tuple[Patient, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A room with the clinic that it is in, and that clinic's zone."""

    room_id: UUID
    clinic_id: UUID
    time_zone: str


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


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: at most `size`, those after `position`, a sort key as text."""

    size: int
    position: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A part of a list; `next_position` is None after the last."""

    items: tuple[T, ...]
    next_position: tuple[str, ...] | None


class RosterRepository(Port):
    """Clinics, rooms, practitioners, shifts and patients. Those that return one raise NotFoundError."""

    async def known(self, roster: Roster) -> KnownRoster:
        """Return what is there already of what a roster names."""
        ...

    async def save(self, roster: Roster, known: KnownRoster, now: datetime) -> SavedRoster:
        """Add or change everything in a roster that has no faults."""
        ...

    async def place(self, room_id: UUID) -> Place:
        """Return where a room is."""
        ...

    async def clinic(self, clinic_id: UUID) -> Clinic:
        """Return a clinic."""
        ...

    async def clinics(self, page: Page, *, identifier: Identifier | None = None) -> Listing[Clinic]:
        """Return clinics by title."""
        ...

    async def room(self, room_id: UUID) -> Room:
        """Return a room."""
        ...

    async def rooms(
        self, page: Page, *, clinic_id: UUID | None = None, identifier: Identifier | None = None
    ) -> Listing[Room]:
        """Return rooms by clinic and title."""
        ...

    async def practitioner(self, practitioner_id: UUID) -> Practitioner:
        """Return a practitioner."""
        ...

    async def practitioners(
        self, page: Page, *, clinic_id: UUID | None = None, identifier: Identifier | None = None
    ) -> Listing[Practitioner]:
        """Return practitioners by printed name; of a clinic, those with a shift there."""
        ...

    async def shifts(self, page: Page, *, practitioner_id: UUID | None = None) -> Listing[Shift]:
        """Return shifts by practitioner, weekday and start."""
        ...

    async def patient(self, patient_id: UUID) -> Patient:
        """Return a patient."""
        ...

    async def patients(
        self, page: Page, *, clinic_id: UUID | None = None, identifier: Identifier | None = None
    ) -> Listing[Patient]:
        """Return patients in the order in which they were added."""
        ...


class ProtocolRepository(Port):
    """Protocol versions."""

    async def install(self, definitions: Sequence[ProtocolDefinition], now: datetime) -> list[Protocol]:
        """Store the versions that are not there yet, and return those that were added."""
        ...

    async def versions(self, definitions: Sequence[ProtocolDefinition]) -> list[Protocol]:
        """Return the stored version of each definition, in their order."""
        ...

    async def get(self, protocol_id: UUID) -> Protocol:
        """Return a protocol version. Raises NotFoundError."""
        ...

    async def page(self, page: Page, *, code: str = "") -> Listing[Protocol]:
        """Return protocols by code and version."""
        ...


class CourseRepository(Port):
    """Courses."""

    async def get(self, course_id: UUID) -> Course:
        """Return a course. Raises NotFoundError."""
        ...

    async def lock(self, course_id: UUID) -> Course:
        """Return a course, and let nothing else of its patient be scheduled until this unit of work ends."""
        ...

    async def page(self, page: Page, *, patient_id: UUID | None = None) -> Listing[Course]:
        """Return courses, newest first."""
        ...

    async def open_course(self, patient_id: UUID, protocol_code: str) -> UUID | None:
        """Return the draft or active course of a patient under a protocol, if there is one."""
        ...

    async def add(self, course: Course) -> None:
        """Store a new course. Raises RaceLostError where another was opened at the same moment."""
        ...

    async def save_review(self, course: Course) -> None:
        """Store a course whose screening was reviewed."""
        ...


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


class SlotRepository(Port):
    """Free time, computed by the database."""

    async def find(self, search: SlotSearch, *, limit: int, after: SlotPosition | None = None) -> list[Slot]:
        """Return free slots, best first."""
        ...

    async def without(self, search: SlotSearch) -> list[DateWithoutSlot]:
        """Return the dates without a slot by clinic and date, and why."""
        ...


class Events(Port):
    """Tells the other services what happened, in the transaction of the change."""

    async def protocol_installed(self, protocol: Protocol) -> None:
        """Tell of a protocol version that was taken into use."""
        ...

    async def course_activated(self, course: Course, adult_date: date) -> None:
        """Tell of a course whose screening was accepted; `adult_date` is when the patient turns 18."""
        ...

    async def session_booked(self, session: Session) -> None:
        """Tell of a new session."""
        ...

    async def session_rescheduled(self, session: Session, previous: Session) -> None:
        """Tell of a session that was moved; `previous` is as it was."""
        ...

    async def session_cancelled(self, session: Session) -> None:
        """Tell of a session that was cancelled."""
        ...

    async def session_confirmed(self, session: Session) -> None:
        """Tell that the patient confirmed."""
        ...

    async def session_checked_in(self, session: Session) -> None:
        """Tell that the patient came."""
        ...


class UnitOfWork(Port):
    """One transaction of one organization."""

    @property
    def roster(self) -> RosterRepository:
        """Clinics, rooms, practitioners, shifts and patients."""
        ...

    @property
    def protocols(self) -> ProtocolRepository:
        """Protocol versions."""
        ...

    @property
    def courses(self) -> CourseRepository:
        """Courses."""
        ...

    @property
    def sessions(self) -> SessionRepository:
        """Sessions."""
        ...

    @property
    def slots(self) -> SlotRepository:
        """Free time."""
        ...

    @property
    def events(self) -> Events:
        """Where events go."""
        ...
