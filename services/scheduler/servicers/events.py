"""What the scheduler does with the events of other services."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kat.events.v1.events_pb2 import Event
from services.runtime.clock import Clock
from services.runtime.errors import InvalidArgumentError, NotFoundError
from services.runtime.events.inbox import Handler, RejectEvent, RetryLater
from services.scheduler.convert import events as convert
from services.scheduler.servicers.calls import UnitMaker
from services.scheduler.use_cases import reviews, treatment


def event_handlers(unit: UnitMaker, clock: Clock) -> Mapping[str, Handler]:
    """Return the handler of each payload that has an effect here."""

    async def dose_administered(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        dose = convert.dose_given(event.dose_administered)
        await treatment.record_dose(dose, unit(connection, organization_id), clock)

    async def patient_discharged(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        session_id = convert.departed(event.patient_discharged)
        await treatment.record_departure(session_id, unit(connection, organization_id), clock)

    async def assessment_recorded(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        assessment = convert.assessed(event.assessment_recorded)
        await reviews.record_assessment(assessment, unit(connection, organization_id))

    return {
        "dose_administered": _fact(dose_administered),
        "patient_discharged": _fact(patient_discharged),
        "assessment_recorded": _fact(assessment_recorded),
    }


def _fact(handler: Handler) -> Handler:
    """Let a handler wait for a session that is not known yet: a fact is never refused."""

    async def handle(connection: AsyncConnection, organization_id: UUID, event: Event) -> None:
        try:
            await handler(connection, organization_id, event)
        except NotFoundError as error:
            raise RetryLater("SESSION_UNKNOWN") from error
        except InvalidArgumentError as error:
            raise RejectEvent("MALFORMED") from error

    return handle
