"""Authorizing a dose: permission, which may be refused."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from uuid import UUID

from services.dosing_log.domain.contents import Authorization
from services.dosing_log.domain.records import Severity
from services.dosing_log.domain.rules.case import PER_WEIGHT, DoseCase
from services.dosing_log.domain.rules.rule import evaluate
from services.dosing_log.domain.rules.table import DOSE_RULES
from services.dosing_log.domain.values import Quantity, minutes
from services.dosing_log.errors import DoseRefusedError, invalid
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.dosing_log.use_cases.recording import first_version
from services.dosing_log.use_cases.visit import DoseAsked, open_visit
from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.identifiers import new_id

_DISPLAYED = Decimal("0.001")
_DIVISION = Context(prec=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A dose to be authorized."""

    session_id: UUID
    order_id: UUID
    lot_id: UUID
    dose: Quantity
    planned_duration: Quantity | None
    diluted: bool


async def authorize_dose(command: Proposal, unit: UnitOfWork, clock: Clock, actor: Actor) -> AnyRecord:
    """Authorize a dose for 30 minutes, once, if no hard or soft rule refuses it.

    Raises:
        DoseRefusedError: with every finding that refuses.
        SessionUnknownError, CourseUnknownError: the scheduler's events have not arrived.
        InvalidArgumentError: the lot is not known.
    """
    visit = await open_visit(unit, command.session_id)
    lot = await unit.stock.on_hand(command.lot_id)
    if lot is None:
        raise invalid("authorization.lot", "no such lot is here; receive it first")
    planned = command.planned_duration
    case = visit.dose_case(
        DoseAsked(
            at=clock.now(),
            actor=actor,
            dose_mg=command.dose.value,
            duration=minutes(planned.value) if planned else None,
            diluted=command.diluted,
            route=visit.known()[1].route,
            order_id=command.order_id,
            lot=lot,
        )
    )
    findings = evaluate(case, DOSE_RULES)
    if any(finding.severity != Severity.WARNING for finding in findings):
        raise DoseRefusedError(command.session_id, findings)
    stored = await unit.records.add(
        first_version(
            new_id(),
            visit,
            _authorization(command, case),
            event_time=case.at,
            record_time=case.at,
            recorder=actor,
            findings=findings,
        )
    )
    await unit.announcer.dose_authorized(command.session_id, stored.version.record_id)
    return stored


def _authorization(command: Proposal, case: DoseCase) -> Authorization:
    validity = case.limit("authorization.validity")
    weight = case.weight
    return Authorization(
        order_id=command.order_id,
        lot_id=command.lot_id,
        dose=command.dose,
        dose_per_weight=_per_weight(command.dose, weight.kg) if weight else None,
        weight=Quantity(weight.kg, "kg") if weight else None,
        weight_time=weight.time if weight else None,
        planned_duration=command.planned_duration,
        diluted=command.diluted,
        expire_time=case.at + minutes(validity.value.value if validity else Decimal(30)),
        protocol_id=case.protocol.protocol_id,
    )


def _per_weight(dose: Quantity, kg: Decimal) -> Quantity:
    """Return mg/kg for people, to three places; no rule reads it."""
    exact = _DIVISION.divide(dose.value, kg)
    return Quantity(exact.quantize(_DISPLAYED, rounding=ROUND_HALF_EVEN), PER_WEIGHT)
