"""Bringing a service's database to the schema of its code."""

import asyncio
from importlib import resources
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

# A migration that cannot get its lock fails and is run again; it never makes the service wait behind it.
LOCK_TIMEOUT_MS = 4_000
STATEMENT_TIMEOUT_MS = 60_000
_ADVISORY_LOCK = 7_018_446_211


async def migrate(service: str, owner_url: str, app_role: str) -> str:
    """Bring the database of a service to its newest schema, once, whoever else tries at the same time.

    Args:
        service: "scheduler", "dosing_log" or "notifications".
        owner_url: SQLAlchemy URL of the owner role.
        app_role: the restricted role that gets the grants.

    Returns:
        The revision that the database is at now.
    """
    engine = create_async_engine(owner_url, hide_parameters=True)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_upgrade, _config(service, app_role))
    finally:
        await engine.dispose()


def migrate_blocking(service: str, owner_url: str, app_role: str) -> str:
    """Do `migrate` from code that has no event loop."""
    return asyncio.run(migrate(service, owner_url, app_role))


def _config(service: str, app_role: str) -> Config:
    folder = resources.files(f"services.{service}") / "migrations"
    config = Config(attributes={"app_role": app_role})
    config.set_main_option("script_location", str(Path(str(folder))).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection, config: Config) -> str:
    connection.execute(text(f"set lock_timeout = {LOCK_TIMEOUT_MS}"))
    connection.execute(text(f"set statement_timeout = {STATEMENT_TIMEOUT_MS}"))
    connection.commit()
    head = ScriptDirectory.from_config(config).get_current_head() or ""
    if MigrationContext.configure(connection).get_current_revision() != head:
        connection.execute(text(f"select pg_advisory_lock({_ADVISORY_LOCK})"))
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.execute(text(f"select pg_advisory_unlock({_ADVISORY_LOCK})"))
        connection.commit()
    return head


def run_environment(metadata: MetaData) -> None:
    """Serve a migrations/env.py: run on the connection that `migrate` opened, one transaction for each migration."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
