"""Whether a message may go out now."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.notifications.domain.admission import Defer, End, Send, Situation, decide
from services.notifications.domain.notification import Reason, SessionState, State, TaskCode
from services.notifications.domain.people import Channel, Purpose, Unreachable, decisions_that_hold
from tests.unit.notifications.notification_examples import (
    NOW,
    make_consent,
    make_contact,
    make_notification,
    make_profile,
    make_recipient,
    make_session,
)


def _situation(**changes: object) -> Situation:
    situation = Situation(session=make_session(), recipient=make_recipient(), sent_last_day=0, daily_cap=10, now=NOW)
    return replace(situation, **changes)


def test_everything_in_order_is_sent_to_the_contact_point_verified_last():
    older, newer = make_contact(verify_time=NOW - timedelta(days=9)), make_contact(verify_time=NOW - timedelta(days=1))
    decision = decide(make_notification(), _situation(recipient=make_recipient(contact_points=[newer, older])))
    assert isinstance(decision, Send)
    assert decision.to == newer


@pytest.mark.parametrize(
    "session",
    [
        None,
        make_session(revision=2),
        make_session(state=SessionState.CANCELLED),
        make_session(revision=2, state=SessionState.CANCELLED),
    ],
    ids=["unknown", "moved", "cancelled", "moved and cancelled"],
)
@pytest.mark.parametrize("rule", ["booked", "24h_before"])
def test_nothing_goes_out_about_a_session_that_changed(session, rule):
    decision = decide(make_notification(rule), _situation(session=session))
    assert isinstance(decision, End)
    assert (decision.state, decision.reason, decision.task) == (State.CANCELLED, Reason.SESSION_CHANGED, None)


def test_a_cancellation_goes_out_about_the_cancelled_revision_alone():
    cancelled = make_session(revision=2, state=SessionState.CANCELLED)
    notification = make_notification("cancelled", session_revision=2)
    assert isinstance(decide(notification, _situation(session=cancelled)), Send)
    assert isinstance(decide(notification, _situation(session=make_session(revision=2))), End)


def test_aftercare_needs_no_session():
    assert isinstance(decide(make_notification("after_visit"), _situation(session=None)), Send)


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        (None, Unreachable.RECIPIENT_UNKNOWN),
        (make_recipient(contact_points=[]), Unreachable.CONTACT_MISSING),
        (
            make_recipient(contact_points=[make_contact(channel=Channel.SMS, value="+12125550111")]),
            Unreachable.CONTACT_MISSING,
        ),
        (make_recipient(contact_points=[make_contact(verify_time=None)]), Unreachable.CONTACT_UNVERIFIED),
        (make_recipient(consents=[]), Unreachable.CONSENT_MISSING),
        (make_recipient(consents=[make_consent(purpose=Purpose.AFTERCARE)]), Unreachable.CONSENT_MISSING),
        (make_recipient(consents=[make_consent(granted=False)]), Unreachable.CONSENT_WITHDRAWN),
    ],
)
def test_who_cannot_be_written_to_becomes_a_task_for_staff(recipient, reason):
    decision = decide(make_notification(), _situation(recipient=recipient))
    assert isinstance(decision, End)
    assert (decision.state, decision.reason, decision.task) == (State.SUPPRESSED, reason, TaskCode.UNREACHABLE)
    assert decision.step


def test_in_quiet_hours_it_waits():
    night = datetime(2026, 3, 3, 3, tzinfo=UTC)  # ten in the evening in New York
    decision = decide(make_notification(), _situation(now=night))
    assert isinstance(decision, Defer)
    assert decision.until == datetime(2026, 3, 3, 13, tzinfo=UTC)


def test_quiet_hours_until_it_is_worth_nothing_end_it():
    night = datetime(2026, 3, 3, 3, tzinfo=UTC)
    notification = make_notification(expire_time=night + timedelta(hours=2))
    decision = decide(notification, _situation(now=night))
    assert isinstance(decision, End)
    assert (decision.state, decision.reason, decision.task) == (
        State.EXPIRED,
        Reason.QUIET_HOURS,
        TaskCode.UNDELIVERABLE,
    )


def test_what_is_worth_nothing_expires_with_the_reason_that_kept_it():
    late = make_notification(expire_time=NOW, state_reason=Reason.PROVIDER_UNAVAILABLE)
    decision = decide(late, _situation())
    assert isinstance(decision, End)
    assert (decision.state, decision.reason) == (State.EXPIRED, Reason.PROVIDER_UNAVAILABLE)
    reminder = decide(make_notification("2h_before", expire_time=NOW), _situation())
    assert isinstance(reminder, End)
    assert reminder.task is None


def test_what_may_have_been_sent_never_just_expires():
    decision = decide(make_notification(expire_time=NOW, may_have_been_sent=True), _situation())
    assert isinstance(decision, End)
    assert (decision.state, decision.task) == (State.AMBIGUOUS, TaskCode.AMBIGUOUS_SEND)


def test_the_cap_stops_a_flood():
    decision = decide(make_notification(), _situation(sent_last_day=10))
    assert isinstance(decision, End)
    assert decision.reason == Reason.CAP_REACHED


def test_quiet_hours_are_those_of_the_patients_own_zone():
    away = make_recipient(profile=make_profile(time_zone="Asia/Tokyo"))
    assert isinstance(decide(make_notification(), _situation(recipient=away)), Defer)


def test_the_newest_decision_holds_and_a_backdated_one_does_not_undo_it():
    withdrawn, backdated = make_consent(granted=False, days_ago=2), make_consent(days_ago=5)
    assert decisions_that_hold([make_consent(), withdrawn, backdated]) == (withdrawn,)


def test_of_two_decisions_of_one_instant_the_withdrawal_holds():
    withdrawn, given = make_consent(granted=False), make_consent()
    assert decisions_that_hold([given, withdrawn]) == (withdrawn,)
    assert decisions_that_hold([withdrawn, given]) == (withdrawn,)
