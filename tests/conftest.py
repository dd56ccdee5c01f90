"""Fixtures that every kind of test may use."""

from collections.abc import Callable, Iterator

import pytest

from services.runtime.embedded_postgres import ServiceDatabase
from tests.support.postgres import ServiceDatabases, superuser_url


@pytest.fixture(scope="session")
def postgres_superuser_url() -> Iterator[str]:
    """SQLAlchemy URL of a superuser on a real PostgreSQL: embedded, or the server KAT_TEST_POSTGRES_URL names."""
    with superuser_url() as url:
        yield url


@pytest.fixture(scope="session")
def service_database(
    postgres_superuser_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], ServiceDatabase]]:
    """Call it with a service's name for a fresh, provisioned, not migrated database; dropped when the session ends."""
    databases = ServiceDatabases(postgres_superuser_url, tmp_path_factory.mktemp("secrets"))
    yield databases
    databases.drop_all()
