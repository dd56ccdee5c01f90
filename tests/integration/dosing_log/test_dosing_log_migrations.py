"""The models are the migrated schema."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.dosing_log.storage.tables import METADATA


async def test_models_equal_migrations(migrated_dosing_log):
    engine = create_async_engine(migrated_dosing_log.owner_url)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), METADATA)
        )
    await engine.dispose()
    assert differences == []


async def test_every_table_of_an_organization_has_row_level_security(migrated_dosing_log):
    engine = create_async_engine(migrated_dosing_log.owner_url)
    query = text(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        " and not (relrowsecurity and relforcerowsecurity)"
    )
    async with engine.connect() as connection:
        unprotected = set((await connection.execute(query)).scalars())
    await engine.dispose()
    assert unprotected == {"alembic_version"}
