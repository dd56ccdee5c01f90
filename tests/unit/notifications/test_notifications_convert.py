"""Requests are read with all their faults at once."""

from datetime import UTC, datetime, timedelta

import pytest
from google.type.timeofday_pb2 import TimeOfDay

from kat.common.v1.common_pb2 import LocalInterval
from kat.events.v1.events_pb2 import PatientDischarged, SessionSnapshot
from kat.notifications.v1 import notifications_pb2 as pb
from services.notifications.convert import events, notifications, recipients
from services.notifications.domain.people import Channel, Language
from services.notifications.domain.quiet_hours import QuietHours
from services.notifications.use_cases.planning import SessionChange
from services.runtime.errors import InvalidArgumentError
from services.runtime.fields import timestamp
from services.runtime.identifiers import new_id
from tests.unit.notifications.notification_examples import NOW, make_recipient


def _paths(caught: pytest.ExceptionInfo[InvalidArgumentError]) -> set[str]:
    return {violation.path for violation in caught.value.violations}


def _recipient(**changes: object) -> pb.Recipient:
    values = {
        "name": f"recipients/{new_id()}",
        "display_name": "Nora",
        "language_code": "en",
        "time_zone": "America/New_York",
        **changes,
    }
    return pb.Recipient(**values)


def _point(value: str, channel: int = pb.CHANNEL_EMAIL, **changes: object) -> pb.ContactPoint:
    return pb.ContactPoint(channel=channel, value=value, **changes)


def _consent(**changes: object) -> pb.Consent:
    values = {
        "channel": pb.CHANNEL_EMAIL,
        "purpose": pb.CONSENT_PURPOSE_APPOINTMENTS,
        "granted": True,
        "source": "intake form",
        "decision_time": timestamp(NOW),
        **changes,
    }
    return pb.Consent(**values)


def test_an_import_is_read_whole():
    request = pb.ImportRecipientsRequest(
        request_id=str(new_id()),
        recipients=[
            _recipient(
                contact_points=[
                    _point("Nora@Example.ORG", verify_time=timestamp(NOW)),
                    _point("+12125550111", pb.CHANNEL_SMS),
                ],
                consents=[_consent()],
            )
        ],
        sender_profiles=[
            pb.SenderProfile(name=f"senderProfiles/{new_id()}", short_name="Riverside", phone="+12125550100")
        ],
    )
    command = recipients.import_recipients(request, NOW)
    (recipient,) = command.recipients
    assert recipient.profile.quiet_hours == QuietHours()
    assert [(point.channel, point.value, point.verify_time) for point in recipient.contact_points] == [
        (Channel.EMAIL, "Nora@example.org", NOW),
        (Channel.SMS, "+12125550111", None),
    ]
    assert command.sender_profiles[0].short_name == "Riverside"


def test_every_fault_of_an_import_is_told_with_its_path_and_without_what_was_written():
    twice = f"recipients/{new_id()}"
    later = timestamp(NOW + timedelta(days=1))
    request = pb.ImportRecipientsRequest(
        request_id="x",
        recipients=[
            _recipient(name=twice, display_name="", language_code="it", time_zone="Mars/Olympus"),
            _recipient(name=twice, display_name="Ketamine Kid", quiet_end_time=TimeOfDay(hours=20, minutes=30)),
            _recipient(
                name="patients/1",
                quiet_start_time=TimeOfDay(hours=25),
                contact_points=[
                    _point("secret-at-example", verify_time=later),
                    _point("212 555 0111", pb.CHANNEL_SMS),
                    _point("", 0),
                ],
                consents=[_consent(channel=0, purpose=0, source="", decision_time=later), pb.Consent()],
            ),
        ],
        sender_profiles=[pb.SenderProfile(name="clinics/1", short_name="Ketamine Clinic", phone="911")],
    )
    with pytest.raises(InvalidArgumentError) as caught:
        recipients.import_recipients(request, NOW)
    assert _paths(caught) >= {
        "request_id",
        *(f"recipients[0].{field}" for field in ("display_name", "language_code", "time_zone")),
        *(f"recipients[1].{field}" for field in ("name", "display_name", "quiet_start_time")),
        *(f"recipients[2].{field}" for field in ("name", "quiet_start_time")),
        *(f"recipients[2].contact_points[{number}].value" for number in range(3)),
        "recipients[2].contact_points[0].verify_time",
        "recipients[2].contact_points[2].channel",
        *(f"recipients[2].consents[0].{field}" for field in ("channel", "purpose", "source", "decision_time")),
        "recipients[2].consents[1].decision_time",
        *(f"sender_profiles[0].{field}" for field in ("name", "short_name", "phone")),
    }
    assert "secret" not in str(caught.value)
    assert "Kid" not in str(caught.value)


def test_an_import_has_limits():
    request = pb.ImportRecipientsRequest(
        request_id=str(new_id()),
        recipients=[_recipient() for _ in range(5_001)],
        sender_profiles=[
            pb.SenderProfile(name=f"senderProfiles/{new_id()}", short_name="R", phone="+12125550100")
            for _ in range(101)
        ],
    )
    with pytest.raises(InvalidArgumentError) as caught:
        recipients.import_recipients(request, NOW)
    assert _paths(caught) == {"recipients", "sender_profiles"}


def test_an_upsert_takes_no_contact_points_and_consents():
    request = pb.UpsertRecipientRequest(
        request_id=str(new_id()),
        recipient=_recipient(language_code="de", contact_points=[_point("a@example.org")], consents=[_consent()]),
    )
    with pytest.raises(InvalidArgumentError) as caught:
        recipients.upsert_recipient(request)
    assert _paths(caught) == {"recipient.contact_points", "recipient.consents"}
    del request.recipient.contact_points[:], request.recipient.consents[:]
    assert recipients.upsert_recipient(request).language is Language.GERMAN


def test_an_empty_request_names_every_required_field():
    cases = [
        (recipients.upsert_recipient, pb.UpsertRecipientRequest()),
        (recipients.get_recipient, pb.GetRecipientRequest()),
        (recipients.add_contact_point, pb.AddContactPointRequest()),
        (recipients.verify_contact_point, pb.VerifyContactPointRequest()),
        (lambda request: recipients.record_consent(request, NOW), pb.RecordConsentRequest()),
        (notifications.get_notification, pb.GetNotificationRequest()),
        (notifications.resolve_staff_task, pb.ResolveStaffTaskRequest()),
    ]
    for read, request in cases:
        with pytest.raises(InvalidArgumentError):
            read(request)


@pytest.mark.parametrize(
    "name", ["recipients/x", "recipients/{0}", "recipients/{0}/contactPoints/", "contactPoints/{0}"]
)
def test_a_contact_point_is_named_below_its_recipient(name):
    request = pb.VerifyContactPointRequest(request_id=str(new_id()), name=name.format(new_id()))
    with pytest.raises(InvalidArgumentError):
        recipients.verify_contact_point(request)


@pytest.mark.parametrize("text", ["called 212 555 0111", "wrote to nora@example.org", "+1 (212) 555-0111"])
def test_contact_data_stays_out_of_resolutions(text):
    request = pb.ResolveStaffTaskRequest(
        request_id=str(new_id()), name=f"staffTasks/{new_id()}", etag="x", resolution=text
    )
    with pytest.raises(InvalidArgumentError) as caught:
        notifications.resolve_staff_task(request)
    assert _paths(caught) == {"resolution"}


@pytest.mark.parametrize("moment", ["2026-03-03 10:30", "03.03.2026, 10:30", "3/3/2026 10:30"])
def test_a_resolution_may_have_dates(moment):
    request = pb.ResolveStaffTaskRequest(
        request_id=str(new_id()), name=f"staffTasks/{new_id()}", etag="x", resolution=f"Told them on {moment}."
    )
    assert notifications.resolve_staff_task(request).resolution.startswith("Told")


def test_what_is_asked_of_a_list_is_read_with_all_faults():
    request = pb.ListNotificationsRequest(patient="x", session="y", states=[0, 99])  # type: ignore[list-item]
    with pytest.raises(InvalidArgumentError) as caught:
        notifications.list_notifications(request)
    assert _paths(caught) == {"patient", "session", "states[0]", "states[1]"}


def test_a_token_of_another_question_is_refused():
    request = pb.ListNotificationsRequest(page_token="nonsense")
    with pytest.raises(InvalidArgumentError):
        notifications.list_notifications(request)


def test_a_recipient_is_told_with_everything_that_holds():
    recipient = make_recipient()
    message = recipients.recipient_message(recipient)
    assert message.name == f"recipients/{recipient.profile.patient_id}"
    assert message.quiet_end_time.hours == 8
    assert message.contact_points[0].name.startswith(f"{message.name}/contactPoints/")
    assert len(message.consents) == 2
    assert message.etag


def test_events_are_read_and_malformed_ones_refused():
    start = datetime(2026, 5, 5, 19, tzinfo=UTC)
    snapshot = SessionSnapshot(
        session=f"sessions/{new_id()}",
        patient=f"patients/{new_id()}",
        clinic=f"clinics/{new_id()}",
        revision=3,
        interval=LocalInterval(
            start_time=timestamp(start), end_time=timestamp(start + timedelta(hours=2)), time_zone="Europe/Berlin"
        ),
    )
    command = events.session_change(SessionChange.MOVED, snapshot)
    assert (command.revision, command.start_time, command.time_zone) == (3, start, "Europe/Berlin")
    with pytest.raises(InvalidArgumentError):
        events.session_change(SessionChange.MOVED, SessionSnapshot())
    with pytest.raises(InvalidArgumentError):
        events.departure(PatientDischarged())
