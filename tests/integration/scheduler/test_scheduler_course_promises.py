"""What is promised of courses, attacked by plain SQL as the restricted role that the service runs as."""

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from services.runtime.identifiers import new_id
from services.scheduler.storage import tables
from services.scheduler.storage.tables import table_of
from tests.integration.scheduler.course_desk import CourseDesk, create, shipped
from tests.integration.scheduler.test_scheduler_promises import WEEK, Forger, forger, id_of, refused

pytestmark = pytest.mark.external_postgres
__all__ = ["forger"]

COURSE = table_of(tables.Course)
PUT = "update session set state = :state where session_id = :id"


async def into_state(forger: Forger, **course: Any) -> None:
    """Change columns of the forged session's course."""
    statement = update(COURSE).where(COURSE.c.course_id == forger.courses[0]).values(**course)
    async with forger.desk.database.transaction(forger.desk.organization_id) as connection:
        await connection.execute(statement)


async def sign(forger: Forger, *, decision: str = "continue", sessions: int = 0) -> None:
    """Put a review of the forged session's course on record."""
    await forger.desk.execute(
        """insert into course_review select organization_id, :id, course_id,
               1 + (select count(*) from course_review), :decision, 'x', '{}', 'reviewed', now(), now(), :sessions, '[]'
           from course where course_id = :course""",
        id=new_id(),
        decision=decision,
        sessions=sessions,
        course=forger.courses[0],
    )


async def test_a_cap_is_raised_and_a_hold_lifted_by_a_review_alone(forger) -> None:
    assert await refused(into_state(forger, session_cap=8)) == "course_extension_reviewed"
    assert await refused(into_state(forger, review_base=3)) == "course_review_signed"
    await sign(forger, decision="stop", sessions=3)
    assert await refused(into_state(forger, session_cap=8)) == "course_extension_reviewed"
    await sign(forger, sessions=3)
    assert await refused(into_state(forger, review_base=4)) == "course_review_signed"
    await into_state(forger, session_cap=8, review_base=3)


async def test_a_raised_cap_reaches_every_session_and_no_cap_exceeds_the_protocols(forger, desk) -> None:
    await sign(forger)
    await into_state(forger, session_cap=8)
    assert await desk.execute("select session_cap from session") == [(8,)]
    await forger.forge(WEEK, place=8, session_cap=8)
    assert await refused(forger.forge(2 * WEEK, place=9, session_cap=8)) == "session_course_cap"
    assert await refused(into_state(forger, session_cap=13)) == "course_session_cap"
    assert await refused(into_state(forger, session_cap=0)) == "course_session_cap"
    assert await refused(into_state(forger, session_cap=7)) == "session_course_cap"
    assert await refused(into_state(forger, session_cap=20, session_maximum=20)) == "course_protocol"


async def test_a_course_of_the_release_before_has_its_cap_as_its_maximum(forger, desk) -> None:
    await desk.execute(
        """insert into course (organization_id, course_id, patient_id, protocol_id, protocol_code, interval_days,
               session_cap, state, contraindications, prior_treatment_trials, consent_reference, consent_expire_date,
               enroller, review_reason, create_time)
           select c.organization_id, :id, patient_id, p.protocol_id, p.code, p.interval_days, p.session_cap, 'draft',
               contraindications, prior_treatment_trials, consent_reference, consent_expire_date, enroller, '', now()
           from course c, protocol p where p.code = 'im_racemic' limit 1""",
        id=new_id(),
    )
    found = await desk.execute("select session_cap, session_maximum from course where protocol_code = 'im_racemic'")
    assert found == [(12, 12)]


@pytest.mark.parametrize("state", ["on_hold", "completed", "revoked"])
async def test_nothing_new_is_live_in_a_course_that_is_not_active(forger, desk, state) -> None:
    cancelled = await forger.forge(WEEK, place=2)
    await desk.execute(PUT, id=cancelled, state="cancelled")
    await into_state(forger, state=state, hold_reason="away" if state == "on_hold" else "")
    assert await refused(forger.forge(2 * WEEK, place=3)) == "session_course_active"
    assert await refused(desk.execute(PUT, id=cancelled, state="booked")) == "session_course_active"
    assert await refused(desk.execute(PUT, id=forger.session_id, state="checked_in")) == "session_course_active"
    # Facts are recorded, and what is booked can be cancelled.
    await desk.execute(PUT, id=forger.session_id, state="in_progress")
    await desk.execute(PUT, id=forger.session_id, state="fulfilled")


async def test_the_fifth_session_waits_for_a_review(forger, desk) -> None:
    fourth, fifth = [await forger.forge(n * WEEK, place=n + 1) for n in range(1, 5)][-2:]
    assert await refused(desk.execute(PUT, id=fifth, state="checked_in")) == "session_review_gate"
    assert await refused(forger.forge(5 * WEEK, place=6, state="checked_in")) == "session_review_gate"
    await desk.execute(PUT, id=fourth, state="checked_in")
    await desk.execute(PUT, id=fifth, state="in_progress")
    await desk.execute(PUT, id=fifth, state="booked")
    await sign(forger, sessions=1)
    await into_state(forger, review_base=1)
    await desk.execute(PUT, id=fifth, state="checked_in")


async def test_a_session_has_the_protocol_of_its_course(forger, desk) -> None:
    other = id_of(await create(desk, await shipped(desk)))
    assert await refused(forger.forge(WEEK, place=2, protocol_id=other)) == "session_course_protocol"
    moved = "update session set protocol_id = :other"
    assert await refused(desk.execute(moved, other=other)) == "session_course_protocol"
    longer = id_of(await create(desk, await shipped(desk), interval__minimum="14"))
    await into_state(forger, protocol_id=longer, interval_days=14)
    assert await refused(desk.execute(moved, other=longer)) == "session_of_protocol"
    assert await desk.execute(f"{moved}, interval_days = 14", other=longer) == 1
    assert await refused(into_state(forger, interval_days=7)) == "course_protocol"


async def test_a_patient_has_one_open_course_of_a_protocol_in_a_state_that_exists(forger, desk) -> None:
    await into_state(forger, state="on_hold", hold_reason="away")
    again = "update course set patient_id = (select patient_id from course where course_id = :id)"
    assert await refused(desk.execute(again, id=forger.courses[0])) in {"course_open", "session_of_course"}
    assert await refused(into_state(forger, hold_reason="")) == "course_hold_reason"
    assert await refused(into_state(forger, state="paused", hold_reason="")) == "course_state"
    assert await refused(into_state(forger, review_base=-1)) == "course_review_base"


async def test_reviews_and_changes_never_change(desk) -> None:
    course = await CourseDesk.open(desk)
    await course.take(await course.book(0))
    review = await course.review(reason="goes well")
    await course.change("Extend", review=review.review.name, sessions=1)
    for statement in (
        "update course_review set reason = 'x'",
        "delete from course_review",
        "truncate course_review cascade",
        "update course_change set reason = 'x'",
        "delete from course_change",
        "truncate course_change",
    ):
        with pytest.raises(DBAPIError):
            await desk.execute(statement)
    copy = """insert into course_review select organization_id, gen_random_uuid(), course_id, number + :further,
        :decision, '', reviewer, :meaning, sign_time, auth_time, session_count, scores from course_review"""
    right = {"further": 1, "decision": "continue", "meaning": "reviewed"}
    assert await refused(desk.execute(copy, **{**right, "further": 0})) == "course_review_number"
    assert await refused(desk.execute(copy, **{**right, "decision": "stop"})) == "course_review_reason"
    assert await refused(desk.execute(copy, **{**right, "decision": "later"})) == "course_review_decision"
    assert await refused(desk.execute(copy, **{**right, "meaning": "authored"})) == "course_review_meaning"
    assert await desk.execute(copy, **right) == 1
    extended = """insert into course_change select organization_id, gen_random_uuid(), course_id, number + 1, kind,
        actor, reason, change_time, protocol_id, session_cap, null from course_change"""
    assert await refused(desk.execute(extended)) == "course_change_review"


async def test_a_score_is_of_a_session_that_is_known(desk) -> None:
    course = await CourseDesk.open(desk)
    session = await course.book(0)
    await course.score(session, 12)
    strange = "update assessment set patient_id = gen_random_uuid()"
    assert await refused(desk.execute(strange)) == "assessment_organization_id_session_id_patient_id_fkey"
    assert await refused(desk.execute("update assessment set version = 0")) == "assessment_version"
    with pytest.raises(DBAPIError):
        await desk.execute("delete from assessment")


async def test_nobody_notes_another_organization(desk) -> None:
    await desk.open_clinic()
    assert await desk.execute("select organization_id from organization") == [(desk.organization_id,)]
    with pytest.raises(DBAPIError, match="row-level security"):
        await desk.execute("insert into organization values (:other)", other=new_id())
