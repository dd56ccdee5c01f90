"""Row-level security, append-only tables, and what database errors become, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, insert, make_url, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from services.runtime.database import ALL_ORGANIZATIONS, Database, constraint_of, newest_revision, sqlstate_of
from services.runtime.errors import AbortedError, DomainError, ResourceExhaustedError, UnavailableError
from tests.support.sample import EFFECT, JOB, METADATA, NOTE, TABLES, migrate_sample, opened

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CANARY = "Zebulon Quagmire 1931-02-03"


@pytest.fixture
async def superuser(postgres_superuser_url, sample_urls) -> AsyncIterator[asyncpg.Connection]:
    url = make_url(postgres_superuser_url).set(drivername="postgresql", database=make_url(sample_urls.app_url).database)
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    yield connection
    await connection.close()


async def add_note(database: Database, organization_id, content: str = "") -> None:
    async with database.transaction(organization_id) as connection:
        values = {"organization_id": organization_id, "note_id": uuid4(), "content": content or str(uuid4())}
        await connection.execute(insert(NOTE).values(values))


async def test_migrations_make_the_tables_that_the_code_uses(sample_urls):
    def differences(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": METADATA})
        return compare_metadata(context, METADATA)

    engine = create_async_engine(sample_urls.owner_url)
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    # Partial indices of sample tables are not in their models; the runtime's are.
    assert [change for change in found if not str(change).startswith("('remove_index', Index('job_open'")] == []


async def test_several_processes_may_migrate_at_the_same_time(service_database):
    database = service_database("sample")
    assert await asyncio.gather(*(migrate_sample(database) for _ in range(4))) == ["0001"] * 4


async def test_an_organization_sees_its_own_rows_alone(database):
    mine, other = uuid4(), uuid4()
    await add_note(database, mine)
    await add_note(database, other)

    async with database.transaction(mine) as connection:
        assert list(await connection.scalars(select(NOTE.c.organization_id))) == [mine]


async def test_an_organization_cannot_write_for_another(database):
    with pytest.raises(DBAPIError, match="row-level security"):
        async with database.transaction(uuid4()) as connection:
            await connection.execute(insert(NOTE).values(organization_id=uuid4(), note_id=uuid4(), content="x"))


async def test_a_worker_sees_the_queues_of_all_and_nothing_else(database):
    organization_id = uuid4()
    await add_note(database, organization_id)
    async with database.transaction(organization_id) as connection:
        await connection.execute(
            insert(JOB).values(organization_id=organization_id, job_id=uuid4(), due_time=func.now())
        )
        await connection.execute(
            insert(TABLES.request).values(organization_id=organization_id, request_id=uuid4(), fingerprint=b"")
        )

    async with database.transaction(ALL_ORGANIZATIONS) as connection:
        assert organization_id in list(await connection.scalars(select(JOB.c.organization_id)))
        for table in (NOTE, EFFECT, TABLES.request, TABLES.inbox, TABLES.inbox_aggregate, TABLES.outbox_aggregate):
            assert await connection.scalar(select(func.count()).select_from(table)) == 0


async def test_without_a_scope_nothing_is_seen_or_written(database):
    await add_note(database, uuid4())
    async with database._engine.begin() as connection:
        for table in METADATA.tables.values():
            assert await connection.scalar(select(func.count()).select_from(table)) == 0
        with pytest.raises(DBAPIError, match="row-level security"):
            await connection.execute(insert(NOTE).values(organization_id=uuid4(), note_id=uuid4(), content="x"))


async def test_a_scope_ends_with_its_transaction(sample_urls):
    async with opened(sample_urls.app_url, pool_size=1) as database:
        await add_note(database, uuid4())
        async with database._engine.begin() as connection:
            assert await connection.scalar(select(func.count()).select_from(NOTE)) == 0


async def test_row_level_security_binds_the_owner_too(sample_urls, database):
    await add_note(database, uuid4())
    async with opened(sample_urls.owner_url) as owner, owner._engine.begin() as connection:
        assert await connection.scalar(select(func.count()).select_from(NOTE)) == 0


@pytest.mark.parametrize("statement", ["update note set content = content", "delete from note", "truncate note"])
async def test_an_append_only_table_refuses_every_change_whatever_was_granted(database, statement):
    organization_id = uuid4()
    await add_note(database, organization_id)
    with pytest.raises(DBAPIError, match="note is append-only") as caught:
        async with database.transaction(organization_id) as connection:
            await connection.execute(text(statement))
    assert sqlstate_of(caught.value) == "23001"


async def test_an_error_rolls_everything_back(database):
    organization_id = uuid4()
    with pytest.raises(ZeroDivisionError):
        async with database.transaction(organization_id) as connection:
            await connection.execute(insert(NOTE).values(organization_id=organization_id, note_id=uuid4(), content="x"))
            raise ZeroDivisionError
    async with database.transaction(organization_id) as connection:
        assert await connection.scalar(select(func.count()).select_from(NOTE)) == 0


async def test_the_violated_constraint_has_a_name_and_the_error_no_parameters(database):
    await add_note(database, uuid4(), CANARY + (content := str(uuid4())))
    with pytest.raises(IntegrityError) as caught:
        await add_note(database, uuid4(), CANARY + content)
    assert constraint_of(caught.value) == "note_content_key"
    assert "[SQL parameters hidden" in str(caught.value)


async def test_a_killed_connection_is_unavailable_and_the_next_transaction_works(sample_urls, superuser):
    async with opened(sample_urls.app_url, pool_size=2) as database:
        error = await error_of(UnavailableError, killed(database, superuser))
        assert error.reason == "DATABASE_AWAY"
        await add_note(database, uuid4())


async def killed(database: Database, superuser: asyncpg.Connection) -> None:
    async with database.transaction(uuid4()) as connection:
        await superuser.execute(
            "select pg_terminate_backend($1)", await connection.scalar(select(func.pg_backend_pid()))
        )
        await connection.execute(text("select :canary"), {"canary": CANARY})


async def test_connections_killed_while_idle_cost_one_call_each_at_most(sample_urls, superuser):
    async with opened(sample_urls.app_url, pool_size=3) as database:
        async with database.transaction(uuid4()), database.transaction(uuid4()), database.transaction(uuid4()):
            pass
        await superuser.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() and application_name = 'kat'"
        )
        failed = 0
        for _ in range(4):
            try:
                await add_note(database, uuid4())
            except UnavailableError:
                failed += 1
        assert failed <= 1


async def test_a_lock_that_is_not_got_in_time_is_a_race_lost(database):
    organization_id, job_id = uuid4(), uuid4()
    async with database.transaction(organization_id) as connection:
        await connection.execute(
            insert(JOB).values(organization_id=organization_id, job_id=job_id, due_time=func.now())
        )

    async def touch() -> None:
        async with database.transaction(organization_id) as connection:
            await connection.execute(text("set local lock_timeout = '50ms'"))
            await connection.execute(update(JOB).where(JOB.c.job_id == job_id).values(done_by=CANARY))

    async with database.transaction(organization_id) as connection:
        await connection.execute(update(JOB).where(JOB.c.job_id == job_id).values(done_by="first"))
        assert (await error_of(AbortedError, touch())).reason == "RACE_LOST"


async def test_a_deadlock_is_a_race_lost_for_one_and_nothing_for_the_other(database):
    organization_id, jobs = uuid4(), [uuid4(), uuid4()]
    async with database.transaction(organization_id) as connection:
        rows = [{"organization_id": organization_id, "job_id": job, "due_time": NOW} for job in jobs]
        await connection.execute(insert(JOB), rows)
    both_hold_one = asyncio.Barrier(2)

    async def touch(first, second) -> None:
        async with database.transaction(organization_id) as connection:
            await connection.execute(update(JOB).where(JOB.c.job_id == first).values(done_by=CANARY))
            await both_hold_one.wait()
            await connection.execute(update(JOB).where(JOB.c.job_id == second).values(done_by=CANARY))

    results = await asyncio.gather(touch(*jobs), touch(*reversed(jobs)), return_exceptions=True)
    assert [type(result) for result in results if result] == [AbortedError]


async def test_a_slow_statement_is_unavailable(database):
    async def dawdle() -> None:
        async with database.transaction(uuid4()) as connection:
            await connection.execute(text("set local statement_timeout = '30ms'"))
            await connection.execute(text("select pg_sleep(10), :canary"), {"canary": CANARY})

    assert (await error_of(UnavailableError, dawdle())).reason == "DATABASE_SLOW"


async def test_a_transaction_left_idle_is_unavailable(database):
    async def forget() -> None:
        async with database.transaction(uuid4()) as connection:
            await connection.execute(text("set local idle_in_transaction_session_timeout = '20ms'"))
            await asyncio.sleep(0.3)
            await connection.execute(text("select :canary"), {"canary": CANARY})

    assert (await error_of(UnavailableError, forget())).reason in {"DATABASE_SLOW", "DATABASE_AWAY"}
    async with database.transaction(uuid4()) as connection:
        assert await connection.scalar(text("select 1")) == 1


async def test_no_free_connection_is_resource_exhausted(sample_urls):
    async with opened(sample_urls.app_url, pool_size=1) as database:
        database._engine.pool._timeout = 0.05  # five seconds in production
        async with database.transaction(uuid4()):
            assert (await error_of(ResourceExhaustedError, database.check(""))).reason == "DATABASE_BUSY"


async def test_a_server_that_takes_no_more_connections_is_resource_exhausted(sample_urls, superuser):
    await superuser.execute(f"alter database {make_url(sample_urls.app_url).database} connection limit 0")
    try:
        async with opened(sample_urls.app_url) as database:
            assert (await error_of(ResourceExhaustedError, database.check(""))).reason == "DATABASE_BUSY"
    finally:
        await superuser.execute(f"alter database {make_url(sample_urls.app_url).database} connection limit -1")


async def test_a_server_that_is_away_is_unavailable(sample_urls, unused_tcp_port):
    url = make_url(sample_urls.app_url).set(host="127.0.0.1", port=unused_tcp_port, query={})
    async with opened(url.render_as_string(hide_password=False)) as database:
        assert (await error_of(UnavailableError, database.check(""))).reason == "DATABASE_AWAY"


async def test_a_cancelled_transaction_leaves_nothing_and_its_connection_is_usable(sample_urls):
    organization_id = uuid4()
    entered = asyncio.Event()

    async def write() -> None:
        async with database.transaction(organization_id) as connection:
            await connection.execute(insert(NOTE).values(organization_id=organization_id, note_id=uuid4(), content="x"))
            entered.set()
            await connection.execute(text("select pg_sleep(10)"))

    async with opened(sample_urls.app_url, pool_size=1) as database:
        task = asyncio.create_task(write())
        await entered.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with database.transaction(organization_id) as connection:
            assert await connection.scalar(select(func.count()).select_from(NOTE)) == 0


async def error_of(kind: type[DomainError], work: Awaitable[None]) -> DomainError:
    """The error that `work` ends with: of that class, without SQL and without parameters in its text."""
    with pytest.raises(kind) as caught:
        await work
    for word in (*CANARY.split(), "select", "update", "SQL", "$1"):
        assert word not in str(caught.value)
    return caught.value


async def test_a_schema_older_than_the_code_is_not_taken_for_ready(database: Database) -> None:
    await database.check("0000")
    assert (await error_of(UnavailableError, database.check("9999"))).reason == "SCHEMA_OLD"


@pytest.mark.parametrize("service", ["scheduler", "dosing_log", "notifications"])
def test_a_service_knows_the_revision_that_it_is_for(service: str) -> None:
    assert newest_revision(service) >= "0001"
