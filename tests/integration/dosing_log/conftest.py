"""Fixtures of the dosing log's integration tests."""

from collections.abc import AsyncIterator, Callable

import pytest

from services.runtime.database import Database
from services.runtime.embedded_postgres import ServiceDatabase
from services.runtime.migrations import migrate_blocking
from tests.integration.dosing_log.clinic import Clinic
from tests.support.services import app_role_of


@pytest.fixture(scope="session")
def migrated_dosing_log(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    """One migrated database for all tests; each test has an organization of its own."""
    database = service_database("dosing_log")
    migrate_blocking("dosing_log", database.owner_url, app_role_of(database))
    return database


@pytest.fixture
async def clinic(migrated_dosing_log: ServiceDatabase) -> AsyncIterator[Clinic]:
    """A clinic with the protocol installed."""
    database = Database(migrated_dosing_log.app_url)
    opened = Clinic(database)
    await opened.open()
    yield opened
    await database.close()
