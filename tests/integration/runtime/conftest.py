"""Databases of the sample service: made once for each test process, opened anew for each test."""

from collections.abc import AsyncIterator

import pytest

from services.runtime.database import Database
from services.runtime.embedded_postgres import ServiceDatabase
from tests.support.sample import migrated_sample, opened


@pytest.fixture(scope="session")
def sample_urls(service_database) -> ServiceDatabase:
    return migrated_sample(service_database)


@pytest.fixture
async def database(sample_urls) -> AsyncIterator[Database]:
    async with opened(sample_urls.app_url) as database:
        yield database
