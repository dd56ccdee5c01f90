"""The checker sees what it is there to see: a small true history passes, and each lie about it is found."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from kat.common.v1.common_pb2 import LocalInterval, Quantity
from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from kat.notifications.v1 import notifications_pb2
from kat.scheduler.v1 import session_pb2
from services.runtime.fields import timestamp
from tests.faults.checker import INVARIANTS, ledger_faults
from tests.faults.history import Call, History, Outcome
from tests.faults.observed import Observed

START = datetime(2026, 6, 2, 14, 0, tzinfo=UTC)
END = START + timedelta(minutes=150)
SESSION, PRACTITIONER = "sessions/1", "practitioners/1"
ID = UUID(int=1)


def a_session(name: str = SESSION, *, start: datetime = START, revision: int = 1) -> session_pb2.Session:
    end = start + (END - START)
    interval = LocalInterval(start_time=timestamp(start), end_time=timestamp(end), time_zone="America/New_York")
    supervision = session_pb2.Supervision(
        practitioner=PRACTITIONER, start_time=interval.start_time, end_time=interval.end_time
    )
    return session_pb2.Session(
        name=name,
        patient="patients/1",
        room="rooms/1",
        interval=interval,
        room_release_time=timestamp(end + timedelta(minutes=15)),
        supervisions=[supervision],
        revision=revision,
        state=session_pb2.Session.STATE_BOOKED,
    )


def a_dose() -> records_pb2.Record:
    given = records_pb2.Administration(given=Quantity(value="37.5", unit="mg"))
    return records_pb2.Record(name="records/1", session=SESSION, administration=given)


def movements() -> list[records_pb2.Movement]:
    return [
        records_pb2.Movement(sequence_number=1, amount=mg("500"), balance_after=mg("500")),
        records_pb2.Movement(sequence_number=2, amount=mg("-37.5"), balance_after=mg("462.5"), record="records/1"),
    ]


def mg(value: str) -> Quantity:
    return Quantity(value=value, unit="mg")


def a_notification(rule: str = "booked") -> notifications_pb2.Notification:
    attempt = notifications_pb2.Notification.Attempt(start_time=timestamp(START), message_id=f"<{rule}>")
    return notifications_pb2.Notification(
        name=f"notifications/{rule}",
        session=SESSION,
        rule=rule,
        attempts=[attempt],
        create_time=timestamp(START),
        state=notifications_pb2.Notification.STATE_ACCEPTED,
    )


def the_truth() -> tuple[History, Observed]:
    calls = [
        Call(verb, None, START, Outcome.OK, answer=answer)
        for verb, answer in (
            ("BookSession", a_session()),
            ("ReceiveLot", records_pb2.Lot(name="lots/1")),
            ("RecordAdministration", a_dose()),
        )
    ]
    row = {"session_id": ID, "revision": 1, "start_time": START, "state": "booked", "cancelled": False}
    seen = Observed(
        sessions={SESSION: a_session()},
        ratios={PRACTITIONER: 1},
        lots={"lots/1": records_pb2.Lot(name="lots/1", balance=mg("462.5"))},
        movements={"lots/1": movements()},
        records={"records/1": a_dose()},
        notifications=[a_notification()],
        mails=[(START, "<booked>")],
        tables={
            **{service: [dict(row)] for service in ("scheduler", "dosing_log", "notifications")},
            "doses": [{"administration_id": "1", "session_id": ID}],
            "parked": [],
        },
    )
    return History(calls), seen


def faults(history: History, seen: Observed) -> list[str]:
    """What is found, but for the ledger, which the small history does not have."""
    others = [one for one in INVARIANTS if one is not ledger_faults]
    return [f"{one.__name__}: {fault}" for one in others for fault in one(history, seen)]


def internal(history: History, seen: Observed) -> None:
    request = session_pb2.BookSessionRequest()
    history.calls.append(Call("BookSession", request, START, Outcome.UNKNOWN, codes=["INTERNAL"]))


def lose_session(history: History, seen: Observed) -> None:
    del seen.sessions[SESSION]


def lose_cancellation(history: History, seen: Observed) -> None:
    history.calls.append(Call("CancelSession", None, START, Outcome.OK, answer=a_session()))


def lose_dose(history: History, seen: Observed) -> None:
    del seen.records["records/1"]


def double_dose(history: History, seen: Observed) -> None:
    seen.records["records/2"] = a_dose()


def book_twice(history: History, seen: Observed) -> None:
    seen.sessions["sessions/2"] = a_session("sessions/2", start=END + timedelta(minutes=5))


def move_silently(history: History, seen: Observed) -> None:
    seen.sessions[SESSION] = a_session(start=START + timedelta(hours=1))


def over_ratio(history: History, seen: Observed) -> None:
    seen.ratios[PRACTITIONER] = 0


def leave_alone(history: History, seen: Observed) -> None:
    seen.sessions[SESSION].supervisions[0].end_time.CopyFrom(timestamp(START + timedelta(hours=1)))


def lose_drug(history: History, seen: Observed) -> None:
    seen.movements["lots/1"][1].amount.value = "-37"


def skip_movement(history: History, seen: Observed) -> None:
    seen.movements["lots/1"][1].sequence_number = 3


def stay_behind(history: History, seen: Observed) -> None:
    seen.tables["notifications"][0]["revision"] = 0


def forget_dose(history: History, seen: Observed) -> None:
    seen.tables["doses"].clear()


def park(history: History, seen: Observed) -> None:
    seen.tables["parked"].append({"aggregate": SESSION, "parked_reason": "REJECTED"})


def plan_twice(history: History, seen: Observed) -> None:
    seen.notifications.append(a_notification())


def send_twice(history: History, seen: Observed) -> None:
    seen.mails.append((START, "<booked>"))


def send_unplanned(history: History, seen: Observed) -> None:
    seen.mails.append((START, "<unknown>"))


def send_after_cancellation(history: History, seen: Observed) -> None:
    cancelled = a_notification("cancelled")
    cancelled.create_time.CopyFrom(timestamp(START - timedelta(minutes=1)))
    seen.notifications.append(cancelled)


def keep_open(history: History, seen: Observed) -> None:
    seen.notifications.append(a_notification("cancelled"))
    seen.notifications[0].state = notifications_pb2.Notification.STATE_PLANNED


LIES: tuple[tuple[Callable[[History, Observed], None], str], ...] = (
    (internal, "internal_errors"),
    (lose_session, "lost_writes"),
    (lose_cancellation, "lost_writes"),
    (lose_dose, "lost_writes"),
    (move_silently, "lost_writes"),
    (double_dose, "doubled_writes"),
    (book_twice, "doubled_writes"),
    (book_twice, "double_bookings"),
    (book_twice, "broken_cadence"),
    (over_ratio, "over_ratio"),
    (leave_alone, "over_ratio"),
    (lose_drug, "unbalanced_drug"),
    (skip_movement, "unbalanced_drug"),
    (stay_behind, "projections_apart"),
    (forget_dose, "projections_apart"),
    (park, "projections_apart"),
    (plan_twice, "repeated_notifications"),
    (send_twice, "repeated_notifications"),
    (send_unplanned, "repeated_notifications"),
    (send_after_cancellation, "messages_after_cancellation"),
    (keep_open, "messages_after_cancellation"),
)


def test_the_truth_passes() -> None:
    assert faults(*the_truth()) == []


@pytest.mark.parametrize(("lie", "invariant"), LIES, ids=[f"{lie.__name__}-{name}" for lie, name in LIES])
def test_a_lie_is_found(lie: Callable[[History, Observed], None], invariant: str) -> None:
    history, seen = deepcopy(the_truth())
    lie(history, seen)
    assert any(fault.startswith(f"{invariant}:") for fault in faults(history, seen))


def test_a_ledger_without_the_dose_is_found() -> None:
    history, seen = the_truth()
    seen.checkpoint = dosing_log_pb2.Checkpoint(note=b"kat\n0\n\n\n", verification_key="kat+00000000+AQ==")
    assert any("records/1 is not in the ledger" in fault for fault in ledger_faults(history, seen))
