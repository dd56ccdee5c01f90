"""Courses from and as messages."""

from typing import Any
from uuid import UUID

from kat.scheduler.v1 import course_pb2
from services.runtime.fields import Fields, actor_message, date_message, quantity_message, timestamp
from services.runtime.names import format_name
from services.scheduler.convert.common import calendar_date, next_token
from services.scheduler.domain.course import Consent, Contraindication, Course, Decision, Screening, ScreeningCheck
from services.scheduler.domain.review import Score
from services.scheduler.ports.paging import Listing
from services.scheduler.use_cases.courses import EnrollPatient, ReviewScreening

_MAXIMUM_TRIALS = 100
_DECISIONS: dict[int, Decision] = {
    course_pb2.ReviewScreeningRequest.DECISION_ACCEPT: Decision.ACCEPT,
    course_pb2.ReviewScreeningRequest.DECISION_DECLINE: Decision.DECLINE,
}
_CONTRAINDICATIONS: dict[int, Contraindication] = {
    course_pb2.Contraindication.Value(f"CONTRAINDICATION_{one}"): one for one in Contraindication
}
_CHECKS: dict[int, ScreeningCheck] = {
    course_pb2.ScreeningCheck.Value(f"SCREENING_CHECK_{one}"): one for one in ScreeningCheck
}


def enroll_patient(request: course_pb2.EnrollPatientRequest) -> EnrollPatient:
    """Read an enrolment.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    command = EnrollPatient(
        patient_id=fields.name("patient", request.patient, "patients"),
        protocol_id=fields.name("protocol", request.protocol, "protocols"),
        screening=_screening(fields, "screening", request.screening),
    )
    fields.check()
    return command


def review_screening(request: course_pb2.ReviewScreeningRequest) -> ReviewScreening:
    """Read a decision on a screening.

    Raises:
        InvalidArgumentError: every fault.
    """
    fields = Fields()
    decision = fields.enum("decision", request.decision, _DECISIONS)
    reason_needed = request.decision == course_pb2.ReviewScreeningRequest.DECISION_DECLINE
    command = ReviewScreening(
        course_id=fields.name("name", request.name, "courses"),
        etag=fields.text("etag", request.etag, maximum=100),
        decision=decision,
        reason=fields.text("reason", request.reason, minimum=int(reason_needed), maximum=2_000),
    )
    fields.check()
    return command


def patient_filter(request: course_pb2.ListCoursesRequest) -> UUID | None:
    """Read whose courses are asked for.

    Raises:
        InvalidArgumentError: it is not a patient's name.
    """
    fields = Fields()
    patient_id = fields.optional_name("patient", request.patient, "patients")
    fields.check()
    return patient_id


def course_message(course: Course) -> course_pb2.Course:
    """Return a course."""
    eligible = course.next_eligible_date
    return course_pb2.Course(
        name=format_name("courses", course.course_id),
        patient=format_name("patients", course.patient_id),
        protocol=format_name("protocols", course.protocol_id),
        screening=_screening_message(course.screening),
        state=course_pb2.Course.State.Value(f"STATE_{course.state.name}"),
        session_cap=course.session_cap,
        session_maximum=course.session_maximum,
        review=_review_state(course),
        hold_reason=course.hold_reason,
        session_count=course.session_count,
        next_eligible_date=date_message(eligible) if eligible else None,
        enroller=actor_message(course.enroller),
        reviewer=actor_message(course.reviewer) if course.reviewer else None,
        etag=course.etag,
        create_time=timestamp(course.create_time),
    )


def courses_message(request: course_pb2.ListCoursesRequest, listing: Listing[Course]) -> course_pb2.ListCoursesResponse:
    """Return a page of courses."""
    return course_pb2.ListCoursesResponse(
        courses=[course_message(course) for course in listing.items], next_page_token=next_token(request, listing)
    )


def _review_state(course: Course) -> course_pb2.ReviewState:
    return course_pb2.ReviewState(
        review_due=course.review_due,
        sessions_until_review=course.sessions_until_review,
        session_count=course.taken_count,
        scores=[score_message(score) for score in course.scores],
    )


def score_message(score: Score) -> course_pb2.Score:
    """Return how an instrument's score changed."""
    change = score.change_percent
    return course_pb2.Score(
        instrument=score.instrument,
        baseline=score.baseline,
        baseline_time=timestamp(score.baseline_time),
        latest=score.latest,
        latest_time=timestamp(score.latest_time),
        change=None if change is None else quantity_message(change, "%"),
    )


def consent(fields: Fields, prefix: str, message: Any) -> Consent:
    """Read the consent of a message that has one; `prefix` stands before its fields in their paths."""
    return Consent(
        fields.text(f"{prefix}consent_reference", message.consent_reference, maximum=200),
        calendar_date(fields, f"{prefix}consent_expire_date", message, "consent_expire_date"),
    )


def _screening(fields: Fields, path: str, message: course_pb2.Screening) -> Screening:
    found = (
        fields.enum(f"{path}.contraindications[{n}]", value, _CONTRAINDICATIONS)
        for n, value in enumerate(message.contraindications)
    )
    checks = (fields.enum(f"{path}.checks[{n}]", value, _CHECKS) for n, value in enumerate(message.checks))
    return Screening(
        contraindications=tuple(dict.fromkeys(found)),
        prior_treatment_trials=fields.integer(
            f"{path}.prior_treatment_trials", message.prior_treatment_trials, 0, _MAXIMUM_TRIALS
        ),
        consent=consent(fields, f"{path}.", message),
        checks=tuple(dict.fromkeys(checks)),
        induction_documented=message.induction_documented,
    )


def _screening_message(screening: Screening) -> course_pb2.Screening:
    return course_pb2.Screening(
        contraindications=[
            course_pb2.Contraindication.Value(f"CONTRAINDICATION_{one}") for one in screening.contraindications
        ],
        prior_treatment_trials=screening.prior_treatment_trials,
        consent_reference=screening.consent.reference,
        consent_expire_date=date_message(screening.consent.expire_date),
        checks=[course_pb2.ScreeningCheck.Value(f"SCREENING_CHECK_{one}") for one in screening.checks],
        induction_documented=screening.induction_documented,
    )
