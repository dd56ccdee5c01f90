"""What is done about a running course: extended, paused, resumed, ended, moved to another version of its protocol."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kat.scheduler.v1 import course_pb2, session_pb2
from services.runtime.errors import AbortedError, FailedPreconditionError, InvalidArgumentError, NotFoundError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.course_desk import CONTINUE, STOP, TUESDAY, CourseDesk, create, shipped
from tests.integration.scheduler.desk import Desk, codes, day

pytestmark = pytest.mark.external_postgres

CourseState, SessionState = course_pb2.Course.State, session_pb2.Session.State
Kind = course_pb2.CourseChange.Kind
AWAY = "abroad until April"


@pytest.fixture
async def course(desk) -> CourseDesk:
    return await CourseDesk.open(desk)


async def blockers_of(attempt: Any) -> list[tuple[str, str]]:
    with pytest.raises(FailedPreconditionError) as refused:
        await attempt
    return [(blocker.code, blocker.subject) for blocker in refused.value.blockers]


async def reviewed(course: CourseDesk, taken: int = 1) -> str:
    """Let sessions take place and have the course reviewed; return the review's name."""
    for session in await course.series(taken):
        await course.take(session)
    return (await course.review(reason="goes well")).review.name


async def test_an_extension_raises_the_cap_up_to_the_protocols_maximum(course) -> None:
    review = await reviewed(course, taken=6)
    assert codes(await course.desk.blockers(course.name, course.room, TUESDAY + timedelta(weeks=6))) == {"COURSE_CAP"}
    extended = await course.change("Extend", review=review, sessions=2)
    assert (extended.session_cap, extended.session_maximum) == (8, 12)
    assert [(await course.book(week)).ordinal for week in (6, 7)] == [7, 8]
    assert codes(await course.desk.blockers(course.name, course.room, TUESDAY + timedelta(weeks=8))) == {"COURSE_CAP"}
    assert await blockers_of(course.change("Extend", review=review, sessions=5)) == [("COURSE_CAP", course.name)]
    assert (await course.change("Extend", review=review, sessions=4)).session_cap == 12
    assert await blockers_of(course.change("Extend", review=review, sessions=1)) == [("COURSE_CAP", course.name)]


async def test_an_extension_needs_the_newest_review_and_that_is_of_all_sessions(course) -> None:
    first = await reviewed(course, taken=1)
    second = (await course.review(reason="goes well")).review.name
    assert await blockers_of(course.change("Extend", review=first, sessions=1)) == [("REVIEW_DUE", first)]
    await course.take(await course.book(1))
    assert await blockers_of(course.change("Extend", review=second, sessions=1)) == [("REVIEW_DUE", second)]
    with pytest.raises(NotFoundError, match="courseReviews/"):
        await course.change("Extend", review=f"courseReviews/{new_id()}", sessions=1)
    with pytest.raises(InvalidArgumentError, match="sessions"):
        await course.change("Extend", review=second, sessions=0)
    await course.change("Extend", review=(await course.review(reason="x")).review.name, sessions=1)


async def test_a_review_of_nothing_and_one_to_stop_extend_nothing(course) -> None:
    early = (await course.review(reason="x")).review.name
    assert await blockers_of(course.change("Extend", review=early, sessions=1)) == [("REVIEW_DUE", early)]
    await course.take(await course.book(0))
    stop = (await course.review(STOP, reason="x")).review.name
    found = await blockers_of(course.change("Extend", review=stop, sessions=20))
    assert [code for code, _ in found] == ["COURSE_NOT_ACTIVE", "COURSE_CAP", "REVIEW_DUE"]


async def test_another_patients_review_extends_nothing(desk) -> None:
    course = await CourseDesk.open(desk, patients=2)
    review = await reviewed(course)
    other = CourseDesk(desk, await desk.active_course(course.opened.patients[1].name), course.room, course.opened)
    await desk.book(other.name, course.room, TUESDAY + timedelta(days=1))
    assert ("REVIEW_DUE", review) in await blockers_of(other.change("Extend", review=review, sessions=1))


async def test_while_a_course_is_paused_nobody_is_checked_in_and_nothing_is_booked(course) -> None:
    session, later = await course.series(2)
    paused = await course.change("Pause", reason=AWAY)
    assert (paused.state, paused.hold_reason) == (CourseState.STATE_ON_HOLD, AWAY)
    assert (await course.desk.session(session.name)).state == SessionState.STATE_BOOKED
    assert await blockers_of(course.arrive(session)) == [("COURSE_NOT_ACTIVE", session.name)]
    assert codes(await course.desk.blockers(course.name, course.room, TUESDAY + timedelta(weeks=2))) == {
        "COURSE_NOT_ACTIVE"
    }
    await course.take(session)
    await course.desk.cancel(later)
    resumed = await course.change("Resume")
    assert (resumed.state, resumed.hold_reason, resumed.session_count) == (CourseState.STATE_ACTIVE, "", 1)
    assert (await course.arrive(await course.book(1))).state == SessionState.STATE_CHECKED_IN


async def test_a_course_is_paused_once_and_resumed_once_and_by_whoever_read_it(course) -> None:
    with pytest.raises(FailedPreconditionError, match="only while it is on_hold"):
        await course.change("Resume")
    with pytest.raises(InvalidArgumentError, match="reason"):
        await course.change("Pause")
    await course.change("Pause", reason=AWAY)
    with pytest.raises(FailedPreconditionError, match="only while it is active"):
        await course.change("Pause", reason=AWAY)
    with pytest.raises(AbortedError, match="changed"):
        await course.change("Resume", etag="r2")


async def test_a_paused_course_is_still_open(course) -> None:
    await course.change("Pause", reason=AWAY)
    with pytest.raises(Exception, match="of that protocol is open"):
        await course.desk.enroll((await course.read()).patient)


async def test_a_course_is_ended_once_nothing_of_it_is_open(course) -> None:
    sessions = await course.series(3)
    await course.take(sessions[0])
    await course.arrive(sessions[1])
    in_the_way = [("SESSION_OPEN", session.name) for session in sessions[1:]]
    assert await blockers_of(course.change("Complete")) == in_the_way
    assert await blockers_of(course.change("Complete", cancel_sessions=True)) == in_the_way[:1]
    await course.take(sessions[1])
    completed = await course.change("Complete", cancel_sessions=True)
    assert (completed.state, completed.session_count) == (CourseState.STATE_COMPLETED, 2)
    assert (await course.desk.session(sessions[2].name)).cancel_reason == "course completed"
    assert [one.session.session for one in await course.told("session_cancelled")] == [sessions[2].name]
    assert [one.session_count for one in await course.told("course_completed")] == [2]
    with pytest.raises(FailedPreconditionError, match="only while it is active or on_hold"):
        await course.change("Complete")


async def test_the_last_allowed_session_does_not_end_a_course(course) -> None:
    for session in await course.series(6):
        await course.take(session)
    assert (await course.read()).state == CourseState.STATE_ACTIVE
    assert await course.told("course_completed") == []


async def test_what_was_changed_is_listed_with_who_and_why(course) -> None:
    review = await reviewed(course)
    await course.change("Extend", review=review, sessions=1)
    await course.change("Pause", reason=AWAY)
    await course.change("Resume")
    await course.change("Complete", reason="moved away")
    desk, found, token = course.desk, [], ""
    while True:
        request = course_pb2.ListCourseChangesRequest(course=course.name, page_size=3, page_token=token)
        page = await desk.call(desk.courses.ListCourseChanges, request)
        found += page.changes
        token = page.next_page_token
        if not token:
            break
    assert [(one.kind, one.reason, one.session_cap, one.review) for one in found] == [
        (Kind.KIND_COMPLETED, "moved away", 7, ""),
        (Kind.KIND_RESUMED, "", 7, ""),
        (Kind.KIND_PAUSED, AWAY, 7, ""),
        (Kind.KIND_EXTENDED, "", 7, review),
    ]
    assert {one.actor.subject for one in found} == {desk.caller.actor.subject}


async def test_what_is_said_about_a_patient_is_in_no_event(course) -> None:
    await course.change("Pause", reason=AWAY)
    await course.change("Complete", reason=AWAY)
    assert AWAY not in str(await course.desk.sent())


async def test_a_new_version_alters_no_course_until_it_is_moved(course) -> None:
    sessions = await course.desk.book_series(course.name, course.room, TUESDAY, weeks=2, count=3)
    await course.take(sessions[0])
    before = await course.read()
    version = await create(course.desk, await shipped(course.desk), interval__minimum="14", course__review_after="1")
    assert await course.read() == before
    moved = await course.change("MoveCourseProtocol", protocol=version.name)
    assert (moved.protocol, moved.session_cap, moved.review.review_due) == (version.name, 6, True)
    read = [await course.desk.session(session.name) for session in sessions]
    assert [one.protocol for one in read] == [before.protocol, version.name, version.name]
    assert [one.etag == was.etag for one, was in zip(read[1:], sessions[1:], strict=True)] == [False, False]
    assert [one.tentative for one in read] == [False, True, True]
    near = await course.desk.blockers(course.name, course.room, TUESDAY + timedelta(days=41))
    assert codes(near) == {"CADENCE"}


async def test_the_dose_log_hears_of_a_move_for_the_course_and_for_each_session_that_follows(course) -> None:
    sessions = await course.desk.book_series(course.name, course.room, TUESDAY, weeks=2, count=3)
    await course.take(sessions[0])
    version = await create(course.desk, await shipped(course.desk), interval__minimum="14")
    await course.change("MoveCourseProtocol", protocol=version.name)
    activated = await course.told("course_activated")
    assert [one.protocol == version.name for one in activated] == [False, True]
    assert activated[1].adult_date == activated[0].adult_date == day(date(1998, 5, 17))
    followed = [one.session for one in await course.told("session_protocol_changed")]
    assert [(one.session, one.protocol, one.revision) for one in followed] == [
        (session.name, version.name, 1) for session in sessions[1:]
    ]
    assert await course.told("session_rescheduled") == []


async def test_sessions_closer_than_the_new_interval_are_in_the_way_of_a_move(course) -> None:
    sessions = await course.series(4)
    await course.take(sessions[0])
    version = await create(course.desk, await shipped(course.desk), interval__minimum="14")
    found = await blockers_of(course.change("MoveCourseProtocol", protocol=version.name))
    assert found == [("CADENCE", session.name) for session in sessions[1:]]
    assert (await course.read()).protocol != version.name
    await course.desk.cancel(await course.desk.session(sessions[2].name))
    await course.change("MoveCourseProtocol", protocol=version.name)


async def test_a_dose_counts_by_the_version_of_its_own_session(course) -> None:
    first, second = await course.desk.book_series(course.name, course.room, TUESDAY, weeks=2, count=2)
    record, given = new_id(), datetime(2026, 3, 3, 15, tzinfo=UTC)
    await course.desk.give_dose(first, given, record=record)
    await course.desk.discharge(first)
    version = await create(course.desk, await shipped(course.desk), interval__minimum="14")
    await course.change("MoveCourseProtocol", protocol=version.name)
    await course.desk.give_dose(first, given + timedelta(days=1), record=record)
    assert not (await course.desk.session(second.name)).too_early
    await course.desk.give_dose(second, datetime(2026, 3, 17, 15, tzinfo=UTC))
    assert (await course.read()).next_eligible_date == day(date(2026, 3, 31))


async def test_a_course_is_moved_to_another_version_of_its_own_code_that_it_fits(course) -> None:
    review = await reviewed(course)
    own = await shipped(course.desk)
    with pytest.raises(InvalidArgumentError, match="another version of iv_racemic"):
        await course.change("MoveCourseProtocol", protocol=own.name)
    with pytest.raises(InvalidArgumentError, match="another version of iv_racemic"):
        await course.change("MoveCourseProtocol", protocol=await course.desk.protocol("im_racemic"))
    await course.change("Extend", review=review, sessions=3)
    shorter = await create(course.desk, own, course__sessions__maximum="8", age__minimum="60")
    found = await blockers_of(course.change("MoveCourseProtocol", protocol=shorter.name))
    assert [code for code, _ in found] == ["COURSE_CAP", "UNDER_AGE"]
    fitting = await create(course.desk, own, course__sessions__maximum="9", age__minimum="18")
    assert (await course.change("MoveCourseProtocol", protocol=fitting.name)).session_maximum == 9


async def test_a_paused_course_is_moved_too(course) -> None:
    await course.series(2)
    await course.change("Pause", reason=AWAY)
    version = await create(course.desk, await shipped(course.desk))
    assert (await course.change("MoveCourseProtocol", protocol=version.name)).state == CourseState.STATE_ON_HOLD


async def test_another_organization_changes_and_sees_nothing_of_a_course(course, database) -> None:
    review, protocol = await reviewed(course), (await course.read()).protocol
    stranger = Desk(database, course.desk.clock)
    named = {"name": course.name, "etag": (await course.read()).etag}
    calls = {
        "ExtendCourse": course_pb2.ExtendCourseRequest(review=review, sessions=1, **named),
        "PauseCourse": course_pb2.PauseCourseRequest(reason=AWAY, **named),
        "ResumeCourse": course_pb2.ResumeCourseRequest(**named),
        "CompleteCourse": course_pb2.CompleteCourseRequest(**named),
        "MoveCourseProtocol": course_pb2.MoveCourseProtocolRequest(protocol=protocol, **named),
        "ReviewCourse": course_pb2.ReviewCourseRequest(
            decision=CONTINUE, reason="x", signed_name=stranger.caller.actor.printed_name, **named
        ),
        "GetCourseReview": course_pb2.GetCourseReviewRequest(name=review),
        "ListCourseReviews": course_pb2.ListCourseReviewsRequest(course=course.name),
        "ListCourseChanges": course_pb2.ListCourseChangesRequest(course=course.name),
    }
    for rpc, request in calls.items():
        with pytest.raises(NotFoundError):
            await stranger.call(getattr(stranger.courses, rpc), request)


async def test_many_changes_at_once_of_one_course_are_one(course) -> None:
    review, etag = await reviewed(course), (await course.read()).etag
    attempts = [course.change("Extend", review=review, sessions=1, etag=etag) for _ in range(6)]
    attempts += [course.change("Pause", reason=AWAY, etag=etag) for _ in range(6)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(result, AbortedError) for result in results) == 11
