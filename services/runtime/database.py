"""PostgreSQL: transactions that belong to one organization, and what its errors mean to a caller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.runtime.errors import AbortedError, DomainError, ResourceExhaustedError, UnavailableError

STATEMENT_TIMEOUT_MS: Final = 10_000
LOCK_TIMEOUT_MS: Final = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS: Final = 15_000


class _AllOrganizations:
    """Type of `ALL_ORGANIZATIONS`."""


ALL_ORGANIZATIONS: Final = _AllOrganizations()
"""Scope of a worker: sees work of every organization, in the tables whose policy lets workers in, and nothing else."""


class Database:
    """A service's database, entered as the restricted role.

    Args:
        url: SQLAlchemy URL with the asyncpg driver.
        pool_size: connections at most; a Python process saturates its core with about 12.
        application_name: how the connections call themselves to the database.
    """

    def __init__(self, url: str, *, pool_size: int = 12, application_name: str = "kat") -> None:
        self._engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_recycle=1_800,
            hide_parameters=True,  # parameters are personal data, and this text reaches logs
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "application_name": application_name,
                    "timezone": "UTC",
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
                },
            },
        )

    @asynccontextmanager
    async def transaction(self, scope: UUID | _AllOrganizations) -> AsyncIterator[AsyncConnection]:
        """Open one transaction in the scope of an organization; commit on success, roll back on any error.

        Raises:
            AbortedError: a race was lost: deadlock, serialization, lock time-out.
            UnavailableError: the database is away or too slow.
            ResourceExhaustedError: no connection is free.
        """
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_ENTER_SCOPE, _scope_parameters(scope))
                yield connection
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            translated = translate(error)
            if translated is None:
                raise
            raise translated from error

    async def check(self, schema: str) -> None:
        """Ask the database for the revision of its schema, which may be newer than the one asked for.

        Raises:
            UnavailableError: its schema is older: `kat migrate` was not run.
            DomainError: it did not answer.
        """
        async with self.transaction(ALL_ORGANIZATIONS) as connection:
            found = (await connection.execute(text("select max(version_num) from alembic_version"))).scalar_one()
        if (found or "") < schema:
            raise UnavailableError(f"The database is at {found}, not {schema}; run kat migrate", reason="SCHEMA_OLD")

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


_ENTER_SCOPE = text(
    "select set_config('kat.organization_id', :organization, true), set_config('kat.scope', :scope, true)"
)


def _scope_parameters(scope: UUID | _AllOrganizations) -> dict[str, str]:
    if isinstance(scope, _AllOrganizations):
        return {"organization": "", "scope": "worker"}
    return {"organization": str(scope), "scope": ""}


def newest_revision(service: str) -> str:
    """Return the revision of the schema that a service's code is for: its newest migration."""
    versions = resources.files(f"services.{service}.migrations") / "versions"
    names = (file.name.partition("_") for file in versions.iterdir() if file.name.endswith(".py"))
    return max(revision for revision, _, _ in names if revision)


def sqlstate_of(error: BaseException) -> str:
    """Return the SQLSTATE of a database error, or "" where it has none."""
    original = getattr(error, "orig", None)
    return str(getattr(original, "sqlstate", None) or "")


def constraint_of(error: IntegrityError) -> str | None:
    """Return the name of the constraint that a statement violated."""
    cause = error.orig.__cause__ if error.orig is not None else None
    name = getattr(cause, "constraint_name", None)
    return str(name) if name else None


_RACE_LOST = frozenset({"40001", "40P01", "55P03"})
_TOO_SLOW = frozenset({"57014", "25P03"})


def translate(error: BaseException) -> DomainError | None:
    """Return what a database error means to a caller, or None for a defect of ours."""
    state = sqlstate_of(error)
    if state in _RACE_LOST:
        return AbortedError("Another change came in between; read again and retry", reason="RACE_LOST")
    if state in _TOO_SLOW:
        return UnavailableError("The database did not answer in time; try again", reason="DATABASE_SLOW")
    if state == "53300" or isinstance(error, PoolTimeoutError):
        return ResourceExhaustedError("Too many calls at once; try again shortly", reason="DATABASE_BUSY")
    lost = isinstance(error, OSError) or (isinstance(error, DBAPIError) and error.connection_invalidated)
    if lost or state[:2] in {"08", "53", "57", "58"}:
        return UnavailableError("The database is away for the moment; try again", reason="DATABASE_AWAY")
    return None
