"""One unit of work: one transaction of one organization."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol as Port

from services.scheduler.ports.availability import Availability, Departures, StrandedSessions
from services.scheduler.ports.calendar_feeds import CalendarFeedRepository
from services.scheduler.ports.changes import ChangeRepository
from services.scheduler.ports.courses import CourseRecords, CourseRepository, ProtocolRepository
from services.scheduler.ports.due import DueRepository
from services.scheduler.ports.events import Events
from services.scheduler.ports.roster import RosterRepository
from services.scheduler.ports.roster_changes import RosterChanges
from services.scheduler.ports.sessions import SessionRepository
from services.scheduler.ports.slots import SlotRepository
from services.scheduler.ports.waitlist import WaitlistRepository


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
    def course_records(self) -> CourseRecords:
        """Reviews, changes and scores of courses."""
        ...

    @property
    def sessions(self) -> SessionRepository:
        """Sessions."""
        ...

    @property
    def changes(self) -> ChangeRepository:
        """What changed of sessions."""
        ...

    @property
    def slots(self) -> SlotRepository:
        """Free time."""
        ...

    @property
    def calendar_feeds(self) -> CalendarFeedRepository:
        """Calendar feeds."""
        ...

    @property
    def roster_changes(self) -> RosterChanges:
        """Changes of one resource of the roster at a time."""
        ...

    @property
    def availability(self) -> Availability:
        """Closures and exceptions of shifts."""
        ...

    @property
    def stranded(self) -> StrandedSessions:
        """Sessions that could not be booked as they stand."""
        ...

    @property
    def departures(self) -> Departures:
        """Sessions of a practitioner who leaves."""
        ...

    @property
    def due(self) -> DueRepository:
        """What is due."""
        ...

    @property
    def waitlist(self) -> WaitlistRepository:
        """The waiting list."""
        ...

    def rehearsal(self) -> AbstractAsyncContextManager[None]:
        """Open a stretch of work whose writes are undone when it ends."""
        ...

    @property
    def events(self) -> Events:
        """Where events go."""
        ...
