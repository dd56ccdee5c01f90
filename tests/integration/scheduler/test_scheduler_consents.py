"""Renewing the consent of a course: within which dates, of which courses, and what becomes of sessions."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from kat.scheduler.v1 import course_pb2, session_pb2
from services.runtime.errors import AbortedError, FailedPreconditionError, InvalidArgumentError, NotFoundError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.course_desk import TUESDAY, CourseDesk
from tests.integration.scheduler.desk import Desk, codes, day

pytestmark = pytest.mark.external_postgres

Kind, State = course_pb2.CourseChange.Kind, course_pb2.Course.State
ENROLLED = date(2026, 3, 2)
"""The date in the patient's zone on which courses begin here."""
VALIDITY = timedelta(days=180)
ENDS = date(2026, 8, 1)
"""The last date of the consent that courses begin with here."""
WEEK = timedelta(weeks=1)


@pytest.fixture
async def course(desk) -> CourseDesk:
    return await CourseDesk.open(desk)


async def renew(course: CourseDesk, until: date, reference: str = "consent-2", **more: str) -> course_pb2.Course:
    wanted = {"consent_reference": reference, "consent_expire_date": day(until), **more}
    return await course.change("RenewConsent", **wanted)


async def faults(attempt: Any) -> dict[str, str]:
    with pytest.raises(InvalidArgumentError) as faulty:
        await attempt
    return {fault.path: fault.description for fault in faulty.value.violations}


async def changes(course: CourseDesk) -> list[course_pb2.CourseChange]:
    request = course_pb2.ListCourseChangesRequest(course=course.name)
    return list((await course.desk.call(course.desk.courses.ListCourseChanges, request)).changes)


@pytest.mark.parametrize("until", [ENROLLED, ENROLLED + timedelta(days=1), ENROLLED + VALIDITY])
async def test_a_consent_is_renewed_up_to_the_protocols_limit(course, until) -> None:
    before = await course.read()
    renewed = await renew(course, until)
    assert (renewed.screening.consent_reference, renewed.screening.consent_expire_date) == ("consent-2", day(until))
    assert renewed.etag != before.etag
    assert await course.read() == renewed


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (ENROLLED - timedelta(days=1), "the consent has run out"),
        (ENROLLED + VALIDITY + timedelta(days=1), "at most 180 days"),
    ],
)
async def test_a_consent_that_has_run_out_or_is_valid_for_too_long_renews_nothing(course, until, said) -> None:
    before = await course.read()
    found = await faults(renew(course, until))
    assert list(found) == ["consent_expire_date"]
    assert said in found["consent_expire_date"]
    assert await course.read() == before
    assert await changes(course) == []


async def test_dates_of_a_consent_count_in_the_patients_zone(course, clock) -> None:
    clock.set(datetime(2026, 3, 3, 4, 59, tzinfo=UTC))  # a minute before midnight in New York
    await renew(course, ENROLLED)
    assert list(await faults(renew(course, ENROLLED + VALIDITY + timedelta(days=1)))) == ["consent_expire_date"]
    clock.set(datetime(2026, 3, 3, 5, 0, tzinfo=UTC))
    assert list(await faults(renew(course, ENROLLED))) == ["consent_expire_date"]
    await renew(course, ENROLLED + VALIDITY + timedelta(days=1))


async def test_what_is_wrong_with_a_renewal_is_said_at_once(desk) -> None:
    found = await faults(desk.call(desk.courses.RenewConsent, course_pb2.RenewConsentRequest(name="courses/1")))
    assert set(found) == {"name", "etag", "consent_reference", "consent_expire_date"}


async def test_a_session_after_the_old_consent_is_booked_once_it_is_renewed(course) -> None:
    desk, after = course.desk, ENDS + timedelta(days=1)
    await desk.book(course.name, course.room, ENDS - WEEK)
    (blocker,) = await desk.blockers(course.name, course.room, after)
    assert codes([blocker]) == {"CONSENT_MISSING"}
    assert "RenewConsent" in blocker.description
    with pytest.raises(FailedPreconditionError, match="CONSENT_MISSING"):
        await desk.book(course.name, course.room, after)
    await renew(course, after)
    assert (await desk.book(course.name, course.room, after)).state == session_pb2.Session.STATE_BOOKED
    assert codes(await desk.blockers(course.name, course.room, after + WEEK)) == {"CONSENT_MISSING"}


async def test_a_renewal_needs_the_course_as_it_is(course) -> None:
    read = await course.read()
    await renew(course, ENDS, etag=read.etag)
    with pytest.raises(AbortedError, match="changed since you read it"):
        await renew(course, ENDS + WEEK, etag=read.etag)
    assert (await course.read()).screening.consent_expire_date == day(ENDS)


@pytest.mark.parametrize("ending", ["completed", "revoked"])
async def test_a_course_that_has_ended_rests_on_no_new_consent(course, ending) -> None:
    if ending == "completed":
        await course.change("Complete")
    else:
        draft = await course.desk.enroll(course.opened.patients[0].name, code="im_racemic")
        course.name = (await course.desk.review(draft, accept=False, reason="not now")).name
    with pytest.raises(FailedPreconditionError, match=f"is {ending}; this can be done only while it is active or"):
        await renew(course, ENDS)


async def test_the_consent_of_a_paused_course_is_renewed_and_it_stays_paused(course) -> None:
    await course.change("Pause", reason="abroad")
    renewed = await renew(course, ENDS + WEEK)
    assert (renewed.state, renewed.hold_reason) == (State.STATE_ON_HOLD, "abroad")
    assert [one.consent_expire_date for one in await course.told("course_activated")] == [day(ENDS), day(ENDS + WEEK)]


async def test_a_draft_whose_consent_ran_out_is_accepted_once_it_is_renewed(desk, clock) -> None:
    opened = await desk.open_clinic()
    draft = await desk.enroll(opened.patients[0].name, consent_expire_date=day(ENROLLED))
    clock.advance(days=1)
    with pytest.raises(FailedPreconditionError, match="RenewConsent"):
        await desk.review(draft)
    course = CourseDesk(desk, draft.name, opened.rooms[0].name, opened)
    renewed = await renew(course, ENDS + WEEK)
    assert renewed.state == State.STATE_DRAFT
    assert await course.told("course_activated") == []
    assert (await desk.review(renewed)).state == State.STATE_ACTIVE
    assert [one.consent_expire_date for one in await course.told("course_activated")] == [day(ENDS + WEEK)]


async def test_who_renewed_a_consent_and_both_consents_are_kept(course) -> None:
    await renew(course, ENDS + WEEK, "consent-2")
    await course.change("Pause", reason="abroad")
    await renew(course, ENDS, "consent-3")
    newest, paused, first = await changes(course)
    assert [one.kind for one in (newest, paused, first)] == [
        Kind.KIND_CONSENT_RENEWED,
        Kind.KIND_PAUSED,
        Kind.KIND_CONSENT_RENEWED,
    ]
    one, two, three = (
        course_pb2.Consent(reference=f"consent-{n}", expire_date=day(until))
        for n, until in enumerate((ENDS, ENDS + WEEK, ENDS), start=1)
    )
    assert (first.previous_consent, first.consent) == (one, two)
    assert (newest.previous_consent, newest.consent) == (two, three)
    assert (paused.HasField("consent"), paused.HasField("previous_consent")) == (False, False)
    assert newest.actor.subject == course.desk.caller.actor.subject
    assert "consent-" not in str(await course.desk.sent())


async def test_a_renewal_without_its_consents_is_no_record(course) -> None:
    await course.change("Pause", reason="abroad")
    with pytest.raises(IntegrityError, match="course_change_consent"):
        await course.desk.execute(
            """insert into course_change select organization_id, :id, course_id, 2, 'consent_renewed', actor, reason,
                   change_time, protocol_id, session_cap, review_id from course_change""",
            id=new_id(),
        )


async def test_sessions_after_a_consent_that_was_cut_short_wait_for_another(course, clock) -> None:
    first, second = await course.series(2)
    await renew(course, TUESDAY)
    assert await course.stranded() == {second.name: ["CONSENT_MISSING"]}
    assert (await course.arrive(first)).state == session_pb2.Session.STATE_CHECKED_IN
    await course.take(first)
    with pytest.raises(FailedPreconditionError) as refused:
        await course.arrive(second)
    assert [(blocker.code, blocker.subject) for blocker in refused.value.blockers] == [("CONSENT_MISSING", second.name)]
    clock.advance(hours=2)
    await course.desk.upkeep.do_due()
    assert (await course.desk.session(second.name)).state == session_pb2.Session.STATE_BOOKED
    await renew(course, ENDS)
    assert await course.stranded() == {}
    assert (await course.arrive(second)).state == session_pb2.Session.STATE_CHECKED_IN


async def test_another_organization_renews_nothing(course, database) -> None:
    stranger = Desk(database, course.desk.clock)
    request = course_pb2.RenewConsentRequest(
        name=course.name, etag=(await course.read()).etag, consent_reference="x", consent_expire_date=day(ENDS)
    )
    with pytest.raises(NotFoundError):
        await stranger.call(stranger.courses.RenewConsent, request)
