"""The e-mail and its calendar file, read again by other programs' rules."""

import email
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from services.notifications.domain.notification import SessionState
from services.notifications.domain.people import Language
from services.notifications.errors import BlockedTermError
from services.notifications.mail.calendar_file import Organizer
from services.notifications.mail.composer import EmailComposer
from services.notifications.mail.templates import TemplateLibrary
from tests.unit.notifications.notification_examples import (
    NOW,
    SENDER,
    make_contact,
    make_notification,
    make_profile,
    make_session,
)

COMPOSER = EmailComposer(TemplateLibrary.shipped(), Organizer("Appointments", "appointments@mail.invalid"))
ID = "<one@mail.invalid>"


def _compose(rule: str, *, session=None, profile=None, sender=SENDER) -> EmailMessage:
    session = session or make_session()
    notification = make_notification(rule)
    if notification.session_revision:
        notification = replace(notification, session_revision=session.revision)
    envelope = COMPOSER.compose(
        notification,
        message_id=ID,
        to=make_contact(),
        profile=profile or make_profile(),
        sender=sender,
        session=session,
        now=NOW,
    )
    assert envelope.to == "nora@example.org"
    assert envelope.content.isascii()
    message = email.message_from_bytes(envelope.content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def _calendar(message: EmailMessage) -> tuple[Calendar, str]:
    part = next(part for part in message.walk() if part.get_content_type() == "text/calendar")
    content = part.get_content()
    parsed = Calendar.from_ical(content)
    assert isinstance(parsed, Calendar)
    assert str(part.get_param("method")) == str(parsed["METHOD"])
    return parsed, content


def test_a_confirmation_says_when_and_where_to_call_and_nothing_else():
    message = _compose("booked")
    assert message["From"] == "Appointments <appointments@mail.invalid>"
    assert message["Message-ID"] == ID
    assert message["Auto-Submitted"] == "auto-generated"
    text = _text(message)
    assert "Hello Nora," in text
    assert "Tuesday, March 10, 2026 at 3:00\u202fPM." in text
    assert "+1 212-555-0100" in text


@pytest.mark.parametrize(
    ("language", "date", "time"),
    [
        (Language.SPANISH, "martes, 10 de marzo de 2026", "15:00"),
        (Language.GERMAN, "Dienstag, 10. März 2026", "15:00"),
        (Language.FRENCH, "mardi 10 mars 2026", "15:00"),
    ],
)
def test_dates_read_as_people_write_them(language, date, time):
    text = _text(_compose("24h_before", profile=make_profile(language=language)))
    assert date in text
    assert time in text


def test_the_zone_is_named_where_the_patients_clock_shows_another_time():
    assert "Eastern" not in _text(_compose("booked", profile=make_profile(time_zone="America/Detroit")))
    away = _text(_compose("booked", profile=make_profile(time_zone="America/Phoenix")))
    assert "3:00\u202fPM (Eastern Daylight Time)" in away


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Sydney"])
def test_the_calendar_file_is_a_request_then_an_update_then_a_cancellation_of_one_event(zone):
    start = datetime(2026, 4, 7, 10, tzinfo=ZoneInfo(zone))
    first = make_session(
        time_zone=zone, start_time=start.astimezone(UTC), end_time=(start + timedelta(hours=2)).astimezone(UTC)
    )
    moved = replace(
        first, revision=2, start_time=first.start_time + timedelta(days=1), end_time=first.end_time + timedelta(days=1)
    )
    cancelled = replace(moved, revision=3, state=SessionState.CANCELLED)
    uids, sequences = set(), []
    for rule, session, method in (
        ("booked", first, "REQUEST"),
        ("moved", moved, "REQUEST"),
        ("cancelled", cancelled, "CANCEL"),
    ):
        calendar, raw = _calendar(_compose(rule, session=session))
        (event,) = calendar.events
        uids.add(str(event["UID"]))
        sequences.append(int(event["SEQUENCE"]))
        assert calendar["METHOD"] == method
        assert event.start == session.start_time
        assert event.end == session.end_time
        assert event["DTSTART"].params["TZID"] == zone
        assert [str(timezone.tz_name) for timezone in calendar.timezones] == [zone]
        assert calendar.timezones[0].to_tz().utcoffset(event.start.replace(tzinfo=None)) == event.start.utcoffset()
        assert str(event["SUMMARY"]) == "Appointment"
        assert "LOCATION" not in event
        assert "DESCRIPTION" not in event
        assert event["STATUS"] == ("CANCELLED" if method == "CANCEL" else "CONFIRMED")
        assert str(event["ORGANIZER"]) == "mailto:appointments@mail.invalid"
        assert "KAT" not in raw.upper().replace(zone.upper(), "")
    assert uids == {first.calendar_uid}
    assert sequences == [1, 2, 3]


@pytest.mark.parametrize("rule", ["7d_before", "2h_before", "after_visit", "next_day"])
def test_reminders_and_aftercare_carry_no_calendar_file(rule):
    assert not [part for part in _compose(rule).walk() if part.get_content_type() == "text/calendar"]


def test_aftercare_names_no_time():
    text = _text(_compose("after_visit"))
    assert "2026" not in text


@pytest.mark.parametrize(
    ("name", "clinic"),
    [("Nora", "Ketamine Wellness"), ("Nora", "Clínica de depresión"), ("www.example.org", "Riverside")],
)
def test_what_would_give_the_treatment_away_is_not_made(name, clinic):
    with pytest.raises(BlockedTermError):
        _compose("booked", profile=make_profile(display_name=name), sender=replace(SENDER, short_name=clinic))


def test_message_ids_mean_nothing_and_differ():
    first, second = COMPOSER.new_message_id(), COMPOSER.new_message_id()
    assert first != second
    assert first.endswith("@mail.invalid>")
