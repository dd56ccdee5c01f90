"""Each promise, attacked by plain SQL as the restricted role that the service runs as: the database refuses."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.runtime.database import constraint_of
from services.runtime.identifiers import new_id
from services.scheduler.storage import tables
from services.scheduler.storage.tables import table_of
from tests.integration.scheduler.desk import Desk

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
WEEK = timedelta(days=7)
SESSION, SUPERVISION = table_of(tables.Session), table_of(tables.Supervision)
TIMES = ("start_time", "dose_time", "end_time", "release_time")


class Forger:
    """Writes copies of a booked session straight into the tables, changed as an attack needs it."""

    def __init__(self, desk: Desk, opened: Any, courses: list[str], session_id: UUID) -> None:
        self.desk = desk
        self.rooms = [id_of(room) for room in opened.rooms]
        self.practitioners = [id_of(one) for one in opened.practitioners]
        self.patients = [id_of(one) for one in opened.patients]
        self.courses = [UUID(course.partition("/")[2]) for course in courses]
        self.session_id = session_id

    async def forge(
        self,
        by: timedelta = timedelta(),
        *,
        supervision: dict[str, Any] | None = None,
        supervised: bool = True,
        **changes: Any,
    ) -> UUID:
        """Insert a copy that begins `by` later, with other values in these columns; returns its id."""
        forged = new_id()
        async with self.desk.database.transaction(self.desk.organization_id) as connection:
            row = dict(await self._row(connection, SESSION))
            values = {name: row[name] for name in row if name not in ("local_date", "live", "counted")}
            moved = {name: row[name] + by for name in TIMES}
            await connection.execute(insert(SESSION).values(values | moved | {"session_id": forged} | changes))
            if supervised:
                row = dict(await self._row(connection, SUPERVISION))
                moved = {name: row[name] + by for name in ("start_time", "end_time")}
                changed = row | moved | {"session_id": forged} | (supervision or {})
                await connection.execute(insert(SUPERVISION).values(changed))
        return forged

    async def _row(self, connection, table) -> Any:
        return (await connection.execute(select(table).where(table.c.session_id == self.session_id))).mappings().one()

    def of_other_patient(self, **changes: Any) -> dict[str, Any]:
        return {"course_id": self.courses[1], "patient_id": self.patients[1], "place": 1, **changes}


def id_of(resource: Any) -> UUID:
    return UUID(resource.name.partition("/")[2])


@pytest.fixture
async def forger(desk) -> Forger:
    opened = await desk.open_clinic(rooms=2, supervisors=2, ratio=1, patients=2)
    courses = [await desk.active_course(patient.name) for patient in opened.patients]
    session = await desk.book(courses[0], opened.rooms[0].name, TUESDAY, supervisor=opened.practitioners[0].name)
    return Forger(desk, opened, courses, id_of(session))


async def refused(attempt: Any) -> str | None:
    with pytest.raises(IntegrityError) as error:
        await attempt
    return constraint_of(error.value)


async def test_what_breaks_no_promise_is_let_in(forger) -> None:
    await forger.forge(WEEK, place=2)


async def test_cadence(forger) -> None:
    other = {"practitioner_id": forger.practitioners[1]}
    at = {"place": 2, "room_id": forger.rooms[1], "supervision": other}
    assert await refused(forger.forge(timedelta(days=6), **at)) == "session_cadence"
    assert await refused(forger.forge(timedelta(hours=3), **at)) == "session_cadence"


async def test_no_protocol_and_no_session_has_a_shorter_interval(forger) -> None:
    foreign_key = await refused(forger.forge(WEEK, place=2, interval_days=6))
    assert foreign_key == "session_organization_id_course_id_patient_id_protocol_id_i_fkey"
    shorter = """
        insert into protocol select organization_id, :id, code, 99, title, substance, route, limits, no_show_counts,
            6, session_cap, create_time from protocol where code = 'iv_racemic'
    """
    assert await refused(forger.desk.execute(shorter, id=new_id())) == "protocol_minimum_interval"


async def test_a_local_date_cannot_be_claimed(forger) -> None:
    with pytest.raises(DBAPIError, match="can only be updated to DEFAULT"):
        await forger.desk.execute("update session set local_date = local_date + 30")


async def test_room_with_turnover(forger) -> None:
    other = {"practitioner_id": forger.practitioners[1]}
    at = forger.of_other_patient(supervision=other)
    assert await refused(forger.forge(timedelta(minutes=150), **at)) == "session_room"
    await forger.forge(timedelta(minutes=165), **at)


async def test_supervision_ratio(forger) -> None:
    at = forger.of_other_patient(room_id=forger.rooms[1])
    assert await refused(forger.forge(timedelta(minutes=149), **at)) == "supervision_ratio"
    assert await refused(forger.forge(**at, supervision={"lane": 2})) == "supervision_ratio"
    await forger.forge(timedelta(minutes=150), **at)


SHIFT_AGAIN = """
    insert into shift select p.organization_id, gen_random_uuid(), practitioner_id, clinic_id, 2,
        cast(:opens as time), '18:00', cast(:first as date) from practitioner p, clinic
"""


@pytest.mark.parametrize(
    "change",
    [
        "update practitioner set protocol_codes = '{im_racemic}'",
        "update practitioner set credential_expire_date = '2026-03-09'",
        "delete from shift where weekday = 2",
        "update practitioner set leave_date = '2026-03-09'",
        """insert into shift_exception select organization_id, gen_random_uuid(), practitioner_id, null, 'absence',
               'America/New_York', '2026-03-10T15:15Z', '2026-03-11T12:00Z', now() from practitioner""",
        """insert into shift_exception select organization_id, gen_random_uuid(), practitioner_id, clinic_id, 'absence',
               'America/New_York', '2026-03-10T15:15Z', '2026-03-10T15:20Z', now()
           from practitioner join clinic using (organization_id)""",
    ],
    ids=["other protocols", "credential expired", "not on shift", "left", "absent everywhere", "absent here"],
)
async def test_supervisor_qualified(forger, desk, change) -> None:
    await desk.execute(change)
    assert await refused(forger.forge(WEEK, place=2)) == "supervision_qualified"


async def test_supervisor_on_an_extra_shift_until_they_leave(forger, desk) -> None:
    await desk.execute("delete from shift")
    assert await refused(forger.forge(WEEK, place=2)) == "supervision_qualified"
    await desk.execute(
        """insert into shift_exception select organization_id, gen_random_uuid(), practitioner_id, clinic_id, 'extra',
               'America/New_York', '2026-03-10T14:00Z', '2026-03-10T16:30Z', now()
           from practitioner join clinic using (organization_id)"""
    )
    await desk.execute("update practitioner set leave_date = '2026-03-10'")
    await forger.forge(WEEK, place=2)
    other = forger.of_other_patient(room_id=forger.rooms[1], supervision={"practitioner_id": forger.practitioners[1]})
    later = await refused(forger.forge(WEEK + timedelta(minutes=1), **other))
    assert later == "supervision_qualified"


CLOSE = """
    insert into closure select organization_id, gen_random_uuid(), clinic_id, cast(:room as uuid),
        cast(:start as timestamptz), cast(:end as timestamptz), 'works', now() from clinic
"""


@pytest.mark.parametrize("room", [None, 0], ids=["the clinic", "the room"])
async def test_nothing_is_booked_or_moved_into_a_closure(forger, desk, room) -> None:
    # The session to forge is from 14:00 to 16:30, and its room is free again at 16:45.
    closed = {"room": None if room is None else forger.rooms[room], "end": datetime(2026, 3, 10, 18, tzinfo=UTC)}
    start = datetime(2026, 3, 10, 16, 29 if room is None else 44, tzinfo=UTC)
    await desk.execute(CLOSE, start=start, **closed)
    assert await refused(forger.forge(WEEK, place=2)) == "session_closure"
    move = """update session set start_time = start_time + i, dose_time = dose_time + i, end_time = end_time + i,
                  release_time = release_time + i from (select interval '7 days' as i) by"""
    assert await refused(desk.execute(move)) == "session_closure"
    if room is not None:
        await forger.forge(WEEK, place=2, room_id=forger.rooms[1])


async def test_a_cancelled_session_does_not_come_back_into_a_closure(forger, desk) -> None:
    forged = await forger.forge(WEEK, place=2)
    await desk.execute("update session set state = 'cancelled' where session_id = :id", id=forged)
    times = {"start": datetime(2026, 3, 10, 14, tzinfo=UTC), "end": datetime(2026, 3, 10, 15, tzinfo=UTC)}
    await desk.execute(CLOSE, room=None, **times)
    back = "update session set state = 'booked' where session_id = :id"
    assert await refused(desk.execute(back, id=forged)) == "session_closure"


async def test_what_stands_in_a_new_closure_runs_on(forger, desk) -> None:
    """A closure is no reason to lose a session that is there, and one that runs over is a fact."""
    times = {"start": datetime(2026, 3, 3, 14, tzinfo=UTC), "end": datetime(2026, 3, 3, 23, tzinfo=UTC)}
    await desk.execute(CLOSE, room=None, **times)
    await desk.execute("update session set state = 'checked_in'")
    await desk.execute("update session set release_time = release_time + interval '5 minutes'")


async def test_an_extra_shift_is_at_a_clinic(desk) -> None:
    await desk.open_clinic()
    nowhere = """insert into shift_exception select organization_id, gen_random_uuid(), practitioner_id, null, 'extra',
                     'UTC', now(), now() + interval '1 hour', now() from practitioner"""
    assert await refused(desk.execute(nowhere)) == "shift_exception_place"


@pytest.mark.parametrize(
    ("opens", "first"),
    [(time(10, 1), None), (time(8), date(2026, 3, 11))],
    ids=["shift begins late", "shift is not yet in effect"],
)
async def test_supervisor_on_shift_the_whole_time(forger, desk, opens, first) -> None:
    await desk.execute("delete from shift")
    await desk.execute(SHIFT_AGAIN, opens=opens, first=first)
    # A week later the clock reads 10:00, since it was set forward in between.
    assert await refused(forger.forge(WEEK, place=2)) == "supervision_qualified"


async def test_supervised_from_arrival_to_discharge(forger) -> None:
    assert await refused(forger.forge(WEEK, place=2, supervised=False)) == "session_supervised"
    short = {"end_time": datetime(2026, 3, 10, 15, tzinfo=UTC)}
    assert await refused(forger.forge(WEEK, place=2, supervision=short)) == "session_supervised"
    longer = "update session set end_time = end_time + interval '5 minutes'"
    assert await refused(forger.desk.execute(longer)) == "session_supervised"
    other = forger.practitioners[1]
    handed_over = "update supervision set end_time = end_time - interval '5 minutes', practitioner_id = :other"
    assert await refused(forger.desk.execute(handed_over, other=other)) == "session_supervised"


async def test_course_cap(forger) -> None:
    assert await refused(forger.forge(WEEK, place=13)) == "session_course_cap"
    assert await refused(forger.forge(WEEK, place=1)) == "session_place"
    raised = await refused(forger.forge(WEEK, place=13, session_cap=20))
    assert raised == "session_organization_id_course_id_patient_id_protocol_id_i_fkey"


async def test_a_patient_is_in_one_session_at_a_time(forger) -> None:
    # Two sessions at once are within the cadence floor as well; either constraint refuses.
    other = {"practitioner_id": forger.practitioners[1]}
    at = {"place": 2, "room_id": forger.rooms[1], "supervision": other}
    assert await refused(forger.forge(**at)) in {"session_patient", "session_cadence"}


async def test_dose_anchor(forger, desk) -> None:
    give = """
        insert into dose select organization_id, gen_random_uuid(), session_id, patient_id, cast(:at as timestamptz),
            cast(:on as date), interval_days from session where session_id = :session
    """
    given = datetime(2026, 3, 5, 15, tzinfo=UTC)
    await desk.execute(give, at=given, on=given.date(), session=forger.session_id)
    assert await refused(forger.forge(WEEK, place=2)) == "session_dose_anchor"
    later = await forger.forge(timedelta(days=9), place=2)
    back = "update session set start_time = start_time - i, dose_time = dose_time - i, end_time = end_time - i, "
    back += "release_time = release_time - i from (select interval '2 days' as i) by where session_id = :id"
    assert await refused(desk.execute(back, id=later)) == "session_dose_anchor"
    claimed = await refused(forger.forge(timedelta(days=16), place=3, too_early=True))
    assert claimed == "session_dose_anchor"


async def test_a_cancelled_session_does_not_come_back_into_a_taken_place(forger, desk) -> None:
    forged = await forger.forge(WEEK, place=2)
    await desk.execute("update session set state = 'cancelled' where session_id = :id", id=forged)
    assert await desk.execute("select live from supervision where session_id = :id", id=forged) == [(False,)]
    await forger.forge(WEEK, place=2)
    with pytest.raises(IntegrityError):
        await desk.execute("update session set state = 'booked' where session_id = :id", id=forged)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from session",
        "delete from supervision",
        "delete from course",
        "delete from patient",
        "truncate session cascade",
        "update protocol set session_cap = 99",
        "delete from protocol",
        "delete from dose",
        "alter table session drop constraint session_cadence",
        "alter table session disable trigger all",
        "alter table session disable row level security",
        "set session authorization postgres",
    ],
)
async def test_the_restricted_role_may_not(forger, desk, statement) -> None:
    with pytest.raises(DBAPIError):
        await desk.execute(statement)
    assert await desk.execute("select count(*) from session") == [(1,)]


async def test_row_level_security_cannot_be_switched_off(forger, desk) -> None:
    async with desk.database.transaction(desk.organization_id) as connection:
        await connection.execute(text("set local row_security = off"))
        with pytest.raises(DBAPIError, match="row-level security"):
            await connection.execute(text("select from session"))


@pytest.mark.parametrize("table", sorted(tables.METADATA.tables))
async def test_another_organization_sees_nothing(forger, database, table) -> None:
    everything = select(func.count()).select_from(tables.METADATA.tables[table])
    async with database.transaction(new_id()) as connection:
        assert await connection.scalar(everything) == 0


async def test_nobody_writes_for_another_organization(forger, database) -> None:
    stranger = Desk(database, forger.desk.clock)
    theirs = "insert into patient values (:theirs, :id, 's', 'v', 'UTC', '1980-01-01', null, now())"
    with pytest.raises(DBAPIError, match="row-level security"):
        await stranger.execute(theirs, theirs=forger.desk.organization_id, id=new_id())
    assert await stranger.execute("update session set cancel_reason = 'x'") == 0
