"""Courses of treatment: enrolment, screening and its review."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.runtime.actor import Actor
from services.scheduler.domain.blockers import Blocker, BlockerCode


class Contraindication(StrEnum):
    """Conditions that speak against treatment (rules H2 and S6 of the clinical reference)."""

    ANEURYSMAL_VASCULAR_DISEASE = "ANEURYSMAL_VASCULAR_DISEASE"
    ARTERIOVENOUS_MALFORMATION = "ARTERIOVENOUS_MALFORMATION"
    INTRACEREBRAL_HAEMORRHAGE = "INTRACEREBRAL_HAEMORRHAGE"
    HYPERSENSITIVITY = "HYPERSENSITIVITY"
    PSYCHOSIS_OR_MANIA = "PSYCHOSIS_OR_MANIA"
    PREGNANCY = "PREGNANCY"
    ACTIVE_SUBSTANCE_USE_DISORDER = "ACTIVE_SUBSTANCE_USE_DISORDER"
    UNCONTROLLED_CARDIAC_DISEASE = "UNCONTROLLED_CARDIAC_DISEASE"
    SEVERE_HEPATIC_DISEASE = "SEVERE_HEPATIC_DISEASE"
    RAISED_PRESSURE = "RAISED_PRESSURE"


ABSOLUTE = frozenset(
    {
        Contraindication.ANEURYSMAL_VASCULAR_DISEASE,
        Contraindication.ARTERIOVENOUS_MALFORMATION,
        Contraindication.INTRACEREBRAL_HAEMORRHAGE,
        Contraindication.HYPERSENSITIVITY,
    }
)
"""Contraindications that nobody can accept (SPRAVATO label; rule H2). The others a supervisor may, with a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """What was found before a course. The consent is valid through `consent_expire_date`."""

    contraindications: tuple[Contraindication, ...]
    prior_treatment_trials: int
    consent_reference: str
    consent_expire_date: date

    @property
    def absolute(self) -> tuple[Contraindication, ...]:
        """The contraindications that rule treatment out."""
        return tuple(one for one in self.contraindications if one in ABSOLUTE)

    @property
    def relative(self) -> tuple[Contraindication, ...]:
        """The contraindications that a supervisor may accept with a reason."""
        return tuple(one for one in self.contraindications if one not in ABSOLUTE)


class CourseState(StrEnum):
    """The states of FHIR R4 CarePlan.status that exist here."""

    DRAFT = "draft"
    ACTIVE = "active"
    REVOKED = "revoked"


class Decision(StrEnum):
    """What a supervisor decides on a screening."""

    ACCEPT = "accept"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A course of one patient under one protocol version.

    Attributes:
        interval_days: clinic-local dates from one session to the next, at least.
        session_cap: live sessions at most.
        session_count: live sessions now.
        next_eligible_date: the first date after the interval of the last dose given, where one was given.
    """

    course_id: UUID
    patient_id: UUID
    protocol_id: UUID
    protocol_code: str
    interval_days: int
    session_cap: int
    screening: Screening
    state: CourseState
    session_count: int
    next_eligible_date: date | None
    enroller: Actor
    reviewer: Actor | None
    review_reason: str
    revision: int
    create_time: datetime

    @property
    def etag(self) -> str:
        """Changes with every change of the course."""
        return f"r{self.revision}"

    def accepted(self, reviewer: Actor, reason: str) -> "Course":
        """Return the course as it is once its screening is accepted."""
        return self._reviewed(CourseState.ACTIVE, reviewer, reason)

    def declined(self, reviewer: Actor, reason: str) -> "Course":
        """Return the course as it is once its screening is declined."""
        return self._reviewed(CourseState.REVOKED, reviewer, reason)

    def _reviewed(self, state: CourseState, reviewer: Actor, reason: str) -> "Course":
        return replace(self, state=state, reviewer=reviewer, review_reason=reason, revision=self.revision + 1)


def treatment_blockers(screening: Screening, on: date) -> list[Blocker]:
    """Return what in a screening rules out treatment on a date."""
    blockers = []
    if screening.absolute:
        listed = ", ".join(screening.absolute)
        text = f"absolute contraindication: {listed}; the patient cannot be treated"
        blockers.append(Blocker(BlockerCode.CONTRAINDICATION, text))
    if screening.consent_expire_date < on:
        text = f"no consent is valid on {on}; obtain a new one and enrol again"
        blockers.append(Blocker(BlockerCode.CONSENT_MISSING, text))
    return blockers
