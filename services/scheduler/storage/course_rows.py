"""Rows of courses, their reviews and changes as domain values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.runtime.actor import Actor
from services.scheduler.domain.course import Consent, Contraindication, Course, CourseState, Screening, ScreeningCheck
from services.scheduler.domain.course_change import ChangeKind, CourseChange, Renewal
from services.scheduler.domain.review import CourseReview, Observation, ReviewDecision, Score, scores_of


def course(row: Row[Any]) -> Course:
    """Return the course in a row, with `observations` as a JSON list of [instrument, total, time]."""
    return Course(
        course_id=row.course_id,
        patient_id=row.patient_id,
        birth_date=row.birth_date,
        protocol_id=row.protocol_id,
        protocol_code=row.protocol_code,
        minimum_age=row.minimum_age,
        interval_days=row.interval_days,
        session_cap=row.session_cap,
        session_maximum=row.session_maximum,
        screening=_screening(row),
        state=CourseState(row.state),
        session_count=row.session_count,
        taken_count=row.taken_count,
        review_after=row.review_after,
        hold_before=row.hold_before,
        review_base=row.review_base,
        review_told=row.review_told,
        scores=scores_of(_observation(stored) for stored in row.observations or ()),
        hold_reason=row.hold_reason,
        next_eligible_date=row.next_eligible_date,
        enroller=actor(row.enroller),
        reviewer=actor(row.reviewer) if row.reviewer else None,
        review_reason=row.review_reason,
        revision=row.revision,
        create_time=row.create_time,
    )


def _screening(row: Row[Any]) -> Screening:
    return Screening(
        contraindications=tuple(Contraindication(one) for one in row.contraindications),
        prior_treatment_trials=row.prior_treatment_trials,
        consent=Consent(row.consent_reference, row.consent_expire_date),
        checks=tuple(ScreeningCheck(one) for one in row.screening_checks),
        induction_documented=row.induction_documented,
    )


def _observation(stored: Sequence[Any]) -> Observation:
    instrument, total, observe_time = stored
    return Observation(instrument, total, datetime.fromisoformat(observe_time))


def review(row: Row[Any]) -> CourseReview:
    """Return the review in a row."""
    return CourseReview(
        review_id=row.review_id,
        course_id=row.course_id,
        decision=ReviewDecision(row.decision),
        reason=row.reason,
        reviewer=actor(row.reviewer),
        sign_time=row.sign_time,
        auth_time=row.auth_time,
        session_count=row.session_count,
        scores=tuple(_score(stored) for stored in row.scores),
    )


def score_values(score: Score) -> dict[str, Any]:
    """Return a score as it is stored with a review."""
    times = {name: getattr(score, name).isoformat() for name in ("baseline_time", "latest_time")}
    return asdict(score) | times


def _score(stored: Mapping[str, Any]) -> Score:
    times = {name: datetime.fromisoformat(stored[name]) for name in ("baseline_time", "latest_time")}
    return Score(**{**stored, **times})


def change(row: Row[Any]) -> CourseChange:
    """Return the change in a row."""
    return CourseChange(
        change_id=row.change_id,
        course_id=row.course_id,
        kind=ChangeKind(row.kind),
        actor=actor(row.actor),
        reason=row.reason,
        change_time=row.change_time,
        protocol_id=row.protocol_id,
        session_cap=row.session_cap,
        review_id=row.review_id,
        renewal=_renewal(row),
    )


def _renewal(row: Row[Any]) -> Renewal | None:
    if row.consent_reference is None:
        return None
    previous = Consent(row.previous_consent_reference, row.previous_consent_expire_date)
    return Renewal(Consent(row.consent_reference, row.consent_expire_date), previous)


def actor(stored: Mapping[str, Any]) -> Actor:
    """Return an actor as they were stored."""
    return Actor(**{**stored, "roles": tuple(stored["roles"])})
