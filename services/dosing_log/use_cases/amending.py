"""Amending a record: a new version with a reason; the one before stays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from services.dosing_log.domain.amounts import EXACT
from services.dosing_log.domain.contents import (
    Administration,
    Assessment,
    Authorization,
    Check,
    Content,
    Departure,
    Discharge,
    Kind,
    Order,
    VitalSigns,
    kind_of,
)
from services.dosing_log.domain.records import Finding
from services.dosing_log.domain.stock import LotOnHand
from services.dosing_log.domain.wastage import wastage_findings
from services.dosing_log.errors import (
    AmendmentDeniedError,
    NotAmendableError,
    RecordNotFoundError,
    StaleRecordError,
    invalid,
)
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.dosing_log.use_cases.administering import AdministrationReport, judge, measured
from services.dosing_log.use_cases.discharging import departure_findings
from services.dosing_log.use_cases.recording import check_course
from services.dosing_log.use_cases.settling import lock_lot, settle
from services.dosing_log.use_cases.visit import Visit, open_visit
from services.dosing_log.use_cases.wasting import WastageReport, check_residual, weighed
from services.runtime.actor import Actor
from services.runtime.clock import Clock

Corrected = Order | Check | VitalSigns | Assessment | AdministrationReport | WastageReport | Discharge | Departure

_SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """The whole corrected content of a record as it was read."""

    record_id: UUID
    etag: str
    event_time: datetime
    kind: Kind
    content: Corrected | None
    reason: str


async def amend_record(command: Amendment, unit: UnitOfWork, clock: Clock, actor: Actor) -> AnyRecord:
    """Add a version, judged and settled anew. Signatures stay on the version that they were made on.

    Raises:
        RecordNotFoundError: there is no such record.
        StaleRecordError: it has changed since it was read.
        NotAmendableError, AmendmentDeniedError: it is not amended at all, or not by this person.
        InvalidArgumentError: another kind of content, or malformed content.
    """
    found = await unit.records.find(command.record_id)
    if found is None:
        raise RecordNotFoundError(command.record_id)
    visit = await open_visit(unit, found.version.session_id)
    present = await unit.records.find(command.record_id)
    if present is None or present.etag != command.etag:
        raise StaleRecordError
    _check_may_amend(present.version.content, command, actor)
    content, findings, lot = await _resolve(command, present, visit, unit, actor)
    # A dose happened when it began: one time, told twice in the message.
    event_time = content.start_time if isinstance(content, Administration) else command.event_time
    version = present.version.amended(
        content, event_time=event_time, record_time=clock.now(), recorder=actor, reason=command.reason
    ).judged(findings)
    stored = await unit.records.add(version)
    await settle(unit, version, lot)
    await _announce(present, stored, visit, unit)
    return stored


def _check_may_amend(present: Content, command: Amendment, actor: Actor) -> None:
    if isinstance(present, Authorization):
        raise NotAmendableError
    if isinstance(present, Order | Discharge) and not actor.has_role(_SUPERVISOR):
        raise AmendmentDeniedError
    if command.kind != kind_of(present) or command.content is None:
        raise invalid("record.content", f'write the whole corrected "{kind_of(present).value}"')


async def _resolve(
    command: Amendment, present: AnyRecord, visit: Visit, unit: UnitOfWork, actor: Actor
) -> tuple[Content, Sequence[Finding], LotOnHand | None]:
    """Return the new content, what the rules find in it, and the lot that was locked for it."""
    corrected, before = command.content, present.version.content
    posted = await unit.stock.posted_by(command.record_id)
    if isinstance(corrected, AdministrationReport) and isinstance(before, Administration):
        lot = await lock_lot(unit, corrected.lot_id, "record.administration.lot")
        given = measured(corrected, lot, before.course_id, before.administrator)
        own = posted.get(corrected.lot_id, Decimal())
        return given, judge(visit, given, lot, command.record_id, own), lot
    if isinstance(corrected, WastageReport):
        lot = await lock_lot(unit, corrected.lot_id, "record.wastage.lot")
        wasted = weighed(corrected, lot, present.version.recorder, actor)
        check_residual(wasted, visit, command.record_id)
        own = posted.get(corrected.lot_id, Decimal())
        return wasted, tuple(wastage_findings(wasted, lot, EXACT.minus(own))), lot
    if isinstance(corrected, Discharge) and isinstance(before, Discharge):
        return replace(corrected, approver=before.approver), present.version.findings, None
    if isinstance(corrected, Departure):
        return corrected, departure_findings(corrected, visit), None
    content: Content = corrected  # type: ignore[assignment]  # reports were resolved above
    check_course(content, visit)
    return content, (), None


async def _announce(before: AnyRecord, after: AnyRecord, visit: Visit, unit: UnitOfWork) -> None:
    old, new = before.version.content, after.version
    await unit.announcer.record_amended(new.session_id, new.record_id, new.version)
    if isinstance(new.content, Assessment):
        await unit.announcer.assessment_recorded(visit.session, new, new.content)
    # The next interval counts from when the dose began: whoever counts has to hear that it began at another time.
    if (
        isinstance(new.content, Administration)
        and isinstance(old, Administration)
        and new.content.start_time != old.start_time
    ):
        await unit.announcer.dose_administered(visit.session, new.record_id, new.content.start_time)
