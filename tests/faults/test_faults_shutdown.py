"""The database is asked to end at the worst moment: while it recovers from a crash."""

import asyncio
import os
import signal
import time
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from services.runtime.embedded_postgres import EmbeddedPostgres
from tests.support.postgres import reachable_folder

RECOVERS = "all server processes terminated; reinitializing"
SHUTDOWN_SECONDS = 1.0


@pytest.mark.parametrize("pause", [0.0, 0.03])
async def test_a_shutdown_during_recovery_ends_and_loses_nothing(pause: float) -> None:
    with reachable_folder() as folder:
        server = EmbeddedPostgres(folder, shutdown_seconds=SHUTDOWN_SECONDS)
        server.start()
        await crash(server, folder / "postgres.log")
        await asyncio.sleep(pause)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 10 * SHUTDOWN_SECONDS
        server.start()
        connection = await connect(server)
        assert await connection.fetchval("select count(*) from kept") == 1
        await connection.close()
        server.stop()


async def connect(server: EmbeddedPostgres) -> asyncpg.Connection:
    url = make_url(server.superuser_url()).set(drivername="postgresql")
    return await asyncpg.connect(url.render_as_string(hide_password=False))


async def crash(server: EmbeddedPostgres, log: Path) -> None:
    """Commit a row, kill a backend, and wait until PostgreSQL begins to recover."""

    def recovers() -> bool:
        return RECOVERS in log.read_text()

    connection = await connect(server)
    await connection.execute("create table kept (value int); insert into kept values (1)")
    os.kill(await connection.fetchval("select pg_backend_pid()"), signal.SIGKILL)
    while not recovers():
        await asyncio.sleep(0.001)
    connection.terminate()
