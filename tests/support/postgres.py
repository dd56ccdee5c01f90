"""Real PostgreSQL for tests: an embedded server for each test process, or the one KAT_TEST_POSTGRES_URL names."""

import asyncio
import os
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

from services.runtime.embedded_files import private_folder, write_private
from services.runtime.embedded_postgres import EmbeddedPostgres, ServiceDatabase, provision_service_database

T = TypeVar("T")

# The same for every test process, since an external server's roles are shared by all of them.
_THROW_AWAY_PASSWORD = b"throw-away"


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that the server's own user can enter when root runs the tests, which pytest's tmp_path is not."""
    # Not TMPDIR, which may be private to the user who runs the tests.
    with tempfile.TemporaryDirectory(prefix="kat-test-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@contextmanager
def superuser_url() -> Iterator[str]:
    """URL of a superuser on a running server."""
    external = os.environ.get("KAT_TEST_POSTGRES_URL")
    if external:
        yield external
        return
    with reachable_folder() as folder, EmbeddedPostgres(folder) as server:
        yield server.superuser_url()


class ServiceDatabases:
    """Makes fresh provisioned databases, not migrated, each with a name of its own; `drop_all` removes them."""

    def __init__(self, superuser_url: str, secrets_folder: Path) -> None:
        self._superuser_url = superuser_url
        self._secrets_folder = private_folder(secrets_folder)
        self._made: list[str] = []

    def __call__(self, service: str) -> ServiceDatabase:
        for role in ("owner", "app"):
            write_private(self._secrets_folder / f"kat_{service}_{role}", _THROW_AWAY_PASSWORD)
        suffix = f"_test_{uuid4().hex}"
        self._made.append(f"kat_{service}{suffix}")
        return _in_own_loop(
            provision_service_database(self._superuser_url, service, self._secrets_folder, database_suffix=suffix)
        )

    def drop_all(self) -> None:
        _in_own_loop(self._drop_all())

    async def _drop_all(self) -> None:
        url = make_url(self._superuser_url).set(drivername="postgresql")
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
        try:
            for database in self._made:
                await connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        finally:
            await connection.close()


def _in_own_loop(work: Coroutine[None, None, T]) -> T:
    """Run `work` to its end in a thread, so that it can be called with or without a running loop."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(asyncio.run, work).result()
