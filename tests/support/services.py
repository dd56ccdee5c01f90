"""What integration tests of a service need: a migrated database and a caller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import make_url

from services.runtime.actor import Actor
from services.runtime.auth import Caller
from services.runtime.database import Database
from services.runtime.embedded_postgres import ServiceDatabase
from services.runtime.identifiers import new_id
from services.runtime.migrations import migrate


@asynccontextmanager
async def migrated(service: str, database: ServiceDatabase) -> AsyncIterator[Database]:
    """Migrate a provisioned database and open it as the restricted role."""
    await migrate(service, database.owner_url, app_role_of(database))
    opened = Database(database.app_url)
    try:
        yield opened
    finally:
        await opened.close()


def app_role_of(database: ServiceDatabase) -> str:
    return str(make_url(database.app_url).username)


def make_caller(
    *roles: str,
    organization_id: UUID | None = None,
    subject: str = "",
    certificate_name: str = "cli",
    credential: str = "MD",
) -> Caller:
    subject = subject or f"person-{new_id()}"
    return Caller(
        actor=Actor(subject=subject, printed_name=f"Printed {subject[-4:]}", credential=credential, roles=roles),
        organization_id=organization_id,
        token_id=str(new_id()),
        auth_time=datetime.now(UTC),
        certificate_name=certificate_name,
    )
