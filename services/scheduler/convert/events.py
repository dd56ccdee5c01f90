"""What happened, as events for the other services, and what they report."""

from typing import Any
from uuid import UUID

from kat.events.v1 import events_pb2
from services.runtime.fields import Fields, date_message, timestamp
from services.runtime.names import format_name
from services.scheduler.convert.common import interval_message
from services.scheduler.convert.protocol import protocol_message
from services.scheduler.domain.course import Course
from services.scheduler.domain.protocol import Protocol
from services.scheduler.domain.review import Assessment
from services.scheduler.domain.session import Session
from services.scheduler.domain.waitlist import WaitlistEntry
from services.scheduler.use_cases.treatment import DoseGiven

_MAXIMUM_TOTAL = 1_000
_MAXIMUM_VERSION = 1_000_000


def protocol_installed(protocol: Protocol) -> events_pb2.ProtocolInstalled:
    """Return the event of a protocol taken into use."""
    return events_pb2.ProtocolInstalled(protocol=protocol_message(protocol))


def course_activated(course: Course) -> events_pb2.CourseActivated:
    """Return the event of a course that was activated, or changed since."""
    return events_pb2.CourseActivated(
        course=format_name("courses", course.course_id),
        patient=format_name("patients", course.patient_id),
        protocol=format_name("protocols", course.protocol_id),
        adult_date=date_message(course.adult_date),
        consent_expire_date=date_message(course.screening.consent.expire_date),
        contraindications=course.screening.relative,
    )


def course_review_due(course: Course, clinic_id: UUID) -> events_pb2.CourseReviewDue:
    """Return the event of a review that is due."""
    return events_pb2.CourseReviewDue(
        course=format_name("courses", course.course_id),
        patient=format_name("patients", course.patient_id),
        clinic=format_name("clinics", clinic_id),
        session_count=course.taken_count,
    )


def course_completed(course: Course) -> events_pb2.CourseCompleted:
    """Return the event of a course that was ended."""
    return events_pb2.CourseCompleted(
        course=format_name("courses", course.course_id),
        patient=format_name("patients", course.patient_id),
        session_count=course.taken_count,
    )


def session_protocol_changed(session: Session) -> events_pb2.SessionProtocolChanged:
    """Return the event of a session that follows another version of its protocol."""
    return events_pb2.SessionProtocolChanged(session=_snapshot(session))


def session_booked(session: Session) -> events_pb2.SessionBooked:
    """Return the event of a booked session."""
    return events_pb2.SessionBooked(session=_snapshot(session))


def session_rescheduled(session: Session, previous: Session) -> events_pb2.SessionRescheduled:
    """Return the event of a moved session; `previous` is as it was."""
    return events_pb2.SessionRescheduled(
        session=_snapshot(session),
        previous_interval=interval_message(previous.plan.interval, previous.time_zone),
    )


def session_cancelled(session: Session) -> events_pb2.SessionCancelled:
    """Return the event of a cancelled session."""
    return events_pb2.SessionCancelled(session=_snapshot(session))


def session_confirmed(session: Session) -> events_pb2.SessionConfirmed:
    """Return the event of a confirmed session."""
    return events_pb2.SessionConfirmed(session=_snapshot(session))


def session_supervision_changed(session: Session) -> events_pb2.SessionSupervisionChanged:
    """Return the event of a session that other clinicians supervise."""
    return events_pb2.SessionSupervisionChanged(session=_snapshot(session))


def session_checked_in(session: Session) -> events_pb2.SessionCheckedIn:
    """Return the event of an arrival."""
    return events_pb2.SessionCheckedIn(
        session=_snapshot(session),
        check_in_time=timestamp(session.check_in_time) if session.check_in_time else None,
    )


def session_no_show(session: Session) -> events_pb2.SessionNoShow:
    """Return the event of a missed session."""
    return events_pb2.SessionNoShow(session=_snapshot(session))


def session_extended(session: Session) -> events_pb2.SessionExtended:
    """Return the event of a session that takes longer."""
    return events_pb2.SessionExtended(session=_snapshot(session))


def waitlist_offered(entry: WaitlistEntry, session: Session) -> events_pb2.WaitlistOffered:
    """Return the event of an offer."""
    return events_pb2.WaitlistOffered(
        waitlist_entry=entry.name,
        session=_snapshot(session),
        expire_time=timestamp(entry.offer_expire_time) if entry.offer_expire_time else None,
    )


def waitlist_offer_ended(entry: WaitlistEntry, session: Session) -> events_pb2.WaitlistOfferEnded:
    """Return the event of an offer that was not accepted."""
    return events_pb2.WaitlistOfferEnded(
        waitlist_entry=entry.name, session=session.name, patient=format_name("patients", entry.patient_id)
    )


def dose_given(event: Any) -> DoseGiven:
    """Read that a dose was given.

    Raises:
        InvalidArgumentError: it is malformed.
    """
    fields = Fields()
    dose = DoseGiven(
        administration_id=fields.name("administration", event.administration, "records"),
        session_id=fields.name("session", event.session, "sessions"),
        start_time=fields.instant("start_time", event, "start_time"),
    )
    fields.check()
    return dose


def departed(event: events_pb2.PatientDischarged) -> UUID:
    """Read which session's patient left.

    Raises:
        InvalidArgumentError: it is malformed.
    """
    fields = Fields()
    session_id = fields.name("session", event.session, "sessions")
    fields.check()
    return session_id


def assessed(event: Any) -> Assessment:
    """Read a score.

    Raises:
        InvalidArgumentError: it is malformed.
    """
    fields = Fields()
    assessment = Assessment(
        assessment_id=fields.name("assessment", event.assessment, "records"),
        session_id=fields.name("session", event.session, "sessions"),
        instrument=fields.text("instrument", event.instrument, maximum=50),
        total=fields.integer("total", event.total, 0, _MAXIMUM_TOTAL),
        version=fields.integer("version", event.version, 1, _MAXIMUM_VERSION),
        observe_time=fields.instant("observe_time", event, "observe_time"),
    )
    fields.check()
    return assessment


def _snapshot(session: Session) -> events_pb2.SessionSnapshot:
    return events_pb2.SessionSnapshot(
        session=format_name("sessions", session.session_id),
        patient=format_name("patients", session.patient_id),
        course=format_name("courses", session.course_id),
        protocol=format_name("protocols", session.protocol_id),
        clinic=format_name("clinics", session.clinic_id),
        room=format_name("rooms", session.room_id),
        revision=session.revision,
        interval=interval_message(session.plan.interval, session.time_zone),
        supervisors=[format_name("practitioners", one.practitioner_id) for one in session.supervisions],
        supervisor_subjects=[one.subject for one in session.supervisions if one.subject],
        ordinal=session.ordinal,
    )
