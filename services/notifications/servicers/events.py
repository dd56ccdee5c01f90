"""What the events of other services do here."""

from collections.abc import Callable, Mapping
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kat.events.v1.events_pb2 import Event
from services.notifications.convert import events as convert
from services.notifications.units import Units
from services.notifications.use_cases.planning import Planning, SessionChange, change_session, note_departure
from services.runtime.errors import InvalidArgumentError
from services.runtime.events.inbox import Handler, RejectEvent

Command = TypeVar("Command")

_CHANGES = {
    "session_booked": SessionChange.BOOKED,
    "session_rescheduled": SessionChange.MOVED,
    "session_cancelled": SessionChange.CANCELLED,
}


def event_handlers(units: Units, planning: Planning) -> Mapping[str, Handler]:
    """Return for each payload of an event what it does, in the transaction that notes the event as taken in."""

    async def on_session(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        kind = str(event.WhichOneof("payload"))
        snapshot = getattr(event, kind).session
        command = _read(lambda: convert.session_change(_CHANGES[kind], snapshot))
        await change_session(command, units.on(connection, organization_id), planning)

    async def on_departure(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        command = _read(lambda: convert.departure(event.patient_discharged))
        await note_departure(command, units.on(connection, organization_id), planning)

    return {**dict.fromkeys(_CHANGES, on_session), "patient_discharged": on_departure}


def _read(read: Callable[[], Command]) -> Command:
    try:
        return read()
    except InvalidArgumentError:
        raise RejectEvent("MALFORMED") from None
