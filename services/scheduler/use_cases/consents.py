"""Renewing the consent of a course."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.scheduler.domain.course import NOT_ENDED, RUNNING, Consent, Course
from services.scheduler.domain.course_change import ChangeKind, Renewal
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.course_changes import locked_in, note
from services.scheduler.use_cases.courses import check_validity, today_of

_PATH = "consent_expire_date"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewConsent:
    """A course, as the caller read it, and the consent that is to take the place of its own."""

    course_id: UUID
    etag: str
    consent: Consent


async def renew_consent(command: RenewConsent, unit: UnitOfWork, clock: Clock, actor: Actor) -> Course:
    """Let a course that has not ended rest on another consent; dates count in the patient's zone, as when enrolling.

    It may run out earlier than the one before, for a patient may narrow what they agreed to. Sessions after that date
    stay where they are: they are stranded, and nobody is checked in for them before they are moved or it is renewed.

    Raises:
        NotFoundError: the course is not known.
        StaleEtagError: it was changed since it was read.
        WrongStateError: it has ended.
        InvalidArgumentError: the consent has run out, or claims to be valid for longer than the protocol lets any be.
    """
    course = await locked_in(NOT_ENDED, command.course_id, command.etag, unit)
    patient = await unit.roster.patient(course.patient_id)
    today = today_of(patient, clock)
    _require_valid(command.consent, today)
    check_validity(_PATH, command.consent, await unit.protocols.get(course.protocol_id), today)
    renewed = course.consented(command.consent)
    await unit.courses.save(renewed)
    renewal = Renewal(command.consent, course.screening.consent)
    await note(ChangeKind.CONSENT_RENEWED, renewed, unit, clock, actor, renewal=renewal)
    if renewed.state in RUNNING:  # of a draft the others hear when it is activated
        await unit.events.course_activated(renewed)
    return renewed


def _require_valid(consent: Consent, today: date) -> None:
    if consent.expire_date < today:
        raise InvalidArgumentError([FieldViolation(_PATH, "the consent has run out; write a date that is not past")])
