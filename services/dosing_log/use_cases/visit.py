"""A visit: one session of one patient, with the records that its next step is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from services.dosing_log.domain.contents import (
    Administration,
    Assessment,
    Authorization,
    Check,
    Content,
    Departure,
    Discharge,
    Order,
    VitalSigns,
    Wastage,
)
from services.dosing_log.domain.discharge import DischargeCase
from services.dosing_log.domain.protocols import Protocol
from services.dosing_log.domain.records import Meaning, StoredRecord
from services.dosing_log.domain.rules.case import DoseCase, PastDose, PlacedOrder, Taken, Weighing
from services.dosing_log.domain.rules.given import GrantedAuthorization
from services.dosing_log.domain.sessions import Course, Planned, Session
from services.dosing_log.domain.stock import LotOnHand
from services.dosing_log.domain.values import Route
from services.dosing_log.errors import CourseUnknownError, SessionUnknownError
from services.dosing_log.ports import AnyRecord, UnitOfWork
from services.runtime.actor import Actor

T = TypeVar("T", bound=Content)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseAsked:
    """A dose to be judged: asked for at `at`, or given from then on."""

    at: datetime
    actor: Actor
    dose_mg: Decimal
    duration: timedelta | None
    diluted: bool
    route: Route
    order_id: UUID | None
    lot: LotOnHand
    record_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A session with what is known around it. Records are present versions, the newest event first."""

    session: Session
    course: Course | None
    protocol: Protocol | None
    records: Sequence[AnyRecord]

    def of(self, cls: type[T], *, here: bool = True) -> tuple[StoredRecord[T], ...]:
        """Return the records with contents of a class, of this session alone or of every session that was read."""
        return tuple(
            record  # type: ignore[misc]  # the class was just checked
            for record in self.records
            if isinstance(record.version.content, cls)
            and (not here or record.version.session_id == self.session.session_id)
        )

    def find(self, cls: type[T], record_id: UUID | None) -> StoredRecord[T] | None:
        """Return one of this session's records."""
        return next((record for record in self.of(cls) if record.version.record_id == record_id), None)

    def known(self) -> tuple[Course, Protocol]:
        """Return course and protocol.

        Raises:
            CourseUnknownError: one of them has not arrived.
        """
        if self.course is None or self.protocol is None:
            raise CourseUnknownError
        return self.course, self.protocol

    def order(self, record_id: UUID | None) -> PlacedOrder | None:
        """Return an order of the patient's, with whether its prescriber signed this version of it."""
        for placed in self.of(Order, here=False):
            if placed.version.record_id == record_id:
                prescriber = placed.version.content.prescriber.subject
                signed = any(placed.signed_by(prescriber, meaning) for meaning in (Meaning.AUTHORED, Meaning.AMENDED))
                return PlacedOrder(placed.version.content, placed.version.event_time, signed)
        return None

    def granted(self, authorization_id: UUID | None, record_id: UUID) -> GrantedAuthorization | None:
        """Return an authorization of this session; used where a dose recorded before `record_id` names it."""
        found = self.find(Authorization, authorization_id)
        if found is None:
            return None
        used = any(
            dose.version.content.authorization_id == authorization_id and dose.version.record_id < record_id
            for dose in self.of(Administration, here=False)
        )
        return GrantedAuthorization(found.version.content, found.version.record_time, used)

    def dose_case(self, asked: DoseAsked) -> DoseCase:
        """Gather the facts that a dose is judged by.

        Raises:
            CourseUnknownError: course or protocol has not arrived.
        """
        course, protocol = self.known()
        earlier = replace(self, records=[r for r in self.records if r.version.event_time <= asked.at])
        checks = earlier.of(Check)
        return DoseCase(
            at=asked.at,
            session=self.session,
            course=course,
            protocol=protocol,
            actor=asked.actor,
            dose_mg=asked.dose_mg,
            duration=asked.duration,
            diluted=asked.diluted,
            route=asked.route,
            order=self.order(asked.order_id),
            lot=asked.lot,
            check=checks[0].version.content if checks else None,
            vitals=earlier.vitals(),
            weighings=earlier.weighings(),
            assessments=earlier.assessments(here=False),
            doses=self._doses(but=asked.record_id),
        )

    def discharge_case(self, now: datetime) -> DischargeCase:
        """Gather the facts that discharge is judged by.

        Raises:
            CourseUnknownError: course or protocol has not arrived.
        """
        _, protocol = self.known()
        checks = self.of(Check)
        return DischargeCase(
            now=now,
            protocol=protocol,
            administrations=tuple(given.version.content for given in self.of(Administration)),
            vitals=self.vitals(),
            assessments=self.assessments(),
            escort_arranged=bool(checks) and checks[0].version.content.escort_arranged,
        )

    def vitals(self) -> tuple[tuple[VitalSigns, datetime], ...]:
        """Return this session's vital signs with their times."""
        return tuple((r.version.content, r.version.event_time) for r in self.of(VitalSigns))

    def assessments(self, *, here: bool = True) -> tuple[Taken, ...]:
        """Return assessments with their times."""
        return tuple(Taken(r.version.content, r.version.event_time) for r in self.of(Assessment, here=here))

    def approved(self) -> bool:
        """Say whether discharge was approved after the last dose began."""
        doses = [given.version.content.start_time for given in self.of(Administration)]
        return any(not doses or approval.version.event_time >= max(doses) for approval in self.of(Discharge))

    def wasted(self, administration_id: UUID, *, but: UUID | None = None) -> bool:
        """Say whether another record than `but` already wasted what an administration left over."""
        return any(
            wasted.version.content.administration_id == administration_id and wasted.version.record_id != but
            for wasted in self.of(Wastage)
        )

    def weighings(self) -> tuple[Weighing, ...]:
        """Return this session's weights, and those that earlier doses were judged by."""
        here = [Weighing(vitals.weight.value, time) for vitals, time in self.vitals() if vitals.weight is not None]
        earlier = [
            Weighing(authorized.weight.value, authorized.weight_time)
            for authorized in (r.version.content for r in self.of(Authorization, here=False))
            if authorized.weight is not None and authorized.weight_time is not None
        ]
        return tuple(sorted({*here, *earlier}, key=lambda weighing: weighing.time, reverse=True))

    def _doses(self, *, but: UUID | None) -> tuple[PastDose, ...]:
        left = {r.version.session_id for r in self.of(Departure, here=False)}
        given = [r for r in self.of(Administration, here=False) if r.version.record_id != but]
        return tuple(
            PastDose(
                session_id=r.version.session_id,
                course_id=r.version.content.course_id,
                start_time=r.version.content.start_time,
                given_mg=r.version.content.given.mg,
                departed=r.version.session_id in left,
            )
            for r in given
            if r.version.content.given.mg > 0
        )


async def open_visit(unit: UnitOfWork, session_id: UUID) -> Visit:
    """Return a session with its records, locked against other changes to the patient's records.

    Raises:
        SessionUnknownError: no event of the session has arrived.
    """
    planned = await unit.projection.planned(session_id)
    if planned is None:
        raise SessionUnknownError
    await unit.records.lock_patient(planned.session.patient_id)
    return await _with_records(unit, planned)


async def read_visit(unit: UnitOfWork, session_id: UUID) -> Visit:
    """Return a session with its records as they are now.

    Raises:
        SessionUnknownError: no event of the session has arrived.
    """
    planned = await unit.projection.planned(session_id)
    if planned is None:
        raise SessionUnknownError
    return await _with_records(unit, planned)


async def _with_records(unit: UnitOfWork, planned: Planned) -> Visit:
    records = await unit.records.of_visit(planned.session)
    return Visit(planned.session, planned.course, planned.protocol, records)
