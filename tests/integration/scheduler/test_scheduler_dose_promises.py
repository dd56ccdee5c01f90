"""The dose anchor, who may take over, and a longer interval, attacked by plain SQL as the service's own role."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.integration.scheduler.course_desk import create, shipped
from tests.integration.scheduler.test_scheduler_promises import WEEK, Forger, forger, id_of, refused

pytestmark = pytest.mark.external_postgres
__all__ = ["forger"]

TEN = datetime(2026, 3, 3, 15, tzinfo=UTC)
GIVE = """
    insert into dose select organization_id, gen_random_uuid(), session_id, patient_id, cast(:at as timestamptz),
        cast(:on as date), interval_days from session where session_id = :session
"""
PUT = "update session set state = :state where session_id = :id"


async def give(forger: Forger, on: date) -> None:
    """A dose in the forger's session, on whatever date."""
    await forger.desk.execute(
        GIVE, at=datetime(on.year, on.month, on.day, 15, tzinfo=UTC), on=on, session=forger.session_id
    )


@pytest.fixture
def held() -> dict:
    return {"state": "held", "hold_expire_time": datetime(2026, 3, 3, tzinfo=UTC)}


async def test_nothing_is_held_within_the_interval_of_a_dose(forger, held) -> None:
    await give(forger, date(2026, 3, 5))
    assert await refused(forger.forge(WEEK, place=2, **held)) == "session_dose_anchor"
    await forger.forge(timedelta(days=9), place=2, **held)


async def test_what_was_held_before_a_dose_within_its_interval_is_not_booked(forger, desk, held) -> None:
    mine = await forger.forge(WEEK, place=2, **held)
    await give(forger, date(2026, 3, 5))
    assert await refused(desk.execute(PUT, id=mine, state="booked")) == "session_dose_anchor"
    await desk.execute(PUT, id=mine, state="cancelled")


async def test_nobody_is_checked_in_too_early_after_a_dose(forger, desk) -> None:
    booked = await forger.forge(WEEK, place=2)
    await give(forger, date(2026, 3, 5))
    assert await desk.execute("select too_early from session where session_id = :id", id=booked) == [(True,)]
    assert await refused(desk.execute(PUT, id=booked, state="checked_in")) == "session_dose_anchor"
    unflagged = "update session set too_early = false where session_id = :id"
    assert await refused(desk.execute(unflagged, id=booked)) == "session_dose_anchor"
    # A dose that was given all the same is a fact.
    await desk.execute(PUT, id=booked, state="in_progress")


@pytest.mark.parametrize(
    "change",
    [
        "update practitioner set leave_date = '2026-03-02' where practitioner_id = :whom",
        "update practitioner set credential_expire_date = '2026-03-02' where practitioner_id = :whom",
        "update practitioner set protocol_codes = '{im_racemic}' where practitioner_id = :whom",
        """insert into shift_exception select organization_id, gen_random_uuid(), practitioner_id, null, 'absence',
               'America/New_York', '2026-03-03T16:00Z', '2026-03-03T16:05Z', now()
           from practitioner where practitioner_id = :whom""",
    ],
    ids=["left", "credential expired", "other protocols", "absent for five minutes of it"],
)
async def test_who_takes_over_is_qualified_for_the_whole_rest(forger, desk, change) -> None:
    other = forger.practitioners[1]
    await desk.execute(change, whom=other)
    hand_over = """
        with cut as (update supervision set end_time = cast(:ten as timestamptz) where session_id = :id returning *)
        insert into supervision select c.organization_id, c.session_id, c.end_time, s.end_time, cast(:whom as uuid),
            1, true from cut c join session s using (session_id)"""
    values = {"ten": TEN, "id": forger.session_id, "whom": other}
    assert await refused(desk.execute(hand_over, **values)) == "supervision_qualified"


async def test_a_course_does_not_follow_a_longer_interval_that_its_sessions_do_not_keep(forger, desk) -> None:
    await forger.forge(WEEK, place=2)
    longer = id_of(await create(desk, await shipped(desk), interval__minimum="14"))
    await desk.execute("update course set protocol_id = :other, interval_days = 14", other=longer)
    follow = "update session set protocol_id = :other, interval_days = 14"
    assert await refused(desk.execute(follow, other=longer)) == "session_cadence"


async def test_a_closure_does_not_keep_what_is_booked_from_being_checked_in(forger, desk) -> None:
    """It stands, and was told of; but once it was let go it does not come back."""
    await desk.execute(
        """insert into closure select organization_id, gen_random_uuid(), clinic_id, null, '2026-03-03T15:00Z',
               '2026-03-03T16:00Z', 'works', now() from clinic"""
    )
    await desk.execute(PUT, id=forger.session_id, state="checked_in")
    await desk.execute(PUT, id=forger.session_id, state="cancelled")
    assert await refused(desk.execute(PUT, id=forger.session_id, state="booked")) == "session_closure"
