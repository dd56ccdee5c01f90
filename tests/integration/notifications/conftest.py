"""A migrated notifications database for each test process; an organization of its own for each test."""

from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text

from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.runtime.embedded_postgres import ServiceDatabase
from services.runtime.migrations import migrate_blocking
from tests.fakes.clock import ManualClock
from tests.integration.notifications.post_office import PostOffice, new_york
from tests.integration.notifications.smtp_servers import Provider
from tests.support.services import app_role_of


@pytest.fixture(scope="session")
def notifications_urls(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    urls = service_database("notifications")
    migrate_blocking("notifications", urls.owner_url, app_role_of(urls))
    return urls


@pytest.fixture
async def database(notifications_urls: ServiceDatabase) -> AsyncIterator[Database]:
    database = Database(notifications_urls.app_url, pool_size=30)
    yield database
    async with database.transaction(ALL_ORGANIZATIONS) as connection:  # senders work for every organization
        await connection.execute(
            text("update notification set state = 'cancelled' where state in ('planned', 'sending')")
        )
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    """Monday 2 March 2026, 10:00 in New York, six days before its clocks are set forward."""
    return ManualClock(new_york(2026, 3, 2, 10))


@pytest.fixture
def office(database: Database, clock: ManualClock) -> PostOffice:
    return PostOffice(database, clock)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    async with provider.running():
        yield provider
