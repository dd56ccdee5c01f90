"""Recording what was found or decided: orders, checks, vital signs and assessments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from services.dosing_log.domain.contents import Assessment, Check, Content, Order, VitalSigns
from services.dosing_log.domain.records import Finding, RecordVersion
from services.dosing_log.errors import invalid
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.dosing_log.use_cases.visit import Visit, open_visit
from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.identifiers import new_id

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Told(Generic[T_co]):
    """Something to be recorded for a session, and when it happened."""

    session_id: UUID
    event_time: datetime
    content: T_co


Plain = Order | Check | VitalSigns | Assessment


async def record(command: Told[Plain], unit: UnitOfWork, clock: Clock, actor: Actor) -> AnyRecord:
    """Record it.

    Raises:
        SessionUnknownError: no event of the session has arrived.
        InvalidArgumentError: an order for another course than the session's.
    """
    visit = await open_visit(unit, command.session_id)
    check_course(command.content, visit)
    stored = await unit.records.add(
        first_version(
            new_id(), visit, command.content, event_time=command.event_time, record_time=clock.now(), recorder=actor
        )
    )
    if isinstance(command.content, Assessment):
        await unit.announcer.assessment_recorded(visit.session, stored.version, command.content)
    return stored


def check_course(content: Content, visit: Visit) -> None:
    """Refuse an order for another course than the session's.

    Raises:
        InvalidArgumentError: it is for another.
    """
    if isinstance(content, Order) and content.course_id != visit.session.course_id:
        raise invalid("order.course", "write the course that the session belongs to")


def first_version(
    record_id: UUID,
    visit: Visit,
    content: Content,
    *,
    event_time: datetime,
    record_time: datetime,
    recorder: Actor,
    findings: Sequence[Finding] = (),
) -> RecordVersion[Content]:
    """Return the first version of a new record of a visit."""
    return RecordVersion(
        record_id=record_id,
        version=1,
        session_id=visit.session.session_id,
        patient_id=visit.session.patient_id,
        event_time=event_time,
        record_time=record_time,
        recorder=recorder,
        amendment_reason="",
        content=content,
        findings=tuple(findings),
    )
