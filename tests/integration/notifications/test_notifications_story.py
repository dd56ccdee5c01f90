"""From an event to the e-mail that a real server took."""

from datetime import UTC, timedelta
from email.message import EmailMessage

import pytest
from icalendar import Calendar

from kat.notifications.v1 import notifications_pb2 as pb
from services.runtime.identifiers import new_id
from tests.integration.notifications.post_office import DUPLICATE, new_york, send_all

pytestmark = pytest.mark.external_postgres

START = new_york(2026, 3, 12, 15)


def _calendar(message: EmailMessage) -> Calendar:
    (part,) = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    parsed = Calendar.from_ical(part.get_content())
    assert isinstance(parsed, Calendar)
    return parsed


async def test_a_booking_is_confirmed_with_a_calendar_file_and_reminders_wait(office, provider):
    patient = await office.new_patient()
    session = await office.book(patient, START)
    assert await send_all(office.sender(provider.port)) == 1
    (message,) = provider.received
    assert message["To"] == "nora@example.org"
    assert message["Subject"] == "Your appointment on Thursday, March 12, 2026"
    (event,) = _calendar(message).events
    assert event.start == START
    states = await office.states()
    assert states == {
        "booked/1": ("ACCEPTED", ""),
        **{f"{rule}/1": ("PLANNED", "") for rule in ("7d_before", "48h_before", "24h_before", "2h_before")},
    }
    confirmed = (await office.listed(session=session.session, states=[pb.Notification.STATE_ACCEPTED]))[0]
    (attempt,) = confirmed.attempts
    assert (attempt.message_id, attempt.outcome) == (message["Message-ID"], "SMTP_250")
    assert attempt.HasField("end_time")
    assert confirmed.explanation[0] == "rule booked: at once"
    assert confirmed.explanation[-1] == "accepted by the provider (SMTP_250)"
    assert "Nora" not in str(confirmed)
    assert confirmed == await office.call(
        office.notifications.GetNotification, pb.GetNotificationRequest(name=confirmed.name)
    )


async def test_each_reminder_goes_out_at_its_time_over_the_clock_change(office, provider, clock):
    patient = await office.new_patient()
    await office.book(patient, START)
    sender = office.sender(provider.port)
    sent = {}
    while clock.now() < START:
        before = len(provider.received)
        await send_all(sender)
        if len(provider.received) > before:
            sent[clock.now().isoformat()] = provider.received[-1]["Subject"]
        clock.advance(hours=1)
        clock.set(clock.now().astimezone(UTC).astimezone(START.tzinfo))
    reminder = "Reminder: appointment on Thursday, March 12, 2026"
    assert sent == {
        "2026-03-02T10:00:00-05:00": "Your appointment on Thursday, March 12, 2026",
        "2026-03-05T10:00:00-05:00": reminder,
        "2026-03-10T15:00:00-04:00": reminder,
        "2026-03-11T10:00:00-04:00": reminder,
        "2026-03-12T13:00:00-04:00": reminder,
    }


async def test_a_move_changes_the_event_in_the_calendar_and_kills_the_old_reminders(office, provider):
    patient = await office.new_patient()
    session = await office.book(patient, START)
    await send_all(office.sender(provider.port))
    await office.move(session, START + timedelta(days=1))
    await send_all(office.sender(provider.port))
    confirmed, moved = (_calendar(message) for message in provider.received)
    (old,), (new,) = confirmed.events, moved.events
    assert (moved["METHOD"], new["UID"]) == ("REQUEST", old["UID"])
    assert int(new["SEQUENCE"]) > int(old["SEQUENCE"])
    assert new.start == START + timedelta(days=1)
    states = await office.states()
    assert states["moved/2"] == ("ACCEPTED", "")
    assert states["24h_before/1"] == ("CANCELLED", "SESSION_CHANGED")
    assert states["24h_before/2"] == ("PLANNED", "")


async def test_a_cancellation_removes_the_event_and_kills_every_reminder(office, provider, clock):
    patient = await office.new_patient()
    session = await office.book(patient, START)
    await send_all(office.sender(provider.port))
    await office.cancel(session)
    clock.set(START)
    clock.advance(days=-1)
    await send_all(office.sender(provider.port))
    assert provider.subjects() == [
        "Your appointment on Thursday, March 12, 2026",
        "Your appointment on Thursday, March 12, 2026 is cancelled",
    ]
    calendar = _calendar(provider.received[1])
    (event,) = calendar.events
    assert (calendar["METHOD"], str(event["STATUS"]), int(event["SEQUENCE"])) == ("CANCEL", "CANCELLED", 2)
    assert set((await office.states()).values()) == {("ACCEPTED", ""), ("CANCELLED", "SESSION_CHANGED")}


async def test_aftercare_follows_a_visit_once_and_asks_again_the_next_day(office, provider, clock):
    patient = await office.new_patient()
    session = office.snapshot(patient, START)
    await office.discharge(session, clock.now())
    await office.discharge(session, clock.now())  # another event that says so again
    await send_all(office.sender(provider.port))
    clock.set(new_york(2026, 3, 3, 10))
    await send_all(office.sender(provider.port))
    assert provider.subjects() == ["After your visit", "How are you today?"]


async def test_events_twice_late_and_out_of_order_change_nothing(office):
    patient = await office.new_patient()
    booked = office.snapshot(patient, START)
    first = office.event(aggregate=booked.session, session_booked={"session": booked})
    await office.deliver(first)
    moved = await office.move(booked, START + timedelta(days=1))
    before = await office.states()
    assert await office.deliver(first) == [DUPLICATE]
    # The same news under new ids, as a producer that lost its memory would send it.
    await office.deliver(office.event(aggregate=booked.session, session_booked={"session": booked}))
    await office.deliver(office.event(aggregate=booked.session, session_rescheduled={"session": moved}))
    assert await office.states() == before


async def test_malformed_events_are_rejected_and_the_rest_goes_on(office):
    patient = await office.new_patient()
    good = office.snapshot(patient, START)
    bad = office.snapshot("patients/nobody", START)
    verdicts = await office.deliver(
        office.event(aggregate=bad.session, session_booked={"session": bad}),
        office.event(aggregate=good.session, session_booked={"session": good}),
    )
    assert verdicts == [5, 1]  # REJECT, APPLIED
    assert len(await office.listed(patient=patient)) == 5


async def test_a_patient_without_email_becomes_one_task_and_stops_nobody(office, provider):
    phone = [pb.ContactPoint(channel=pb.CHANNEL_SMS, value="+12125550114")]
    by_phone = await office.new_patient(display_name="Camille", contact_points=phone)
    unknown = f"patients/{new_id()}"
    others = [await office.new_patient(f"p{number}@example.org") for number in range(3)]
    for patient in (by_phone, unknown, *others):
        await office.book(patient, START)
        await office.book(patient, START + timedelta(days=7))
    await send_all(office.sender(provider.port))
    assert len(provider.received) == 6
    tasks = await office.tasks()
    assert sorted((task.code, task.patient) for task in tasks) == sorted(
        ("UNREACHABLE", patient) for patient in (by_phone, unknown)
    )
    assert (await office.states(patient=by_phone))["booked/1"] == ("SUPPRESSED", "CONTACT_MISSING")
    assert (await office.states(patient=unknown))["booked/1"] == ("SUPPRESSED", "RECIPIENT_UNKNOWN")


async def test_a_change_of_zone_moves_what_is_planned(office):
    patient = await office.new_patient()
    await office.book(patient, START)
    recipient = office.patient(
        name=patient.replace("patients/", "recipients/"), time_zone="Asia/Tokyo", contact_points=[], consents=[]
    )
    await office.call(office.recipients.UpsertRecipient, pb.UpsertRecipientRequest(recipient=recipient))
    found = {notification.rule: notification for notification in await office.listed()}
    moved = found["2h_before"].due_time.ToDatetime(tzinfo=UTC)
    assert moved < START - timedelta(hours=4)  # 13:00 in New York is two at night in Tokyo
    assert "zone or quiet hours changed" in found["2h_before"].explanation[-1]


async def test_after_an_outage_what_is_still_useful_goes_out_and_the_rest_says_why_not(office, provider, clock):
    patient = await office.new_patient()
    await office.book(patient, START)
    clock.set(new_york(2026, 3, 11, 12))  # the 7 d, 48 h and 24 h reminders were all due by now
    await send_all(office.sender(provider.port))
    states = await office.states()
    assert states["7d_before/1"] == states["48h_before/1"] == ("EXPIRED", "TOO_LATE")
    assert states["booked/1"] == states["24h_before/1"] == ("ACCEPTED", "")
    assert states["2h_before/1"] == ("PLANNED", "")
    assert len(provider.received) == 2


async def test_in_quiet_hours_nothing_goes_out(office, provider, clock):
    patient = await office.new_patient()
    clock.set(new_york(2026, 3, 2, 22))
    await office.book(patient, START)
    await send_all(office.sender(provider.port))
    assert provider.received == []
    clock.set(new_york(2026, 3, 3, 8))
    await send_all(office.sender(provider.port))
    assert len(provider.received) == 1


async def test_a_cancellation_that_no_open_moment_is_left_for_becomes_a_task(office, provider, clock):
    patient = await office.new_patient()
    session = await office.book(patient, new_york(2026, 3, 3, 8))
    clock.set(new_york(2026, 3, 2, 22))
    await office.cancel(session)
    assert (await office.states())["cancelled/2"] == ("SUPPRESSED", "QUIET_HOURS")
    assert [task.code for task in await office.tasks()] == ["UNDELIVERABLE"]


async def test_a_missing_sender_profile_holds_messages_until_it_is_there(office, provider, clock):
    patient = office.patient()
    await office.import_patients(patient, sender=False)
    await office.book(patient.name.replace("recipients/", "patients/"), START)
    await send_all(office.sender(provider.port))
    assert (await office.states())["booked/1"] == ("PLANNED", "SENDER_PROFILE_MISSING")
    await office.import_patients()
    clock.advance(minutes=6)
    await send_all(office.sender(provider.port))
    assert (await office.states())["booked/1"] == ("ACCEPTED", "")
