"""The scheduler's events: what this service keeps of them."""

from collections.abc import Callable, Mapping
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kat.events.v1.events_pb2 import Event, SessionSnapshot
from services.dosing_log.convert import events
from services.dosing_log.servicers.desk import UnitOn
from services.runtime.events.inbox import Handler, RejectEvent

T = TypeVar("T")


def event_handlers(unit_on: UnitOn) -> Mapping[str, Handler]:
    """Return for each event that concerns this service what it does."""

    async def protocol_installed(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        protocol = _read(lambda: events.protocol(event.protocol_installed.protocol))
        await unit_on(connection, organization_id).projection.put_protocol(protocol)

    async def course_activated(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        course = _read(lambda: events.course(event.course_activated))
        await unit_on(connection, organization_id).projection.put_course(course)

    async def session_changed(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        cancelled = event.WhichOneof("payload") == "session_cancelled"
        session = _read(lambda: events.session(_snapshot(event), cancelled=cancelled))
        await unit_on(connection, organization_id).projection.put_session(session)

    sessions = dict.fromkeys(
        (
            "session_booked",
            "session_rescheduled",
            "session_cancelled",
            "session_confirmed",
            "session_checked_in",
            "session_no_show",
            "session_extended",
            "session_supervision_changed",
        ),
        session_changed,
    )
    return {"protocol_installed": protocol_installed, "course_activated": course_activated, **sessions}


def _snapshot(event: Event) -> SessionSnapshot:
    snapshot: SessionSnapshot = getattr(event, event.WhichOneof("payload") or "").session
    return snapshot


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError:
        raise RejectEvent("MALFORMED") from None
