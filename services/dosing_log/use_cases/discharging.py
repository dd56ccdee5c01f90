"""Discharge and departure."""

from uuid import UUID

from services.dosing_log.domain.access import Purpose
from services.dosing_log.domain.contents import Administration, Departure, Discharge
from services.dosing_log.domain.discharge import Readiness, readiness
from services.dosing_log.domain.records import Finding, Severity
from services.dosing_log.errors import NotReadyForDischargeError
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.dosing_log.use_cases.reading import Reader
from services.dosing_log.use_cases.recording import Told, first_version
from services.dosing_log.use_cases.visit import Visit, open_visit, read_visit
from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.errors import Blocker
from services.runtime.identifiers import new_id


async def get_readiness(
    session_id: UUID, purpose: Purpose, unit: UnitOfWork, clock: Clock, reader: Reader
) -> Readiness:
    """Return what discharge has and needs, leaving an access record.

    Raises:
        SessionUnknownError, CourseUnknownError: the scheduler's events have not arrived.
    """
    visit = await read_visit(unit, session_id)
    await reader.granted(unit, purpose, f"sessions/{session_id}", visit.session.patient_id)
    return readiness(visit.discharge_case(clock.now()))


async def approve_discharge(
    session_id: UUID, discharge: Discharge, unit: UnitOfWork, clock: Clock, actor: Actor
) -> AnyRecord:
    """Approve discharge, if every condition is met.

    Raises:
        NotReadyForDischargeError: with every condition that is not.
        SessionUnknownError, CourseUnknownError: the scheduler's events have not arrived.
    """
    visit = await open_visit(unit, session_id)
    now = clock.now()
    found = readiness(visit.discharge_case(now))
    if not found.ready:
        missing = [
            Blocker(condition.code, f"sessions/{session_id}", f"{condition.description}; source: {condition.source}")
            for condition in found.conditions
            if not condition.met
        ]
        raise NotReadyForDischargeError(missing)
    return await unit.records.add(
        first_version(new_id(), visit, discharge, event_time=now, record_time=now, recorder=actor)
    )


async def record_departure(command: Told[Departure], unit: UnitOfWork, clock: Clock, actor: Actor) -> AnyRecord:
    """Record that the patient left: always accepted. After a dose and without an approval it is a deviation (H14).

    The first departure of a session is told to the other services; a further one is recorded alone.

    Raises:
        SessionUnknownError: no event of the session has arrived.
    """
    visit = await open_visit(unit, command.session_id)
    findings = departure_findings(command.content, visit)
    version = first_version(
        new_id(), visit, command.content, event_time=command.event_time, record_time=clock.now(), recorder=actor
    ).judged(findings)
    stored = await unit.records.add(version)
    if not visit.of(Departure):
        await unit.announcer.patient_departed(visit.session, command.event_time, against_advice=bool(findings))
    return stored


def departure_findings(departure: Departure, visit: Visit) -> tuple[Finding, ...]:
    """Return H14 where the patient left against advice, as told or since discharge was not approved after the dose."""
    if not departure.against_advice and (visit.approved() or not visit.of(Administration)):
        return ()
    left_early = Finding(
        code="H14",
        severity=Severity.HARD,
        description="The patient left before discharge was approved; follow up with them",
        source="SPRAVATO REMS; ketamine injection label",
    )
    return (left_early,)
