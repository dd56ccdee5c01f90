"""Recording wasted drug."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from services.dosing_log.domain.amounts import DrugAmount, UnitMismatchError
from services.dosing_log.domain.contents import Administration, Wastage, WastageKind
from services.dosing_log.domain.stock import LotOnHand
from services.dosing_log.domain.values import Quantity, plain
from services.dosing_log.domain.wastage import wastage_findings
from services.dosing_log.errors import WastageMismatchError, invalid
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.dosing_log.use_cases.recording import Told, first_version
from services.dosing_log.use_cases.settling import lock_lot, settle
from services.dosing_log.use_cases.visit import Visit, open_visit
from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.identifiers import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class WastageReport:
    """Wasted drug, as told: in mg, or in mL of the lot's strength."""

    administration_id: UUID | None
    lot_id: UUID
    amount: Quantity
    kind: WastageKind
    method: str
    location: str
    witness_subject: str


async def record_wastage(command: Told[WastageReport], unit: UnitOfWork, clock: Clock, actor: Actor) -> AnyRecord:
    """Record wasted drug with its movement of stock. It waits for the witness's signature.

    What an administration left over is wasted whole and once: two records that contradict each other about the same
    drug are not taken; whichever is wrong is amended first.

    Raises:
        SessionUnknownError: no event of the session has arrived.
        InvalidArgumentError: an unknown lot or administration, a wrong unit, or the caller as own witness.
        WastageMismatchError: not what the administration left over, or wasted before.
    """
    report = command.content
    visit = await open_visit(unit, command.session_id)
    lot = await lock_lot(unit, report.lot_id, "wastage.lot")
    record_id = new_id()
    wastage = weighed(report, lot, actor)
    check_residual(wastage, visit, record_id)
    version = first_version(
        record_id, visit, wastage, event_time=command.event_time, record_time=clock.now(), recorder=actor
    ).judged(tuple(wastage_findings(wastage, lot, Decimal())))
    stored = await unit.records.add(version)
    await settle(unit, version, lot)
    return stored


def weighed(report: WastageReport, lot: LotOnHand, *recorders: Actor) -> Wastage:
    """Return the report with its amount in mg.

    Raises:
        InvalidArgumentError: mL of a lot that is not a liquid, or a recorder as own witness (rule H10).
    """
    if report.witness_subject in {recorder.subject for recorder in recorders}:
        raise invalid("wastage.witness_subject", "name another person than who records it")
    try:
        amount = DrugAmount.of(report.amount, lot.lot.strength)
    except UnitMismatchError as mismatch:
        raise invalid("wastage.amount.unit", str(mismatch)) from mismatch
    return Wastage(
        administration_id=report.administration_id,
        lot_id=report.lot_id,
        amount=amount,
        kind=report.kind,
        method=report.method,
        location=report.location,
        witness_subject=report.witness_subject,
    )


def check_residual(wastage: Wastage, visit: Visit, record_id: UUID) -> None:
    """Hold what was left over against its administration.

    Raises:
        InvalidArgumentError: no such administration in this session, or of another lot.
        WastageMismatchError: not what the administration left over, or wasted before.
    """
    if wastage.administration_id is None:
        return
    given = visit.find(Administration, wastage.administration_id)
    if given is None:
        raise invalid("wastage.administration", "write the record of an administration of this session")
    left = given.version.content
    if left.lot_id != wastage.lot_id:
        raise invalid("wastage.lot", "write the lot that the administration drew from")
    if left.wasted.mg != wastage.amount.mg:
        message = f"The administration left {plain(left.wasted.mg)} mg to be wasted; amend the one that is wrong"
        raise WastageMismatchError(message, reason="WASTAGE_MISMATCH")
    if visit.wasted(wastage.administration_id, but=record_id):
        raise WastageMismatchError("What this administration left over was wasted before", reason="WASTAGE_REPEATED")
