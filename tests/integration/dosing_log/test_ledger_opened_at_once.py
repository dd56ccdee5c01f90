"""The first writes of an organization may come all at once: each finds its log open."""

import asyncio
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.ledger.tables import open_log
from tests.integration.dosing_log.ledger_on_postgres import PREFIX, TABLES, new_ledger

WRITERS, ORGANIZATIONS = 8, 100  # without the rule, about one opening in a hundred failed


async def test_a_log_opened_by_many_at_once_is_opened(postgres_superuser_url: str) -> None:
    async with new_ledger(postgres_superuser_url) as engine:
        connections = [await engine.connect() for _ in range(WRITERS)]
        for _ in range(ORGANIZATIONS):
            organization_id = uuid4()
            await asyncio.gather(*(_open(connection, organization_id) for connection in connections))
        for connection in connections:
            await connection.close()


async def _open(connection: AsyncConnection, organization_id: UUID) -> None:
    async with connection.begin():
        await open_log(connection, TABLES, organization_id=organization_id, origin_prefix=PREFIX)
