"""A migrated scheduler database for each test process; an organization of its own for each test."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from services.runtime.database import Database
from services.runtime.embedded_postgres import ServiceDatabase
from services.runtime.migrations import migrate
from tests.fakes.clock import ManualClock
from tests.integration.scheduler.desk import Desk
from tests.support.services import app_role_of


@pytest.fixture(scope="session")
def scheduler_urls(service_database) -> ServiceDatabase:
    urls = service_database("scheduler")
    with ThreadPoolExecutor(max_workers=1) as executor:
        executor.submit(asyncio.run, migrate("scheduler", urls.owner_url, app_role_of(urls))).result()
    return urls


@pytest.fixture
async def database(scheduler_urls) -> AsyncIterator[Database]:
    database = Database(scheduler_urls.app_url)
    yield database
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    """Monday 2 March 2026, 07:00 in New York, six days before its clocks are set forward."""
    return ManualClock(datetime(2026, 3, 2, 12, tzinfo=UTC))


@pytest.fixture
def desk(database, clock) -> Desk:
    return Desk(database, clock)
