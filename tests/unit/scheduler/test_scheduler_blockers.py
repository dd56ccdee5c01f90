"""What stands in the way of a booking, from what is scheduled around it."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.runtime.actor import Actor
from services.runtime.identifiers import new_id
from services.scheduler.domain.availability import Closure
from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.booking import (
    Supervisor,
    Surroundings,
    assign,
    course_blockers,
    date_blockers,
    time_blockers,
)
from services.scheduler.domain.cadence import Commitment
from services.scheduler.domain.course import Consent, Contraindication, Course, CourseState, Screening
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.lanes import Occupied
from services.scheduler.domain.protocol import Phases
from services.scheduler.domain.roster import anniversary
from services.scheduler.domain.session import plan
from services.scheduler.errors import BookingRefusedError

NEW_YORK = ZoneInfo("America/New_York")
PHASES = Phases(timedelta(minutes=30), timedelta(minutes=120), timedelta(minutes=15))
ARRIVAL = datetime(2026, 3, 3, 14, tzinfo=UTC)
PLAN = plan(ARRIVAL, PHASES, NEW_YORK)
NOW = ARRIVAL - timedelta(days=1)
OPEN = Interval(ARRIVAL - timedelta(hours=1), ARRIVAL + timedelta(hours=9))
FREE = Supervisor(new_id(), 1, ())
AROUND = Surroundings(commitments=(), room_sessions=(), opening=(OPEN,), supervisors=(FREE,))
COURSE = Course(
    course_id=new_id(),
    patient_id=new_id(),
    birth_date=date(1980, 5, 17),
    protocol_id=new_id(),
    protocol_code="iv_racemic",
    minimum_age=18,
    interval_days=7,
    session_cap=12,
    session_maximum=12,
    screening=Screening(
        contraindications=(),
        prior_treatment_trials=2,
        consent=Consent("consent-1", date(2026, 6, 30)),
    ),
    state=CourseState.ACTIVE,
    session_count=3,
    taken_count=2,
    review_after=3,
    hold_before=5,
    review_base=0,
    review_told=False,
    scores=(),
    hold_reason="",
    next_eligible_date=None,
    enroller=Actor(subject="s", printed_name="S", credential="MD", roles=("supervisor",)),
    reviewer=None,
    review_reason="",
    revision=1,
    create_time=NOW,
)


def codes(blockers) -> list[str]:
    return [blocker.code for blocker in blockers]


def busy(interval: Interval, lane: int = 1) -> Occupied:
    return Occupied(new_id(), lane, interval)


def test_nothing_stands_in_the_way_of_a_free_place() -> None:
    assert time_blockers(PLAN, AROUND, now=NOW) == []


def test_a_closure_is_named_and_so_is_everything_else() -> None:
    closed = Closure(
        closure_id=new_id(),
        clinic_id=new_id(),
        room_id=None,
        time_zone="America/New_York",
        interval=OPEN,
        reason="storm",
        create_time=NOW,
    )
    of_room = replace(closed, closure_id=new_id(), room_id=new_id())
    found = time_blockers(PLAN, replace(AROUND, closures=(closed, of_room)), now=NOW)
    assert codes(found) == [BlockerCode.CLINIC_CLOSED, BlockerCode.ROOM_BUSY]
    for blocker, closure in zip(found, (closed, of_room), strict=True):
        assert f"closures/{closure.closure_id}" in blocker.description
        assert "storm" not in blocker.description
    short = replace(AROUND, opening=(), closures=(closed,))
    assert codes(time_blockers(PLAN, short, now=NOW)) == [BlockerCode.CLINIC_CLOSED, BlockerCode.CLINIC_CLOSED]
    assert date_blockers(COURSE, PLAN.local_date, ()) == []
    assert course_blockers(COURSE, 9) == []
    assert assign(PLAN.interval, AROUND.supervisors).practitioner_id == FREE.practitioner_id


def test_everything_that_stands_in_the_way_of_a_time_is_named() -> None:
    held, own = busy(PLAN.interval), new_id()
    around = Surroundings(
        commitments=(Commitment(session_id=own, day=PLAN.local_date, interval_days=7, interval=PLAN.interval),),
        room_sessions=(new_id(), new_id()),
        opening=(Interval(OPEN.start, PLAN.end_time - timedelta(minutes=1)),),
        supervisors=(replace(FREE, occupied=(held,)),),
    )
    found = time_blockers(PLAN, around, now=PLAN.start_time)
    assert codes(found) == ["PAST", "OUTSIDE_HOURS", "PATIENT_BUSY", "ROOM_BUSY", "SUPERVISION_RATIO"]
    assert [blocker.sessions for blocker in found[2:]] == [(own,), around.room_sessions, (held.session_id,)]
    assert codes(date_blockers(COURSE, PLAN.local_date, around.commitments)) == ["CADENCE"]


def test_opening_hours_with_a_break_hold_a_session_whole_or_not_at_all() -> None:
    noon = PLAN.start_time + timedelta(hours=1)
    around = replace(AROUND, opening=(Interval(OPEN.start, noon), Interval(noon + timedelta(minutes=30), OPEN.end)))
    assert codes(time_blockers(PLAN, around, now=NOW)) == ["OUTSIDE_HOURS"]
    assert codes(time_blockers(PLAN, replace(AROUND, opening=()), now=NOW)) == ["CLINIC_CLOSED"]


def test_supervision_is_missing_or_at_its_ratio() -> None:
    full = replace(FREE, occupied=(busy(PLAN.interval),))
    assert codes(time_blockers(PLAN, replace(AROUND, supervisors=()), now=NOW)) == ["NO_SUPERVISOR"]
    assert codes(time_blockers(PLAN, replace(AROUND, supervisors=(full,)), now=NOW)) == ["SUPERVISION_RATIO"]
    other = Supervisor(new_id(), 2, ())
    both = replace(AROUND, supervisors=(full, other))
    assert time_blockers(PLAN, both, now=NOW) == []
    wanted = time_blockers(PLAN, both, now=NOW, wanted_supervisor=full.practitioner_id)
    assert codes(wanted) == ["SUPERVISION_RATIO"]
    assert codes(time_blockers(PLAN, both, now=NOW, wanted_supervisor=new_id())) == ["NO_SUPERVISOR"]


def test_the_supervisor_with_the_fewest_sessions_is_chosen() -> None:
    later = Interval(PLAN.end_time, PLAN.end_time + timedelta(hours=2))
    busier, idler = Supervisor(new_id(), 3, (busy(later), busy(later, 2))), Supervisor(new_id(), 3, (busy(later),))
    assert assign(PLAN.interval, (busier, idler)).practitioner_id == idler.practitioner_id
    assert assign(PLAN.interval, ()) is None


def test_the_preferred_supervisor_is_chosen_where_they_can_and_the_wanted_one_alone() -> None:
    full, idle = Supervisor(new_id(), 1, (busy(PLAN.interval),)), Supervisor(new_id(), 3, ())
    busier = Supervisor(new_id(), 3, (busy(PLAN.interval),))
    preferred = {"preferred_supervisor": busier.practitioner_id}
    assert assign(PLAN.interval, (idle, busier), **preferred).practitioner_id == busier.practitioner_id
    preferred = {"preferred_supervisor": full.practitioner_id}
    assert assign(PLAN.interval, (full, idle), **preferred).practitioner_id == idle.practitioner_id
    assert assign(PLAN.interval, (full, idle), full.practitioner_id) is None


def test_a_course_is_active_and_has_room() -> None:
    assert codes(course_blockers(COURSE, 10)) == ["COURSE_CAP"]
    draft = replace(COURSE, state=CourseState.DRAFT)
    assert codes(course_blockers(draft, 10)) == ["COURSE_NOT_ACTIVE", "COURSE_CAP"]


def test_a_screening_rules_dates_out() -> None:
    screening = replace(
        COURSE.screening,
        contraindications=(Contraindication.HYPERSENSITIVITY, Contraindication.PREGNANCY),
        consent=Consent("consent-1", PLAN.local_date - timedelta(days=1)),
    )
    found = date_blockers(replace(COURSE, screening=screening), PLAN.local_date, ())
    assert codes(found) == ["CONTRAINDICATION", "CONSENT_MISSING"]
    assert "PREGNANCY" not in found[0].description
    assert (screening.absolute, screening.relative) == (
        (Contraindication.HYPERSENSITIVITY,),
        (Contraindication.PREGNANCY,),
    )


def test_a_refusal_has_one_entry_for_each_session_in_the_way() -> None:
    around = replace(AROUND, room_sessions=(new_id(), new_id()), supervisors=())
    refused = BookingRefusedError(time_blockers(PLAN, around, now=NOW), "courses/1")
    assert [(blocker.code, blocker.subject) for blocker in refused.blockers] == [
        (BlockerCode.ROOM_BUSY, f"sessions/{around.room_sessions[0]}"),
        (BlockerCode.ROOM_BUSY, f"sessions/{around.room_sessions[1]}"),
        (BlockerCode.NO_SUPERVISOR, "courses/1"),
    ]


def test_the_local_date_is_that_of_the_clinics_clock() -> None:
    late = plan(datetime(2026, 3, 4, 3, tzinfo=UTC), PHASES, NEW_YORK)
    assert late.local_date == date(2026, 3, 3)
    assert late.start_time.astimezone(NEW_YORK).time() == time(22)


@pytest.mark.parametrize(
    ("born", "of_age"),
    [
        (date(2008, 3, 3), date(2026, 3, 3)),
        (date(2008, 2, 29), date(2026, 3, 1)),
        (date(2006, 2, 28), date(2024, 2, 28)),
    ],
)
def test_a_person_is_of_age_on_their_birthday(born, of_age) -> None:
    assert anniversary(born, 18) == of_age
