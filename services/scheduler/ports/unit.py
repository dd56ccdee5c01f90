"""One unit of work: one transaction of one organization."""

from typing import Protocol as Port

from services.scheduler.ports.changes import ChangeRepository
from services.scheduler.ports.courses import CourseRepository, ProtocolRepository
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
    def events(self) -> Events:
        """Where events go."""
        ...
