"""Sequencing on a real PostgreSQL: concurrent, interrupted, fair, and append-only."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dosing_log.ledger.sequencer import sequence_pending
from services.dosing_log.ledger.tables import open_log
from tests.integration.dosing_log.ledger_on_postgres import (
    METADATA,
    PREFIX,
    TABLES,
    a_log,
    an_entry,
    assert_log_holds,
    enqueue,
    entries_of,
    new_ledger,
    sequence,
    sign,
)


@pytest.fixture(scope="module")
def database_url(service_database) -> str:
    return service_database("dosing_log").owner_url


@pytest.fixture
async def engine(database_url) -> AsyncIterator[AsyncEngine]:
    async with new_ledger(database_url) as engine:
        yield engine


async def test_the_sql_for_migrations_makes_the_tables_that_statements_use(engine):
    def differences(connection):
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": METADATA}
        )
        return compare_metadata(context, METADATA)

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_entries_get_dense_indices_in_the_order_they_were_enqueued(engine):
    log = await a_log(engine)
    expected = []
    for _ in range(5):
        expected += await enqueue(engine, log, 1)

    assert await sequence(engine, limit=3) == 3
    assert await sequence(engine, limit=3) == 2
    assert await sequence(engine) == 0
    assert [entry for _, entry in await entries_of(engine, log)] == expected
    await assert_log_holds(engine, log, expected)


async def test_a_transaction_that_commits_late_is_not_lost(engine):
    log = await a_log(engine)
    late = an_entry()
    async with engine.connect() as slow:
        await slow.execute(insert(TABLES.pending).values(event_id=uuid4(), organization_id=log, entry=late))
        early = await enqueue(engine, log, 3)
        assert await sequence(engine) == 3
        await slow.commit()

    assert await sequence(engine) == 1
    await assert_log_holds(engine, log, [*early, late])


async def test_a_long_queue_does_not_keep_a_short_one_waiting(engine):
    busy, quiet = await a_log(engine), await a_log(engine)
    backlog = await enqueue(engine, busy, 200)
    few = await enqueue(engine, quiet, 3)

    assert await sequence(engine, limit=10) == 10
    await assert_log_holds(engine, quiet, few)
    assert len(await entries_of(engine, busy)) == 7
    while await sequence(engine):
        pass
    await assert_log_holds(engine, busy, backlog)


async def test_more_logs_than_the_limit_are_served_oldest_first(engine):
    logs = [await a_log(engine) for _ in range(6)]
    expected = [await enqueue(engine, log, 1) for log in logs]

    assert [await sequence(engine, limit=4), await sequence(engine, limit=4)] == [4, 2]
    for log, entries in zip(logs, expected, strict=True):
        await assert_log_holds(engine, log, entries)


async def test_a_log_that_another_holds_is_left_alone_and_the_others_are_served(engine):
    held, free = await a_log(engine), await a_log(engine)
    waiting = await enqueue(engine, held, 2)
    await enqueue(engine, free, 2)
    state = TABLES.state.c

    async with engine.connect() as other:
        await other.execute(select(state.size).where(state.organization_id == held).with_for_update())
        assert await sequence(engine) == 2
        assert await sequence(engine) == 0
        await other.rollback()
    assert await sequence(engine) == 2
    await assert_log_holds(engine, held, waiting)


async def test_concurrent_sequencers_with_crashes_lose_nothing_and_double_nothing(engine):
    chance = random.Random(7)  # noqa: S311 - decides which transactions crash, not a secret
    logs = [await a_log(engine) for _ in range(3)]
    expected: dict[UUID, list[bytes]] = {log: [] for log in logs}
    all_written = asyncio.Event()

    async def write(log: UUID) -> None:
        for _ in range(40):
            expected[log] += await enqueue(engine, log, chance.randint(1, 5))

    async def run_sequencer() -> None:
        while True:
            done = all_written.is_set()
            async with engine.connect() as connection:
                moved = await sequence_pending(connection, TABLES, limit=7)
                if chance.random() < 0.3:
                    await connection.rollback()
                    continue
                await connection.commit()
            if done and not moved and await _pending(engine) == 0:
                return

    async with asyncio.timeout(60), asyncio.TaskGroup() as sequencers:
        for _ in range(3):
            sequencers.create_task(run_sequencer())
        async with asyncio.TaskGroup() as writers:
            for log in logs:
                writers.create_task(write(log))
        all_written.set()

    for log in logs:
        await assert_log_holds(engine, log, expected[log])


async def _pending(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(TABLES.pending)) or 0


async def test_a_sequencer_whose_connection_is_killed_leaves_no_trace(engine):
    log = await a_log(engine)
    expected = await enqueue(engine, log, 20)
    async with engine.connect() as doomed:
        pid = await doomed.scalar(text("SELECT pg_backend_pid()"))
        assert await sequence_pending(doomed, TABLES) == 20
        async with engine.begin() as killer:
            await killer.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(DBAPIError):
            await doomed.commit()
        await doomed.invalidate()

    assert await entries_of(engine, log) == []
    assert await sequence(engine) == 20
    await assert_log_holds(engine, log, expected)


async def test_an_event_enters_the_ledger_once(engine):
    log, event = await a_log(engine), uuid4()
    row = {"event_id": event, "organization_id": log, "entry": an_entry()}
    async with engine.begin() as connection:
        await connection.execute(insert(TABLES.pending).values(row))
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(insert(TABLES.pending).values(row))
    await sequence(engine)
    with pytest.raises(IntegrityError, match="is in the ledger already"):
        async with engine.begin() as connection:
            await connection.execute(insert(TABLES.pending).values(row))


async def test_an_event_repeated_while_it_is_being_sequenced_is_refused_once_that_commits(engine):
    log, event = await a_log(engine), uuid4()
    row = {"event_id": event, "organization_id": log, "entry": an_entry()}
    async with engine.begin() as connection:
        await connection.execute(insert(TABLES.pending).values(row))

    async def repeat() -> None:
        async with engine.begin() as connection:
            started.set_result(await connection.scalar(text("SELECT pg_backend_pid()")))
            await connection.execute(insert(TABLES.pending).values(row))

    async with engine.connect() as sequencer:
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        assert await sequence_pending(sequencer, TABLES) == 1
        repeated = asyncio.create_task(repeat())
        await _until_waiting_for_a_lock(engine, await started)
        await sequencer.commit()
    with pytest.raises(IntegrityError, match="is in the ledger already"):
        await repeated
    await assert_log_holds(engine, log, [row["entry"]])


async def _until_waiting_for_a_lock(engine: AsyncEngine, pid: int) -> None:
    async with asyncio.timeout(10), engine.connect() as connection:
        waiting = text("SELECT cardinality(pg_blocking_pids(:pid)) > 0")
        while not await connection.scalar(waiting, {"pid": pid}):
            await connection.rollback()


async def test_opening_a_log_twice_changes_nothing(engine):
    log = await a_log(engine)
    expected = await enqueue(engine, log, 2)
    await sequence(engine)
    async with engine.begin() as connection:
        await open_log(connection, TABLES, organization_id=log, origin_prefix="elsewhere.invalid")
        assert await connection.scalar(select(TABLES.log.c.origin)) == f"{PREFIX}/{log}"

    await assert_log_holds(engine, log, expected)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET entry = entry",
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry",
        "UPDATE ledger_checkpoint SET note = note",
        "DELETE FROM ledger_checkpoint",
        "TRUNCATE ledger_checkpoint",
        "UPDATE ledger_log SET origin = 'elsewhere'",
        "DELETE FROM ledger_log",
        "TRUNCATE ledger_log CASCADE",
    ],
)
async def test_what_is_in_the_ledger_stays_even_for_the_owner(engine, statement):
    log = await a_log(engine)
    await enqueue(engine, log, 1)
    await sequence(engine)
    await sign(engine)

    with pytest.raises(DBAPIError, match="is append-only"):
        async with engine.begin() as connection:
            await connection.execute(text(statement))


async def test_the_database_refuses_a_leaf_hash_of_its_callers_and_an_entry_of_another_length(engine):
    log = await a_log(engine)
    row = {"organization_id": log, "idx": 0, "event_id": uuid4(), "entry": an_entry()}
    for wrong in ({"leaf_hash": bytes(32)}, {"entry": bytes(64)}, {"idx": -1}):
        with pytest.raises(DBAPIError):
            async with engine.begin() as connection:
                await connection.execute(insert(TABLES.entry).values({**row, **wrong}))
