"""Which messages are planned, and when."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.notifications.domain.notification import Reason, State
from services.notifications.domain.planner import Subject, plan
from services.notifications.domain.rules import (
    ON_BOOKING,
    ON_CANCELLATION,
    ON_DISCHARGE,
    ON_MOVE,
    REMINDERS,
    RULES,
)
from tests.unit.notifications.notification_examples import CLINIC, NEW_YORK, PATIENT, SESSION_ID, make_profile
from tests.unit.notifications.test_notifications_quiet_hours import INSTANTS, ZONES, is_quiet


def _subject(anchor: datetime, zone: str = NEW_YORK) -> Subject:
    return Subject(
        patient_id=PATIENT, session_id=SESSION_ID, session_revision=1, clinic_id=CLINIC, anchor=anchor, zone=zone
    )


def _no_spread() -> timedelta:
    return timedelta()


def _plan(rules, anchor, now, *, zone=NEW_YORK, profile="default"):
    profile = make_profile(time_zone=zone) if profile == "default" else profile
    return {p.rule.code: p for p in plan(rules, _subject(anchor, zone), profile=profile, now=now, spread=_no_spread)}


def test_a_booking_is_confirmed_at_once_and_reminded_of_four_times_over_the_spring_change():
    zone = ZoneInfo(NEW_YORK)
    plans = _plan(ON_BOOKING, datetime(2026, 3, 9, 15, tzinfo=zone), datetime(2026, 2, 20, 12, tzinfo=zone))
    local = {code: planned.due_time.astimezone(zone).isoformat() for code, planned in plans.items()}
    assert local == {
        "booked": "2026-02-20T12:00:00-05:00",
        "7d_before": "2026-03-02T10:00:00-05:00",
        "48h_before": "2026-03-07T14:00:00-05:00",  # two days of real time, one of them an hour short
        "24h_before": "2026-03-08T10:00:00-04:00",
        "2h_before": "2026-03-09T13:00:00-04:00",
    }
    assert all(planned.steps for planned in plans.values())


def test_reminders_whose_time_is_past_are_left_out():
    start = datetime(2026, 5, 5, 19, tzinfo=UTC)
    assert set(_plan(ON_BOOKING, start, start - timedelta(hours=40))) == {"booked", "24h_before", "2h_before"}
    assert set(_plan(ON_MOVE, start, start - timedelta(hours=1))) == {"moved"}


def test_a_notice_that_comes_too_late_ends_at_once_with_its_reason():
    start = datetime(2026, 5, 5, 19, tzinfo=UTC)
    planned = _plan(ON_BOOKING, start, start + timedelta(hours=1))
    assert (planned["booked"].state, planned["booked"].reason) == (State.EXPIRED, Reason.TOO_LATE)
    assert set(planned) == {"booked"}


def test_a_cancellation_at_night_of_an_early_session_is_not_sent_in_quiet_hours():
    zone = ZoneInfo(NEW_YORK)
    planned = _plan(ON_CANCELLATION, datetime(2026, 5, 5, 7, 30, tzinfo=zone), datetime(2026, 5, 4, 22, tzinfo=zone))
    assert (planned["cancelled"].state, planned["cancelled"].reason) == (State.SUPPRESSED, Reason.QUIET_HOURS)


def test_aftercare_goes_out_at_once_and_asks_again_at_ten_the_next_day():
    zone = ZoneInfo(NEW_YORK)
    departure = datetime(2026, 10, 31, 17, 20, tzinfo=zone)
    plans = _plan(ON_DISCHARGE, departure, departure)
    assert plans["after_visit"].due_time == departure
    assert plans["next_day"].due_time == datetime(2026, 11, 1, 10, tzinfo=zone)  # the clock fell back in between


def test_the_patients_own_clock_decides_about_quiet_hours():
    clinic, home = ZoneInfo(NEW_YORK), "America/Los_Angeles"
    start = datetime(2026, 5, 5, 10, tzinfo=clinic)
    plans = _plan(ON_BOOKING, start, start - timedelta(days=20, hours=-4), profile=make_profile(time_zone=home))
    due = plans["24h_before"].due_time.astimezone(ZoneInfo(home))
    assert (due.day, due.hour) == (4, 8)  # ten o'clock at the clinic is seven at home
    assert "moved later" in plans["24h_before"].steps[1]


def test_without_a_known_recipient_the_clinics_clock_and_the_usual_hours_count():
    start = datetime(2026, 5, 5, 19, tzinfo=UTC)
    assert set(_plan(ON_BOOKING, start, start - timedelta(days=9), profile=None)) == {
        "booked",
        *(r.code for r in REMINDERS),
    }


@given(
    zone=st.sampled_from(ZONES),
    home=st.sampled_from(ZONES),
    start=INSTANTS,
    ahead=st.integers(-600, 60 * 24 * 20),
    spread=st.integers(0, 15),
)
def test_every_plan_is_useful_and_outside_quiet_hours_whatever_the_zones(zone, home, start, ahead, spread):
    now = start - timedelta(minutes=ahead)
    profile = make_profile(time_zone=home)
    plans = plan(ON_BOOKING, _subject(start, zone), profile=profile, now=now, spread=lambda: timedelta(minutes=spread))
    for planned in plans:
        if planned.state is State.PLANNED:
            assert now <= planned.due_time < planned.expire_time <= start
            assert not is_quiet(profile.quiet_hours, planned.due_time, home)


@given(zone=st.sampled_from(ZONES), start=INSTANTS)
def test_no_two_reminders_are_worth_something_at_the_same_time(zone, start):
    plans = _plan(REMINDERS, start, start - timedelta(days=30), zone=zone)
    windows = sorted((planned.ideal_time, planned.expire_time) for planned in plans.values())
    assert all(
        expire <= following_ideal + timedelta(hours=3)  # a civil rule's day is not always 24 h long
        for (_, expire), (following_ideal, _) in pairwise(windows)
    )


def test_codes_are_unique_and_templates_named():
    assert len(RULES) == 9
    assert {rule.template for rule in RULES.values()} == {
        *("session_confirmation", "session_reminder", "session_change", "session_cancellation"),
        *("aftercare", "aftercare_check_in"),
    }
