"""Reviews of courses: when they are due, what they hold up, who signs them, and what they let happen."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from kat.events.v1 import events_pb2
from kat.scheduler.v1 import course_pb2, session_pb2
from services.runtime.database import ALL_ORGANIZATIONS
from services.runtime.errors import (
    AbortedError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
)
from services.runtime.identifiers import new_id
from services.scheduler.storage import tables
from tests.integration.scheduler.course_desk import CONTINUE, STOP, TUESDAY, CourseDesk
from tests.integration.scheduler.desk import codes

pytestmark = pytest.mark.external_postgres

APPLIED, RETRY = events_pb2.Outcome.VERDICT_APPLIED, events_pb2.Outcome.VERDICT_RETRY
CourseState, SessionState = course_pb2.Course.State, session_pb2.Session.State


@pytest.fixture
async def course(desk) -> CourseDesk:
    return await CourseDesk.open(desk)


async def blocker_codes(attempt) -> set[str]:
    with pytest.raises(FailedPreconditionError) as refused:
        await attempt
    return {blocker.code for blocker in refused.value.blockers}


async def test_a_review_holds_up_the_fifth_session_and_lets_it_begin_once_it_is_signed(course) -> None:
    sessions = await course.series(6)
    assert [session.tentative for session in sessions] == [False] * 3 + [True] * 3
    for session in sessions[:4]:
        await course.arrive(session)
        await course.take(session)
    assert (await course.read()).review.review_due
    assert await blocker_codes(course.arrive(sessions[4])) == {"REVIEW_DUE"}
    reviewed = await course.review(reason="he sleeps better")
    assert (reviewed.review.session_count, reviewed.course.review.review_due) == (4, False)
    assert reviewed.course.review.sessions_until_review == 3
    assert not (await course.desk.session(sessions[5].name)).tentative
    assert (await course.arrive(sessions[4])).state == SessionState.STATE_CHECKED_IN


async def test_facts_are_recorded_past_a_review_that_is_due_and_in_a_course_that_is_over(course) -> None:
    sessions = await course.series(6)
    for session in sessions[:5]:
        await course.take(session)
    assert (await course.read()).review.session_count == 5
    await course.review(STOP, reason="no effect")
    cancelled = await course.desk.session(sessions[5].name)
    assert cancelled.state == SessionState.STATE_CANCELLED
    await course.take(cancelled)
    assert await course.desk.execute("select count(*) from dose") == [(6,)]


async def test_a_review_is_told_of_once_for_each_review_point(course) -> None:
    sessions = await course.series(6)
    for session in sessions[:2]:
        await course.take(session)
    assert await course.told("course_review_due") == []
    for session in sessions[2:4]:
        await course.take(session)
    (told,) = await course.told("course_review_due")
    clinic = course.opened.clinics[0].name
    assert (told.course, told.patient, told.clinic) == (course.name, sessions[0].patient, clinic)
    assert told.session_count == 3
    await course.review(reason="goes well")
    await course.take(sessions[4])
    await course.take(sessions[5])
    assert len(await course.told("course_review_due")) == 1
    await course.review(reason="goes well")
    assert (await course.read()).review.sessions_until_review == 3


async def test_a_booking_that_waits_for_a_due_review_is_refused_and_a_plan_made_before_is_not(course) -> None:
    sessions = await course.series(3)
    for session in sessions:
        await course.take(session)
    room = course.room
    assert await course.desk.blockers(course.name, room, TUESDAY + timedelta(weeks=3)) == []
    await course.book(3)
    assert codes(await course.desk.blockers(course.name, room, TUESDAY + timedelta(weeks=4))) == {"REVIEW_DUE"}
    assert await blocker_codes(course.book(4)) == {"REVIEW_DUE"}
    await course.review(reason="goes well")
    assert (await course.book(4)).ordinal == 5


async def test_scores_come_in_any_order_and_the_newest_version_stands(course) -> None:
    first, second = await course.series(2)
    record = new_id()
    assert await course.score(second, 12, record=record, version=3) == APPLIED
    assert await course.score(second, 25, record=record, version=2) == APPLIED
    assert await course.score(first, 18) == APPLIED
    assert await course.score(first, 10, instrument="DISCHARGE_SCORE") == APPLIED
    assert await course.score(first, 0, instrument="GAD_7") == APPLIED
    anxiety, mood = (await course.read()).review.scores
    assert (mood.instrument, mood.baseline, mood.latest, mood.change.value) == ("PHQ_9", 18, 12, "-33.3")
    assert (mood.baseline_time, mood.latest_time) == (first.interval.start_time, second.interval.start_time)
    assert (anxiety.instrument, anxiety.HasField("change")) == ("GAD_7", False)


async def test_a_score_waits_for_its_session_and_a_malformed_one_is_rejected(course) -> None:
    (session,) = await course.series(1)
    unknown = session_pb2.Session(name=f"sessions/{new_id()}", interval=session.interval)
    assert await course.score(unknown, 3) == RETRY
    assert await course.score(session, 3, version=0) == events_pb2.Outcome.VERDICT_REJECT
    assert await course.score(session, 3, instrument="") == events_pb2.Outcome.VERDICT_REJECT


async def test_a_review_says_who_signed_it_when_by_which_scores_and_never_changes(course) -> None:
    sessions = await course.series(3)
    for session, total in zip(sessions, (20, 18, 16), strict=True):
        await course.take(session)
        await course.score(session, total)
    reviewed = (await course.review()).review
    actor = course.desk.caller.actor
    assert (reviewed.course, reviewed.decision, reviewed.reason) == (course.name, CONTINUE, "")
    assert (reviewed.reviewer.subject, reviewed.reviewer.printed_name) == (actor.subject, actor.printed_name)
    assert reviewed.meaning == course_pb2.CourseReview.MEANING_REVIEWED
    assert reviewed.sign_time.ToDatetime(tzinfo=UTC) == course.desk.clock.now()
    assert reviewed.auth_time.ToDatetime(tzinfo=UTC) == course.desk.caller.auth_time
    assert [(one.baseline, one.latest, one.change.value) for one in reviewed.scores] == [(20, 16, "-20")]
    await course.score(sessions[2], 25)
    desk = course.desk
    request = course_pb2.GetCourseReviewRequest(name=reviewed.name)
    assert await desk.call(desk.courses.GetCourseReview, request) == reviewed


async def test_a_reason_is_written_where_the_score_gives_none(course) -> None:
    (session,) = await course.series(1)
    for attempt in (course.review(), course.review(STOP)):
        with pytest.raises(InvalidArgumentError, match="reason: "):
            await attempt
    await course.score(session, 20, at=datetime(2026, 3, 1, tzinfo=UTC))
    await course.score(session, 17)
    with pytest.raises(InvalidArgumentError, match="did not fall by 20 %"):
        await course.review()
    assert (await course.review(reason="the family sees it")).review.reason == "the family sees it"


async def test_only_a_recent_sign_in_and_the_signers_own_name_sign(course) -> None:
    caller = course.desk.caller
    with pytest.raises(InvalidArgumentError, match="signed_name"):
        await course.review(reason="goes well", signed_name="Somebody Else")
    course.desk.caller = replace(caller, auth_time=datetime.now(UTC) - timedelta(minutes=16))
    with pytest.raises(PermissionDeniedError) as refused:
        await course.review(reason="goes well")
    assert refused.value.reason == "SIGN_IN_NOT_RECENT"
    course.desk.caller = replace(caller, auth_time=datetime.now(UTC) - timedelta(minutes=14))
    await course.review(reason="goes well")


async def test_a_review_needs_the_course_as_it_is_and_is_written_once(course) -> None:
    with pytest.raises(AbortedError, match="changed"):
        await course.review(reason="x", etag="r1")
    etag = (await course.read()).etag
    again = str(new_id())
    first = await course.review(reason="x", etag=etag, request_id=again)
    assert await course.review(reason="x", etag=etag, request_id=again) == first
    assert await course.desk.execute("select count(*) from course_review") == [(1,)]


async def test_of_two_reviews_at_once_one_is_stale(course) -> None:
    etag = (await course.read()).etag
    attempts = [course.review(reason="x", etag=etag) for _ in range(4)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(result, AbortedError) for result in results) == 3


async def test_a_review_to_stop_ends_the_course_and_cancels_what_is_open(course) -> None:
    sessions = await course.series(4)
    await course.take(sessions[0])
    stopped = await course.review(STOP, reason="urinary symptoms")
    assert stopped.course.state == CourseState.STATE_COMPLETED
    assert stopped.course.session_count == 1
    told = await course.told("session_cancelled")
    assert [one.session.session for one in told] == [session.name for session in sessions[1:]]
    assert {(await course.desk.session(one.name)).cancel_reason for one in sessions[1:]} == {"course ended"}
    (completed,) = await course.told("course_completed")
    assert (completed.course, completed.session_count) == (course.name, 1)
    assert "urinary" not in str(await course.desk.sent())
    with pytest.raises(FailedPreconditionError, match="is completed"):
        await course.review(reason="x")
    assert await blocker_codes(course.book(1)) == {"COURSE_NOT_ACTIVE"}
    # The patient may be enrolled anew.
    await course.desk.active_course(sessions[0].patient)


async def test_reviews_are_listed_newest_first_in_pages(course) -> None:
    names = [(await course.review(reason=f"review {n}")).review.name for n in range(3)]
    desk, seen, token = course.desk, [], ""
    while True:
        request = course_pb2.ListCourseReviewsRequest(course=course.name, page_size=2, page_token=token)
        page = await desk.call(desk.courses.ListCourseReviews, request)
        seen += [review.name for review in page.reviews]
        token = page.next_page_token
        if not token:
            break
    assert seen == names[::-1]
    with pytest.raises(NotFoundError, match="courses/"):
        unknown = course_pb2.ListCourseReviewsRequest(course=f"courses/{new_id()}")
        await desk.call(desk.courses.ListCourseReviews, unknown)
    with pytest.raises(NotFoundError, match="courseReviews/"):
        missing = course_pb2.GetCourseReviewRequest(name=f"courseReviews/{new_id()}")
        await desk.call(desk.courses.GetCourseReview, missing)


async def test_replicas_of_the_job_tell_once_of_what_was_not_told(course) -> None:
    desk = course.desk
    for session in await course.series(3):
        await course.take(session)
    # As a release that knew of no reviews leaves it.
    await desk.execute("update course set review_told = false")
    replicas = [type(desk)(desk.database, desk.clock, desk.organization_id) for _ in range(3)]
    await asyncio.gather(*(replica.upkeep.flag_reviews_due() for replica in replicas))
    assert len(await course.told("course_review_due")) == 2
    await replicas[0].upkeep.flag_reviews_due()
    assert len(await course.told("course_review_due")) == 2


async def test_the_job_tells_of_no_review_that_is_not_due(course) -> None:
    sessions = await course.series(3)
    for session in sessions[:2]:
        await course.take(session)
    await course.desk.upkeep.flag_reviews_due()
    assert await course.told("course_review_due") == []
    await course.take(sessions[2])
    await course.desk.execute("update course set review_told = false")
    await course.review(STOP, reason="x")
    await course.desk.upkeep.flag_reviews_due()
    assert len(await course.told("course_review_due")) == 1


@pytest.mark.parametrize(
    "table", sorted(tables.METADATA.tables.keys() - {"outbox", "stream", "calendar_feed", "session_change"})
)
async def test_a_worker_sees_the_names_of_organizations_and_nothing_else(course, table) -> None:
    async with course.desk.database.transaction(ALL_ORGANIZATIONS) as connection:
        seen = await connection.scalar(select(func.count()).select_from(tables.METADATA.tables[table]))
    assert bool(seen) == (table == "organization")
