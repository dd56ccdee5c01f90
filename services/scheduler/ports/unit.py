"""One unit of work: one transaction of one organization."""

from typing import Protocol as Port

from services.scheduler.ports.courses import CourseRecords, CourseRepository, ProtocolRepository
from services.scheduler.ports.events import Events
from services.scheduler.ports.roster import RosterRepository
from services.scheduler.ports.sessions import SessionRepository
from services.scheduler.ports.slots import SlotRepository


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
    def slots(self) -> SlotRepository:
        """Free time."""
        ...

    @property
    def events(self) -> Events:
        """Where events go."""
        ...
