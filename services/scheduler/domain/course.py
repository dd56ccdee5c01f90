"""Courses of treatment: enrolment, screening and its review."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.runtime.actor import Actor
from services.runtime.names import etag_of
from services.scheduler.domain.blockers import Blocker, BlockerCode
from services.scheduler.domain.protocol import Protocol, Substance
from services.scheduler.domain.review import Score
from services.scheduler.domain.roster import anniversary


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
    BREAST_FEEDING = "BREAST_FEEDING"
    RECENT_SUICIDE_ATTEMPT = "RECENT_SUICIDE_ATTEMPT"
    SLEEP_APNOEA = "SLEEP_APNOEA"
    UNCONTROLLED_HYPERTENSION = "UNCONTROLLED_HYPERTENSION"
    STROKE = "STROKE"
    PRE_ECLAMPSIA = "PRE_ECLAMPSIA"
    UNTREATED_HYPERTHYROIDISM = "UNTREATED_HYPERTHYROIDISM"
    DEMENTIA = "DEMENTIA"


ABSOLUTE = frozenset(
    {
        Contraindication.ANEURYSMAL_VASCULAR_DISEASE,
        Contraindication.ARTERIOVENOUS_MALFORMATION,
        Contraindication.INTRACEREBRAL_HAEMORRHAGE,
        Contraindication.HYPERSENSITIVITY,
    }
)
"""Contraindications that nobody can accept (SPRAVATO label; rule H2). The others a supervisor may, with a reason."""


ADULT_AGE = 18
"""Nobody younger is given a dose, whatever the protocol (rule H3 of the clinical reference)."""
ADEQUATE_TRIALS = 2
"""So many treatments should have failed before (VA/DoD guideline 2022; SPRAVATO label)."""


class ScreeningCheck(StrEnum):
    """Something that was looked into before a course."""

    PSYCHIATRIC_EVALUATION = "PSYCHIATRIC_EVALUATION"
    MEDICAL_HISTORY = "MEDICAL_HISTORY"
    MEDICATION_REVIEW = "MEDICATION_REVIEW"
    SUBSTANCE_USE = "SUBSTANCE_USE"
    BASELINE_SEVERITY = "BASELINE_SEVERITY"
    SUICIDE_RISK = "SUICIDE_RISK"
    PREGNANCY = "PREGNANCY"
    BLOOD_PRESSURE = "BLOOD_PRESSURE"
    ESCORT_AGREED = "ESCORT_AGREED"


@dataclass(frozen=True, slots=True)
class Consent:
    """A signed consent, by its reference in the clinic's own system; valid through `expire_date`."""

    reference: str
    expire_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """What was found before a course, with the consent as it was renewed last.

    `induction_documented` is true where a completed induction with esketamine is on file.
    """

    contraindications: tuple[Contraindication, ...]
    prior_treatment_trials: int
    consent: Consent
    checks: tuple[ScreeningCheck, ...] = ()
    induction_documented: bool = False

    @property
    def absolute(self) -> tuple[Contraindication, ...]:
        """The contraindications that rule treatment out."""
        return tuple(one for one in self.contraindications if one in ABSOLUTE)

    @property
    def relative(self) -> tuple[Contraindication, ...]:
        """The contraindications that a supervisor may accept with a reason."""
        return tuple(one for one in self.contraindications if one not in ABSOLUTE)

    def concerns(self, substance: Substance) -> tuple[str, ...]:
        """Return what a supervisor may accept with a reason alone."""
        concerns: list[str] = list(self.relative)
        if self.prior_treatment_trials < ADEQUATE_TRIALS:
            concerns.append(f"fewer than {ADEQUATE_TRIALS} adequate treatments before")
        if substance is Substance.ESKETAMINE and not self.induction_documented:
            concerns.append("no documented induction")
        return tuple(concerns)


class CourseState(StrEnum):
    """The states of FHIR R4 CarePlan.status that exist here."""

    DRAFT = "draft"
    ACTIVE = "active"
    ON_HOLD = "on_hold"
    COMPLETED = "completed"
    REVOKED = "revoked"


RUNNING = frozenset({CourseState.ACTIVE, CourseState.ON_HOLD})
"""States in which a course is under way."""
NOT_ENDED = RUNNING | {CourseState.DRAFT}
"""States in which a course has not ended."""


class Decision(StrEnum):
    """What a supervisor decides on a screening."""

    ACCEPT = "accept"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A course of one patient under one protocol version.

    Attributes:
        birth_date: the patient's, as it is known now; personal data, in no error and no log.
        minimum_age: in years, from the protocol.
        interval_days: clinic-local dates from one session to the next, at least.
        session_cap: live sessions at most, now.
        session_maximum: what the cap may be raised to.
        session_count: live sessions now.
        taken_count: sessions that took place, those under way included.
        review_after: so many sessions after a review the next is due.
        hold_before: the session after a review, counted from 1, that waits for the next.
        review_base: sessions that had taken place at the last review to continue.
        review_told: whether it was told that the next review is due.
        scores: how the patient fares.
        hold_reason: why it is paused; empty unless it is.
        next_eligible_date: the first date after the interval of the last dose given, where one was given.
    """

    course_id: UUID
    patient_id: UUID
    birth_date: date
    protocol_id: UUID
    protocol_code: str
    minimum_age: int
    interval_days: int
    session_cap: int
    session_maximum: int
    screening: Screening
    state: CourseState
    session_count: int
    taken_count: int
    review_after: int
    hold_before: int
    review_base: int
    review_told: bool
    scores: tuple[Score, ...]
    hold_reason: str
    next_eligible_date: date | None
    enroller: Actor
    reviewer: Actor | None
    review_reason: str
    revision: int
    create_time: datetime

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"courses/{self.course_id}"

    @property
    def etag(self) -> str:
        """Changes with every change of the course, with each session that took place and each score."""
        return etag_of(self.revision, self.taken_count, self.scores)

    @property
    def adult_date(self) -> date:
        """The date on which the patient turns 18."""
        return anniversary(self.birth_date, ADULT_AGE)

    @property
    def of_age_date(self) -> date:
        """The first date on which the patient is old enough for the protocol."""
        return anniversary(self.birth_date, self.minimum_age)

    @property
    def review_point(self) -> int:
        """After so many sessions of the course a review is due."""
        return self.review_base + self.review_after

    @property
    def hold_from(self) -> int:
        """The first session of the course, counted from 1, that waits for a review."""
        return self.review_base + self.hold_before

    @property
    def review_due(self) -> bool:
        """Whether a supervisor's review is due."""
        return self.state in RUNNING and self.taken_count >= self.review_point

    @property
    def sessions_until_review(self) -> int:
        """How many more sessions take place before a review is due."""
        return max(0, self.review_point - self.taken_count)

    def accepted(self, reviewer: Actor, reason: str) -> "Course":
        """Return the course as it is once its screening is accepted."""
        return self._reviewed(CourseState.ACTIVE, reviewer, reason)

    def declined(self, reviewer: Actor, reason: str) -> "Course":
        """Return the course as it is once its screening is declined."""
        return self._reviewed(CourseState.REVOKED, reviewer, reason)

    def continued(self) -> "Course":
        """Return the course as it is once a review lets it go on: the next review counts from now."""
        return replace(self, review_base=self.taken_count, review_told=False, revision=self.revision + 1)

    def told(self) -> "Course":
        """Return the course as it is once it was told that its review is due; for its readers it is the same."""
        return replace(self, review_told=True)

    def extended(self, sessions: int) -> "Course":
        """Return the course as it is once it may hold more sessions."""
        return replace(self, session_cap=self.session_cap + sessions, revision=self.revision + 1)

    def paused(self, reason: str) -> "Course":
        """Return the course as it is while it is paused."""
        return replace(self, state=CourseState.ON_HOLD, hold_reason=reason, revision=self.revision + 1)

    def resumed(self) -> "Course":
        """Return the course as it is after a pause."""
        return replace(self, state=CourseState.ACTIVE, hold_reason="", revision=self.revision + 1)

    def consented(self, consent: Consent) -> "Course":
        """Return the course as it is once its consent is renewed."""
        return replace(self, screening=replace(self.screening, consent=consent), revision=self.revision + 1)

    def completed(self) -> "Course":
        """Return the course as it is once it is ended."""
        return replace(self, state=CourseState.COMPLETED, hold_reason="", revision=self.revision + 1)

    def following(self, protocol: Protocol) -> "Course":
        """Return the course under another version of its protocol; what was told stands where it still holds."""
        moved = replace(
            self,
            protocol_id=protocol.protocol_id,
            minimum_age=protocol.minimum_age,
            interval_days=protocol.interval_days,
            session_maximum=protocol.session_maximum,
            review_after=protocol.review_after,
            hold_before=protocol.hold_before,
            revision=self.revision + 1,
        )
        return replace(moved, review_told=self.review_told and moved.review_due)

    def _reviewed(self, state: CourseState, reviewer: Actor, reason: str) -> "Course":
        return replace(self, state=state, reviewer=reviewer, review_reason=reason, revision=self.revision + 1)


def treatment_blockers(course: Course, on: date) -> list[Blocker]:
    """Return what in a course's screening, or in the patient's age, rules out treatment on a date.

    The minimum age is the protocol's, with its source there; none is under 18 (rule H3 of the clinical reference).
    """
    screening, blockers = course.screening, []
    if screening.absolute:
        listed = ", ".join(screening.absolute)
        text = f"absolute contraindication: {listed}; the patient cannot be treated"
        blockers.append(Blocker(BlockerCode.CONTRAINDICATION, text))
    if screening.consent.expire_date < on:
        text = f"no consent is valid on {on}; obtain a new one and renew it (RenewConsent)"
        blockers.append(Blocker(BlockerCode.CONSENT_MISSING, text))
    if course.of_age_date > on:
        text = f"the patient is younger than {course.minimum_age} on {on}; correct the date of birth if it is wrong"
        blockers.append(Blocker(BlockerCode.UNDER_AGE, text))
    return blockers
