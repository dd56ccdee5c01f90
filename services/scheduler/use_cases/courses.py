"""Enrolling patients and reviewing their screening."""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.errors import Blocker, FieldViolation, InvalidArgumentError
from services.runtime.identifiers import new_id
from services.scheduler.domain.course import Consent, Course, CourseState, Decision, Screening, treatment_blockers
from services.scheduler.domain.protocol import LimitCode, Protocol
from services.scheduler.domain.roster import Patient
from services.scheduler.errors import CourseOpenError, ScreeningRefusedError, StaleEtagError, WrongStateError
from services.scheduler.ports.unit import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollPatient:
    """A patient to enrol for a course."""

    patient_id: UUID
    protocol_id: UUID
    screening: Screening


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewScreening:
    """A supervisor's decision on a course as they read it. `reason` is empty where none was given."""

    course_id: UUID
    etag: str
    decision: Decision
    reason: str


async def enroll_patient(command: EnrollPatient, unit: UnitOfWork, clock: Clock, actor: Actor) -> Course:
    """Record an enrolment as it is, for a supervisor to review; it lets nothing be booked yet.

    Raises:
        NotFoundError: the patient or the protocol is not known.
        InvalidArgumentError: the consent claims to be valid for longer than the protocol lets any be.
        CourseOpenError: the patient has an open course of that protocol code.
    """
    patient = await unit.roster.patient(command.patient_id)
    protocol = await unit.protocols.get(command.protocol_id)
    check_validity("screening.consent_expire_date", command.screening.consent, protocol, today_of(patient, clock))
    if (other := await unit.courses.open_course(patient.patient_id, protocol.code)) is not None:
        raise CourseOpenError(other)
    course = Course(
        course_id=new_id(),
        patient_id=patient.patient_id,
        birth_date=patient.birth_date,
        protocol_id=protocol.protocol_id,
        protocol_code=protocol.code,
        minimum_age=protocol.minimum_age,
        interval_days=protocol.interval_days,
        session_cap=protocol.sessions_planned,
        session_maximum=protocol.session_maximum,
        screening=command.screening,
        state=CourseState.DRAFT,
        session_count=0,
        taken_count=0,
        review_after=protocol.review_after,
        hold_before=protocol.hold_before,
        review_base=0,
        review_told=False,
        scores=(),
        hold_reason="",
        next_eligible_date=None,
        enroller=actor,
        reviewer=None,
        review_reason="",
        revision=1,
        create_time=clock.now(),
    )
    await unit.courses.add(course)
    return await unit.courses.get(course.course_id)


async def review_screening(command: ReviewScreening, unit: UnitOfWork, clock: Clock, actor: Actor) -> Course:
    """Activate a course, or revoke it.

    Raises:
        NotFoundError: the course is not known.
        StaleEtagError: the course was changed since it was read.
        WrongStateError: the screening was reviewed before.
        InvalidArgumentError: a concern, such as a relative contraindication, is accepted without a reason.
        ScreeningRefusedError: with every blocker, where an acceptance is ruled out.
    """
    course = await unit.courses.lock(command.course_id)
    if command.etag != course.etag:
        raise StaleEtagError(course.name)
    if course.state is not CourseState.DRAFT:
        raise WrongStateError(course.name, course.state, CourseState.DRAFT)
    if command.decision is Decision.DECLINE:
        declined = course.declined(actor, command.reason)
        await unit.courses.save(declined)
        return declined
    return await _accept(course, command.reason, unit, clock, actor)


async def _accept(course: Course, reason: str, unit: UnitOfWork, clock: Clock, actor: Actor) -> Course:
    patient = await unit.roster.patient(course.patient_id)
    protocol = await unit.protocols.get(course.protocol_id)
    if found := treatment_blockers(course, today_of(patient, clock)):
        raise ScreeningRefusedError([Blocker(one.code, course.name, one.description) for one in found])
    if (concerns := course.screening.concerns(protocol.substance)) and not reason:
        listed = ", ".join(concerns)
        raise InvalidArgumentError([FieldViolation("reason", f"write why this is accepted: {listed}")])
    accepted = course.accepted(actor, reason)
    await unit.courses.save(accepted)
    await unit.events.course_activated(accepted)
    return accepted


def check_validity(path: str, consent: Consent, protocol: Protocol, today: date) -> None:
    """Refuse a consent that claims to be valid for longer than the protocol lets any be (its CONSENT_VALIDITY).

    Raises:
        InvalidArgumentError: it does; the fault is at `path`.
    """
    validity = int(protocol.limit(LimitCode.CONSENT_VALIDITY))
    if consent.expire_date > today + timedelta(days=validity):
        text = f"a consent is valid for at most {validity} days after it is given"
        raise InvalidArgumentError([FieldViolation(path, text)])


def today_of(patient: Patient, clock: Clock) -> date:
    """Return the date in the patient's zone."""
    return clock.now().astimezone(ZoneInfo(patient.time_zone)).date()
