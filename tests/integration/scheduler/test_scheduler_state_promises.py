"""Hand-overs, holds, no-shows and extensions, attacked by plain SQL as the service's own role."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from services.runtime.database import constraint_of
from tests.integration.scheduler.desk import Desk, timestamp

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
NINE = datetime(2026, 3, 3, 14, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)


async def refused(desk: Desk, sql: str, **values) -> str | None:
    with pytest.raises(IntegrityError) as error:
        await desk.execute(sql, **values)
    return constraint_of(error.value)


class Pair:
    """Two sessions at nine under the first of two supervisors with a ratio of two; the first is handed over at ten."""

    @classmethod
    async def open(cls, desk: Desk) -> "Pair":
        self = cls()
        opened = await desk.open_clinic(rooms=2, supervisors=2, ratio=2, patients=2)
        self.supervisors = [UUID(one.name.partition("/")[2]) for one in opened.practitioners]
        courses = [await desk.active_course(patient.name) for patient in opened.patients]
        first, second = [
            await desk.book(course, room.name, TUESDAY, supervisor=opened.practitioners[0].name)
            for course, room in zip(courses, opened.rooms, strict=True)
        ]
        handed = await desk.hand_over(first, hand_over_time=timestamp(TEN), supervisor=opened.practitioners[1].name)
        self.handed, self.other = (UUID(one.name.partition("/")[2]) for one in (handed, second))
        return self


@pytest.fixture
async def pair(desk) -> Pair:
    return await Pair.open(desk)


@pytest.mark.parametrize("by", ["-5 minutes", "5 minutes"], ids=["two at once", "a gap"])
async def test_a_hand_over_leaves_no_minute_without_one_supervisor(desk, pair, by) -> None:
    late = "update supervision set start_time = start_time + cast(:by as text)::interval where session_id = :id"
    late += " and start_time = :ten"
    assert await refused(desk, late, by=by, id=pair.handed, ten=TEN) == "session_supervised"


async def test_a_period_cannot_be_removed(desk, pair) -> None:
    removed = "delete from supervision where session_id = :id and start_time = :ten"
    assert await refused(desk, removed, id=pair.handed, ten=TEN) == "session_supervised"


async def test_who_takes_over_keeps_their_ratio_at_every_minute(desk, pair) -> None:
    taken = "update supervision set practitioner_id = :whom where session_id = :id"
    lowered = "update practitioner set supervision_ratio = 1 where practitioner_id = :id"
    await desk.execute(lowered, id=pair.supervisors[1])
    assert await refused(desk, taken, whom=pair.supervisors[1], id=pair.other) == "supervision_ratio"
    over = "update supervision set practitioner_id = :whom, lane = 1 where session_id = :id"
    assert await refused(desk, over, whom=pair.supervisors[1], id=pair.other) == "supervision_ratio"


async def test_who_takes_over_is_on_shift_for_their_part(desk, pair) -> None:
    await desk.execute("delete from shift where practitioner_id = :id", id=pair.supervisors[1])
    taken = "update supervision set practitioner_id = :whom, lane = 2 where session_id = :id"
    assert await refused(desk, taken, whom=pair.supervisors[1], id=pair.other) == "supervision_qualified"


async def test_a_longer_session_is_supervised_to_its_end(desk, pair) -> None:
    longer = "update session set end_time = end_time + interval '5 minutes' where session_id = :id"
    assert await refused(desk, longer, id=pair.other) == "session_supervised"


async def test_a_hold_has_an_end_and_counts_as_any_session(desk) -> None:
    opened = await desk.open_clinic(patients=1)
    course = await desk.active_course(opened.patients[0].name)
    await desk.hold(course, opened.rooms[0].name, TUESDAY)
    assert await refused(desk, "update session set hold_expire_time = null") == "session_hold"
    assert await refused(desk, "update session set place = 7") == "session_course_cap"
    unknown = "update session set state = 'maybe'"
    assert await refused(desk, unknown) == "session_state"


async def test_one_who_was_missed_does_not_come_back_unsupervised_or_into_a_taken_room(desk) -> None:
    opened = await desk.open_clinic(patients=2, ratio=1)
    mine, other = [await desk.active_course(patient.name) for patient in opened.patients]
    session = await desk.book(mine, opened.rooms[0].name, TUESDAY)
    desk.clock.set(NINE)
    missed = UUID((await desk.miss(session)).name.partition("/")[2])
    await desk.book(other, opened.rooms[0].name, TUESDAY, "09:30")
    back = "update session set state = 'booked' where session_id = :id"
    assert await refused(desk, back, id=missed) == "session_room"


async def test_the_cap_holds_after_it_was_raised_and_never_passes_the_maximum(desk) -> None:
    opened = await desk.open_clinic(patients=1)
    course = await desk.active_course(opened.patients[0].name)
    await desk.book(course, opened.rooms[0].name, TUESDAY)
    await desk.execute("update course set session_cap = 8")
    assert await desk.execute("select session_cap from session") == [(8,)]
    assert await refused(desk, "update session set place = 9") == "session_course_cap"
    assert await refused(desk, "update session set session_cap = 9") is not None
    assert await refused(desk, "update course set session_cap = 13") is not None
