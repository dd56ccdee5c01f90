"""A sample service: the runtime's tables and one table of each kind, without rules of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.ext.asyncio import create_async_engine

from services.runtime import migrations
from services.runtime.database import Database
from services.runtime.embedded_postgres import ServiceDatabase
from services.runtime.tables import runtime_tables
from tests.support.services import app_role_of

METADATA = MetaData()
TABLES = runtime_tables(METADATA)
EFFECT = Table(
    "effect",
    METADATA,
    Column("organization_id", Uuid, primary_key=True),
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False),
    Column("producer", Text, nullable=False),
    Column("aggregate", Text, nullable=False),
    Column("aggregate_version", BigInteger, nullable=False),
)
JOB = Table(
    "job",
    METADATA,
    Column("organization_id", Uuid, primary_key=True),
    Column("job_id", Uuid, primary_key=True),
    Column("due_time", DateTime(timezone=True), nullable=False),
    Column("lease_until", DateTime(timezone=True)),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("parked_reason", Text),
    Column("done_by", Text),
    Column("open", Boolean, nullable=False, server_default="true"),
)
NOTE = Table(
    "note",
    METADATA,
    Column("organization_id", Uuid, primary_key=True),
    Column("note_id", Uuid, primary_key=True),
    Column("content", Text, nullable=False, unique=True),
)


def migrated_sample(service_database: Callable[[str], ServiceDatabase]) -> ServiceDatabase:
    """A fresh database with the sample service's schema."""
    database = service_database("sample")
    with ThreadPoolExecutor(max_workers=1) as executor:
        executor.submit(asyncio.run, migrate_sample(database)).result()
    return database


async def migrate_sample(database: ServiceDatabase) -> str:
    config = Config(attributes={"app_role": app_role_of(database)})
    config.set_main_option("script_location", str(Path(__file__).parent / "sample_migrations"))
    config.set_main_option("path_separator", "os")
    engine = create_async_engine(database.owner_url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(migrations._upgrade, config)
    finally:
        await engine.dispose()


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Database]:
    database = Database(url, **options)
    try:
        yield database
    finally:
        await database.close()
