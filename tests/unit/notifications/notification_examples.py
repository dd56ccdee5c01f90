"""Values that tests of notifications start from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.notifications.domain.notification import Notification, Session, SessionState, State
from services.notifications.domain.people import (
    Channel,
    Consent,
    ContactPoint,
    Language,
    Profile,
    Purpose,
    Recipient,
    SenderProfile,
)
from services.notifications.domain.quiet_hours import QuietHours
from services.notifications.domain.rules import RULES
from services.runtime.identifiers import new_id

ORGANIZATION = new_id()
PATIENT = new_id()
CLINIC = new_id()
SESSION_ID = new_id()
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
NEW_YORK = "America/New_York"

SENDER = SenderProfile(clinic_id=CLINIC, short_name="Riverside", phone="+12125550100")


def make_profile(**changes: object) -> Profile:
    profile = Profile(
        patient_id=PATIENT,
        display_name="Nora",
        language=Language.ENGLISH,
        time_zone=NEW_YORK,
        quiet_hours=QuietHours(),
    )
    return replace(profile, **changes)  # type: ignore[arg-type]


def make_contact(**changes: object) -> ContactPoint:
    point = ContactPoint(
        contact_point_id=new_id(),
        channel=Channel.EMAIL,
        value="nora@example.org",
        verify_time=NOW - timedelta(days=30),
    )
    return replace(point, **changes)  # type: ignore[arg-type]


def make_consent(*, granted: bool = True, purpose: Purpose = Purpose.APPOINTMENTS, days_ago: int = 30) -> Consent:
    return Consent(
        channel=Channel.EMAIL,
        purpose=purpose,
        granted=granted,
        source="intake form",
        decision_time=NOW - timedelta(days=days_ago),
    )


def make_recipient(**changes: object) -> Recipient:
    recipient = Recipient(
        profile=make_profile(),
        contact_points=[make_contact()],
        consents=[make_consent(), make_consent(purpose=Purpose.AFTERCARE)],
        revision=1,
    )
    return replace(recipient, **changes)  # type: ignore[arg-type]


def make_session(**changes: object) -> Session:
    session = Session(
        session_id=SESSION_ID,
        patient_id=PATIENT,
        clinic_id=CLINIC,
        revision=1,
        state=SessionState.BOOKED,
        start_time=datetime(2026, 3, 10, 19, tzinfo=UTC),
        end_time=datetime(2026, 3, 10, 21, tzinfo=UTC),
        time_zone=NEW_YORK,
        calendar_uid="0e8f9a52-7f0e-4a8c-9d0c-2f6f5f6f1a11",
    )
    return replace(session, **changes)  # type: ignore[arg-type]


def make_notification(rule: str = "booked", **changes: object) -> Notification:
    notification = Notification(
        notification_id=new_id(),
        organization_id=ORGANIZATION,
        patient_id=PATIENT,
        session_id=SESSION_ID,
        session_revision=1 if RULES[rule].purpose is Purpose.APPOINTMENTS else 0,
        clinic_id=CLINIC,
        template_code=RULES[rule].template,
        template_version=1,
        rule_code=rule,
        channel=Channel.EMAIL,
        state=State.PLANNED,
        state_reason="",
        ideal_time=NOW,
        due_time=NOW,
        expire_time=datetime(2026, 3, 10, 19, tzinfo=UTC),
        create_time=NOW,
        attempts=1,
    )
    return replace(notification, **changes)  # type: ignore[arg-type]
