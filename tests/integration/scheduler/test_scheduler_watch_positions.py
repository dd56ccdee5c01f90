"""Positions: how long they are good for, and that none is taken for what it is not."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, delete, select, text

from services.runtime.errors import FailedPreconditionError, InvalidArgumentError
from services.scheduler.jobs import prune_changes
from services.scheduler.storage import tables
from services.scheduler.storage.tables import table_of
from tests.integration.scheduler.desk import Desk
from tests.integration.scheduler.watching import Watcher, first_message, position_now, settled
from tests.support.services import migrated

pytestmark = pytest.mark.external_postgres

CHANGE = table_of(tables.SessionChange)
TUESDAY = date(2026, 3, 3)
WEEK = timedelta(days=7)


class Past:
    """Sessions booked one after the other, the first of them long ago, as far as the changes say."""

    def __init__(self, desk: Desk, sessions: list[Any], positions: list[str]) -> None:
        self.desk = desk
        self.sessions = sessions
        self.positions = positions
        """Before all, and after each."""

    async def expired(self) -> list[bool]:
        return [await expired(self.desk, position) for position in self.positions]

    async def told_from(self, number: int) -> list[str]:
        async with Watcher(self.desk, position=self.positions[number]) as watcher:
            return [session.name for session in await watcher.caught_up()]


async def past(desk: Desk, *, old: int = 0, recent: int = 0) -> Past:
    before = await position_now(desk)
    count = old + recent
    opened = await desk.open_clinic(rooms=count, patients=count, ratio=count)
    sessions = []
    for patient, room in zip(opened.patients, opened.rooms, strict=True):
        sessions.append(await desk.book(await desk.active_course(patient.name), room.name, TUESDAY))
    await settled(desk)
    async with desk.database.transaction(desk.organization_id) as connection:
        rows = await connection.execute(select(CHANGE).order_by(CHANGE.c.transaction_id, CHANGE.c.change_id).limit(old))
        for row in rows.mappings().all():
            await connection.execute(delete(CHANGE).where(CHANGE.c.change_id == row["change_id"]))
            await put(connection, row, change_time=row["change_time"] - timedelta(days=8))
    async with Watcher(desk, position=before) as watcher:
        assert [one.name for one in await watcher.caught_up()] == [one.name for one in sessions]
        return Past(desk, sessions, [before, *(message.position for message in watcher.told)])


async def put(connection: Any, row: Any, *, change_time: datetime) -> None:
    """Write a change as it was, at another time."""
    names = list(CHANGE.c.keys())
    values = ", ".join(f":{name}" for name in names)
    statement = f"insert into session_change ({', '.join(names)}) overriding system value values ({values})"  # noqa: S608 - names of columns
    typed = text(statement).bindparams(*(bindparam(name, type_=CHANGE.c[name].type) for name in names))
    await connection.execute(typed, dict(row) | {"change_time": change_time})


async def expired(desk: Desk, position: str) -> bool:
    try:
        await first_message(desk, position=position)
    except FailedPreconditionError as error:
        return error.reason == "POSITION_EXPIRED"
    return False


async def test_a_position_is_good_for_as_long_as_all_that_came_after_it_is_kept(desk, database) -> None:
    past_days = await past(desk, old=3, recent=2)
    assert not any(await past_days.expired())
    await prune_changes(database, WEEK)
    # The third was the newest within the week that is kept, so that whoever stopped there missed nothing older.
    assert await past_days.expired() == [True, True, True, False, False, False]
    for number in (3, 4, 5):
        assert await past_days.told_from(number) == [session.name for session in past_days.sessions[number:]]


async def test_in_a_quiet_clinic_a_position_stays_good(desk, database) -> None:
    quiet = await past(desk, old=1)
    await prune_changes(database, WEEK)
    assert await quiet.expired() == [False, False]
    # Nor does it expire by the change that ends the quiet.
    confirmed = await desk.confirm(quiet.sessions[0])
    await prune_changes(database, WEEK)
    assert await quiet.told_from(1) == [confirmed.name]


async def test_three_replicas_prune_at_once_and_in_parts(desk, database) -> None:
    long_ago = await past(desk, old=7, recent=1)
    deleted = await asyncio.gather(*(prune_changes(database, WEEK, at_once=2) for _ in range(3)))
    assert sum(deleted) >= 6
    assert await long_ago.expired() == [*[True] * 7, False, False]
    assert await prune_changes(database, WEEK) == 0


async def test_a_stream_that_is_open_while_old_changes_are_deleted_goes_on(desk, database) -> None:
    long_ago = await past(desk, old=3)
    async with Watcher(desk) as watcher:
        await prune_changes(database, WEEK)
        confirmed = await desk.confirm(long_ago.sessions[0])
        assert list(await watcher.caught_up()) == [confirmed]


async def test_a_position_of_another_database_or_organization_is_refused(desk, clock, service_database) -> None:
    ours = await past(desk, recent=1)
    async with migrated("scheduler", service_database("scheduler")) as other:
        theirs = await past(Desk(other, clock, desk.organization_id), recent=1)
        for position in theirs.positions:
            assert await expired(desk, position)
        for position in ours.positions:
            assert await expired(theirs.desk, position)
    assert await expired(Desk(desk.database, clock), ours.positions[1])


async def test_a_position_is_refused_where_the_database_was_restored_from_an_older_copy(desk) -> None:
    """What came after the copy is gone; what is written instead has the same ids at other times."""
    story = await past(desk, recent=3)
    (last,) = await desk.execute("select * from session_change order by transaction_id desc, change_id desc limit 1")
    await desk.execute("delete from session_change where change_id = :change_id", change_id=last.change_id)
    assert await story.expired() == [False, False, False, True]
    async with desk.database.transaction(desk.organization_id) as connection:
        await put(connection, last._mapping, change_time=last.change_time + timedelta(seconds=9))
    assert await story.expired() == [False, False, False, True]
    assert await story.told_from(2) == [story.sessions[2].name]


async def test_changes_taken_over_from_another_server_come_before_its_own(desk, database) -> None:
    """A dump holds transaction ids that this server reaches only later; nothing may hide behind them."""
    story = await past(desk, recent=2)
    await desk.execute("update session_change set transaction_id = transaction_id + 1000000000")
    assert await story.expired() == [False, True, True]
    await prune_changes(database, WEEK)
    assert await story.expired() == [True, True, True]
    async with Watcher(desk) as watcher:
        confirmed = await desk.confirm(story.sessions[0])
        assert list(await watcher.caught_up()) == [confirmed]
        position = watcher.position
    await prune_changes(database, WEEK)
    assert not await expired(desk, position)


@pytest.mark.parametrize("position", ["x", "W10", "bm9uZSBvZiBvdXJz", "é"])
async def test_what_is_no_position_is_refused_as_such(desk, position) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        await first_message(desk, position=position)
    assert [violation.path for violation in refusal.value.violations] == ["position"]
