"""What the scheduler tells the other services: events, written to the outbox in the transaction of the change."""

from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.events.outbox import Outbox
from services.runtime.names import format_name
from services.scheduler.convert import events
from services.scheduler.domain.course import Course
from services.scheduler.domain.protocol import Protocol
from services.scheduler.domain.session import Session
from services.scheduler.domain.waitlist import WaitlistEntry


class OutboxEvents:
    """`Events` on a connection inside a transaction of one organization."""

    def __init__(self, outbox: Outbox, connection: AsyncConnection, organization_id: UUID) -> None:
        self._outbox = outbox
        self._connection = connection
        self._organization_id = organization_id

    async def protocol_installed(self, protocol: Protocol) -> None:
        """See the port."""
        await self._append(format_name("protocols", protocol.protocol_id), events.protocol_installed(protocol))

    async def course_activated(self, course: Course) -> None:
        """See the port."""
        await self._append(course.name, events.course_activated(course))

    async def course_review_due(self, course: Course, clinic_id: UUID) -> None:
        """See the port."""
        await self._append(course.name, events.course_review_due(course, clinic_id))

    async def course_completed(self, course: Course) -> None:
        """See the port."""
        await self._append(course.name, events.course_completed(course))

    async def session_protocol_changed(self, session: Session) -> None:
        """See the port."""
        await self._append(session.name, events.session_protocol_changed(session))

    async def session_booked(self, session: Session) -> None:
        """See the port."""
        # Of one that was stored just now nothing was told before.
        await self._append(session.name, events.session_booked(session), first=session.version == 1)

    async def session_rescheduled(self, session: Session, previous: Session) -> None:
        """See the port."""
        await self._append(session.name, events.session_rescheduled(session, previous))

    async def session_cancelled(self, session: Session) -> None:
        """See the port."""
        await self._append(session.name, events.session_cancelled(session))

    async def session_confirmed(self, session: Session) -> None:
        """See the port."""
        await self._append(session.name, events.session_confirmed(session))

    async def session_supervision_changed(self, session: Session) -> None:
        """See the port."""
        await self._append(session.name, events.session_supervision_changed(session))

    async def session_checked_in(self, session: Session) -> None:
        """See the port."""
        await self._append(session.name, events.session_checked_in(session))

    async def session_no_show(self, session: Session) -> None:
        """See the port."""
        await self._append(session.name, events.session_no_show(session))

    async def session_extended(self, session: Session) -> None:
        """See the port."""
        await self._append(session.name, events.session_extended(session))

    async def waitlist_offered(self, entry: WaitlistEntry, session: Session) -> None:
        """See the port."""
        await self._append(entry.name, events.waitlist_offered(entry, session))

    async def waitlist_offer_ended(self, entry: WaitlistEntry, session: Session) -> None:
        """See the port."""
        await self._append(entry.name, events.waitlist_offer_ended(entry, session))

    async def _append(self, aggregate: str, payload: Message, *, first: bool = False) -> None:
        await self._outbox.append(
            self._connection, self._organization_id, aggregate=aggregate, payload=payload, first=first
        )
