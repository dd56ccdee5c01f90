"""Recording a dose that was given: a fact, which is never refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from services.dosing_log.domain.amounts import EXACT, DrugAmount, UnitMismatchError, unaccounted_mg
from services.dosing_log.domain.contents import Administration
from services.dosing_log.domain.records import Finding, Severity
from services.dosing_log.domain.rules.given import GivenCase, GrantedAuthorization
from services.dosing_log.domain.rules.rule import by_severity, evaluate
from services.dosing_log.domain.rules.table import DOSE_RULES, GIVEN_RULES
from services.dosing_log.domain.stock import LotOnHand
from services.dosing_log.domain.values import Quantity, Route, plain
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.dosing_log.use_cases.recording import first_version
from services.dosing_log.use_cases.settling import lock_lot, settle
from services.dosing_log.use_cases.visit import DoseAsked, Visit, open_visit
from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.runtime.identifiers import new_id

_AMOUNTS = ("drawn", "given", "wasted", "returned")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministrationReport:
    """A dose that was given, as told: amounts in mg, or in mL of the lot's strength."""

    authorization_id: UUID | None
    lot_id: UUID
    route: Route
    drawn: Quantity
    given: Quantity
    wasted: Quantity
    returned: Quantity
    start_time: datetime
    end_time: datetime
    body_site: str
    supervisor_subject: str


async def record_administration(
    session_id: UUID, report: AdministrationReport, unit: UnitOfWork, clock: Clock, actor: Actor
) -> AnyRecord:
    """Record a dose with its movement of stock; what breaks a rule is stored with its findings, as a deviation.

    Raises:
        SessionUnknownError: no event of the session has arrived. It is the one fact that waits: without the session
            the dose would have no patient.
        InvalidArgumentError: the report is malformed: amounts that do not add up, an unknown lot, mL of a lot that is
            not a liquid.
    """
    visit = await open_visit(unit, session_id)
    lot = await lock_lot(unit, report.lot_id, "administration.lot")
    administration = measured(report, lot, visit.session.course_id, actor)
    record_id = new_id()
    version = first_version(
        record_id,
        visit,
        administration,
        event_time=administration.start_time,
        record_time=clock.now(),
        recorder=actor,
    ).judged(judge(visit, administration, lot, record_id))
    stored = await unit.records.add(version)
    await settle(unit, version, lot)
    if administration.given.mg:
        await unit.announcer.dose_administered(visit.session, record_id, administration.start_time)
    return stored


def measured(report: AdministrationReport, lot: LotOnHand, course_id: UUID, administrator: Actor) -> Administration:
    """Return the report with its amounts in mg, every milligram accounted for.

    Raises:
        InvalidArgumentError: mL of a lot that is not a liquid; drawn is not given + wasted + returned (rule H17).
    """
    faults, amounts = [], {}
    for name in _AMOUNTS:
        try:
            amounts[name] = DrugAmount.of(getattr(report, name), lot.lot.strength)
        except UnitMismatchError as mismatch:
            faults.append(FieldViolation(f"administration.{name}.unit", str(mismatch)))
    if not faults and (rest := unaccounted_mg(**amounts)):
        message = f"drawn must be given + wasted + returned exactly; {plain(rest)} mg are not accounted for"
        faults.append(FieldViolation("administration.drawn", message))
    if faults:
        raise InvalidArgumentError(faults)
    return Administration(
        course_id=course_id,
        authorization_id=report.authorization_id,
        lot_id=report.lot_id,
        route=report.route,
        start_time=report.start_time,
        end_time=report.end_time,
        body_site=report.body_site,
        administrator=administrator,
        supervisor_subject=report.supervisor_subject,
        **amounts,
    )


def judge(
    visit: Visit,
    administration: Administration,
    lot: LotOnHand,
    record_id: UUID,
    posted_mg: Decimal = Decimal(),
) -> Sequence[Finding]:
    """Return what the rules find in a dose that was given.

    Where an authorization covers it, the rules on the time before the dose were decided then, and only those on the
    dose itself are asked again; otherwise all are.

    Args:
        visit: the session.
        administration: the dose.
        lot: its lot as it is now.
        record_id: its record, whose own movements `posted_mg` (below zero) are not held against it.
        posted_mg: what the record's movements of this lot sum up to.
    """
    granted = visit.granted(administration.authorization_id, record_id)
    case = GivenCase(administration, granted)
    found = evaluate(case, GIVEN_RULES)
    if visit.course is None or visit.protocol is None:
        return by_severity((*found, _not_judged()))
    before = replace(lot, balance_mg=EXACT.subtract(lot.balance_mg, posted_mg))
    asked = _asked(administration, granted, before, record_id)
    rules = [rule for rule in DOSE_RULES if rule.of_fact or not case.authorized]
    return by_severity((*found, *evaluate(visit.dose_case(asked), rules)))


def _asked(
    administration: Administration, granted: GrantedAuthorization | None, lot: LotOnHand, record_id: UUID
) -> DoseAsked:
    return DoseAsked(
        at=administration.start_time,
        actor=administration.administrator,
        dose_mg=administration.given.mg,
        duration=administration.end_time - administration.start_time,
        diluted=granted is not None and granted.authorization.diluted,
        route=administration.route,
        order_id=granted.authorization.order_id if granted else None,
        lot=lot,
        record_id=record_id,
    )


def _not_judged() -> Finding:
    return Finding(
        code="D7",
        severity=Severity.HARD,
        description="Course or protocol was not known here yet, so that the dose rules were not asked; review the dose",
        source="project default",
    )
