"""The migrations make what the models describe."""

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from services.runtime.embedded_postgres import ServiceDatabase
from services.runtime.migrations import migrate
from services.scheduler.storage.tables import METADATA
from tests.support.services import app_role_of

pytestmark = pytest.mark.external_postgres


async def test_models_equal_migrations(service_database: Callable[[str], ServiceDatabase]) -> None:
    database = service_database("scheduler")
    await migrate("scheduler", database.owner_url, app_role_of(database))
    engine = create_async_engine(database.owner_url)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
