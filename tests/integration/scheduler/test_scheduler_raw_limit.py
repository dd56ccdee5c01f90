"""What a booking leaves, as the raw limit of the bench writes it: every row, and none that it does not leave."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import make_url

from kat.scheduler.v1 import session_pb2
from services.runtime.identifiers import new_id
from tests.bench.replay import Replay, superuser_pool
from tests.bench.sessions import id_of, rows_of_booking
from tests.integration.scheduler.desk import Desk, booking
from tests.integration.scheduler.test_scheduler_no_shows import TUESDAY

pytestmark = pytest.mark.external_postgres

_TABLES = "select tablename from pg_tables where schemaname = $1"


@pytest.fixture
def superuser_url(scheduler_urls, postgres_superuser_url) -> str:
    url = make_url(postgres_superuser_url).set(database=make_url(scheduler_urls.owner_url).database)
    return url.render_as_string(hide_password=False)


@pytest.fixture
async def pool(superuser_url) -> Any:
    pool = await superuser_pool(superuser_url, 1)
    yield pool
    await pool.execute("drop schema if exists raw cascade")
    await pool.close()


async def counts(pool: asyncpg.Pool, schema: str) -> dict[str, int]:
    tables = [row["tablename"] for row in await pool.fetch(_TABLES, schema)]
    return {table: await pool.fetchval(f"select count(*) from {schema}.{table}") for table in tables}  # noqa: S608 - names of our own tables


async def test_the_raw_limit_of_a_booking_writes_the_rows_that_a_booking_leaves(desk: Desk, pool: asyncpg.Pool) -> None:
    opened = await desk.open_clinic()
    course = await desk.active_course(opened.patients[0].name)
    request = session_pb2.BookSessionRequest(
        request_id=str(new_id()), booking=booking(course, opened.rooms[0].name, TUESDAY)
    )
    before = await counts(pool, "public")
    session = await desk.call(desk.sessions.BookSession, request)
    left = {table: count - before[table] for table, count in (await counts(pool, "public")).items()}
    rows = rows_of_booking(id_of(session.name), UUID(request.request_id))
    replay = await Replay.of(pool, rows, organization_id=desk.organization_id)
    await replay()
    await replay()
    written = await counts(pool, "raw")
    assert {table: 2 * count for table, count in left.items() if count} == written
