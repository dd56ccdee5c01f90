"""What the ticker runs. Safe on all replicas at once."""

from datetime import timedelta

from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.runtime.ticker import Ticker
from services.scheduler.storage.change_pruning import (
    delete_old_changes,
    order_foreign_changes,
    organizations_with_old_changes,
)

PRUNED_EVERY_SECONDS = 600.0
PRUNED_AT_ONCE = 10_000


def schedule_pruning(ticker: Ticker, database: Database, kept: timedelta) -> None:
    """Delete changes of sessions, once they are older than `kept`, every ten minutes."""

    async def prune() -> None:
        await prune_changes(database, kept)

    ticker.every(PRUNED_EVERY_SECONDS, "prune_session_changes", prune)


async def prune_changes(database: Database, kept: timedelta, *, at_once: int = PRUNED_AT_ONCE) -> int:
    """Delete the changes of sessions that are older than `kept`, some at a time; return how many."""
    async with database.transaction(ALL_ORGANIZATIONS) as connection:
        await order_foreign_changes(connection)
        organizations = await organizations_with_old_changes(connection, kept)
    deleted = 0
    for organization_id in organizations:
        part = at_once
        while part == at_once:
            async with database.transaction(ALL_ORGANIZATIONS) as connection:
                part = await delete_old_changes(connection, organization_id, kept, at_once)
            deleted += part
    return deleted
