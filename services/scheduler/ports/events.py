"""Where events go."""

from typing import Protocol as Port
from uuid import UUID

from services.scheduler.domain.course import Course
from services.scheduler.domain.protocol import Protocol
from services.scheduler.domain.session import Session
from services.scheduler.domain.waitlist import WaitlistEntry


class Events(Port):
    """Tells the other services what happened, in the transaction of the change."""

    async def protocol_installed(self, protocol: Protocol) -> None:
        """Tell of a protocol version that was taken into use."""
        ...

    async def course_activated(self, course: Course) -> None:
        """Tell of a course that runs, whole, as it is now."""
        ...

    async def course_review_due(self, course: Course, clinic_id: UUID) -> None:
        """Tell that a supervisor's review of a course is due; `clinic_id` is where its newest session took place."""
        ...

    async def course_completed(self, course: Course) -> None:
        """Tell of a course that was ended."""
        ...

    async def session_protocol_changed(self, session: Session) -> None:
        """Tell of a session that follows another version of its protocol and stays where it is."""
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

    async def session_supervision_changed(self, session: Session) -> None:
        """Tell that other clinicians supervise a session."""
        ...

    async def session_checked_in(self, session: Session) -> None:
        """Tell that the patient came."""
        ...

    async def session_no_show(self, session: Session) -> None:
        """Tell that the patient did not come."""
        ...

    async def session_extended(self, session: Session) -> None:
        """Tell that a session takes longer."""
        ...

    async def waitlist_offered(self, entry: WaitlistEntry, session: Session) -> None:
        """Tell that a slot was offered to a patient who waits."""
        ...

    async def waitlist_offer_ended(self, entry: WaitlistEntry, session: Session) -> None:
        """Tell that an offer ended without being accepted."""
        ...
