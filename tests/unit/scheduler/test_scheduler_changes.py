"""Which changes of sessions a watcher is told."""

from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kat.scheduler.v1 import session_pb2
from services.runtime.errors import InvalidArgumentError
from services.runtime.identifiers import new_id
from services.scheduler.convert.watching import watch_message, watched
from services.scheduler.domain.changes import (
    EVERYTHING,
    Batch,
    Position,
    SessionChange,
    Teller,
    Watched,
    with_sessions,
    worth_telling,
)

FEED = new_id()
SESSIONS, CLINICS = [new_id() for _ in range(3)], [new_id() for _ in range(3)]
PATIENT, COURSE, OTHER = new_id(), new_id(), new_id()


def at(place: int) -> Position:
    return Position(FEED, place, place, place)


def change(place: int, session: int = 0, *clinics: int) -> SessionChange:
    return SessionChange(
        position=at(place),
        session_id=SESSIONS[session],
        patient_id=PATIENT,
        course_id=COURSE,
        clinic_ids=frozenset(CLINICS[clinic] for clinic in clinics or (0,)),
    )


@dataclass(frozen=True)
class Standing:
    """As much of a session as telling of it looks at."""

    session_id: UUID
    version: int


def test_a_session_that_moved_concerns_the_clinic_that_it_left() -> None:
    moved = change(1, 0, 0, 1)
    wanted = [Watched(clinic_ids=frozenset({CLINICS[clinic]})) for clinic in range(3)]
    assert [watched.includes(moved) for watched in wanted] == [True, True, False]


@pytest.mark.parametrize(
    ("wanted", "included"),
    [
        (EVERYTHING, True),
        (Watched(patient_id=PATIENT), True),
        (Watched(patient_id=OTHER), False),
        (Watched(course_id=COURSE), True),
        (Watched(course_id=OTHER), False),
        (Watched(clinic_ids=frozenset({CLINICS[0]}), patient_id=PATIENT, course_id=OTHER), False),
        (Watched(clinic_ids=frozenset({CLINICS[2], CLINICS[0]}), patient_id=PATIENT), True),
    ],
)
def test_all_that_is_asked_for_must_fit(wanted: Watched, included: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert wanted.includes(change(1)) is included


def test_changes_that_piled_up_are_told_once_unless_another_clinic_would_miss_one() -> None:
    piled = [change(1, 0), change(2, 1), change(3, 0)]
    assert worth_telling(piled) == [change(2, 1), change(3, 0)]
    left = [change(1, 0, 0, 1), change(2, 0, 1)]
    assert worth_telling(left) == left


changes_of_sessions = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(0, 2), min_size=1, max_size=2, unique=True)), max_size=12
)


readings = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12)


@given(changes_of_sessions, st.sets(st.integers(0, 2)), readings)
def test_every_watcher_ends_up_with_what_stands_and_is_told_nothing_twice(made, clinics, parts) -> None:
    """Read in parts, while sessions stand already as later changes left them, and taken up again anywhere."""
    changes = [change(place, session, *where) for place, (session, where) in enumerate(made, 1)]
    wanted = Watched(clinic_ids=frozenset(CLINICS[clinic] for clinic in clinics))
    teller, told, view = Teller(wanted, at(0)), [], {}
    seen, turn = 0, 0
    while (start := teller.position.transaction_id) < len(changes):
        length, further, patience = parts[turn % len(parts)]
        end = min(start + length, len(changes))
        seen, turn = max(seen, min(end + further, len(changes))), turn + 1
        part = worth_telling(one for one in changes[start:end] if wanted.includes(one))
        news = with_sessions(part, _as_seen(changes[:seen]), {one.session_id for one in changes[end:seen]})
        for number, session in enumerate(teller.tell(Batch(at(start), at(end), news))):
            told.append((session.session_id, session.version))
            view[session.session_id] = session
            if number == patience and turn <= len(parts):
                teller, told = Teller(wanted, teller.position), []
                break
        assert len(set(told)) == len(told)
    standing = _as_seen(changes)
    concerned = {one.session_id for one in changes if wanted.includes(one)}
    assert view.keys() == concerned
    still = {one.session_id for one in standing if wanted.includes(changes[one.version - 1])}
    assert [one for one in standing if one.session_id in still and view[one.session_id] != one] == []


def _as_seen(changes: list[SessionChange]) -> list[Standing]:
    latest = {one.session_id: place for place, one in enumerate(changes, 1)}
    return [Standing(session_id, place) for session_id, place in latest.items()]


def test_a_part_of_a_batch_that_a_watcher_knows_is_not_told_again() -> None:
    news = with_sessions([change(1, 0), change(2, 1)], [Standing(SESSIONS[0], 1), Standing(SESSIONS[1], 1)], ())
    teller = Teller(EVERYTHING, at(1))
    assert [session.session_id for session in teller.tell(Batch(at(0), at(3), news))] == [SESSIONS[1]]
    assert list(teller.tell(Batch(at(0), at(3), news))) == []
    assert teller.position == at(3)


positions = st.builds(Position, st.uuids(), *[st.integers(0, 2**63 - 1)] * 3)


@given(positions)
def test_a_position_comes_back_as_it_was_sent(position: Position) -> None:
    sent = watch_message(position, None).position
    assert watched(session_pb2.WatchSessionsRequest(position=sent)) == (EVERYTHING, position)


@given(st.text(min_size=1) | st.binary(min_size=1).map(lambda content: content.hex()))
def test_a_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        watched(session_pb2.WatchSessionsRequest(position=text))
    assert [violation.path for violation in refusal.value.violations] == ["position"]


@pytest.mark.parametrize("numbers", [(-1, 0, 0), (2**63, 0, 0), (0, 0, 2**64), (True, 0, 0), (1.5, 0, 0), ("1", 0, 0)])
def test_a_position_with_numbers_that_are_none_of_ours_is_refused(numbers) -> None:
    forged = replace(at(1), transaction_id=numbers[0], change_id=numbers[1], microsecond=numbers[2])
    with pytest.raises(InvalidArgumentError):
        watched(session_pb2.WatchSessionsRequest(position=watch_message(forged, None).position))


def test_every_fault_of_a_request_is_named() -> None:
    request = session_pb2.WatchSessionsRequest(
        clinics=["x", f"clinics/{OTHER}", "y"], patient="p", course="c", position="?"
    )
    with pytest.raises(InvalidArgumentError) as refusal:
        watched(request)
    paths = [violation.path for violation in refusal.value.violations]
    assert paths == ["clinics[0]", "clinics[2]", "patient", "course", "position"]
    with pytest.raises(InvalidArgumentError):
        watched(session_pb2.WatchSessionsRequest(clinics=[f"clinics/{OTHER}"] * 101))
