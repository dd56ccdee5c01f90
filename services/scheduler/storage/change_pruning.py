"""Changes of sessions that nobody asks for any more are deleted, for all organizations."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

# A row that is seen is of a transaction that has ended, and so has an id below those to come; unless the rows were
# taken over from another database server, as a dump, whose ids were further on. Then what is there goes before all that
# this one notes.
_MOVE_FOREIGN = text("""
update session_change set transaction_id = 1, cut = true where exists (
    select from session_change where transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
""")

_ORGANIZATIONS = text(
    "select distinct organization_id from session_change where change_time < now() - :kept order by organization_id"
).bindparams(bindparam("kept", type_=Interval))

# From the first one on and up to the last that is old, which stays: whoever stopped there finds it as long as nothing
# that came after it is old. Nothing in between is left out, so that what follows a row that is there is all there.
_DELETE_OLD = text("""
with last_old as (
    select transaction_id, change_id from session_change
    where organization_id = :organization_id and change_time < now() - :kept
      and transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    order by transaction_id desc, change_id desc limit 1
),
old as (
    select c.transaction_id, c.change_id from session_change c, last_old l
    where c.organization_id = :organization_id and (c.transaction_id, c.change_id) < (l.transaction_id, l.change_id)
    order by c.transaction_id, c.change_id limit :limit
)
delete from session_change c using old
where c.organization_id = :organization_id
  and c.transaction_id = old.transaction_id and c.change_id = old.change_id
""").bindparams(bindparam("kept", type_=Interval))
_MARK_FIRST = text("""
update session_change set cut = true
where organization_id = :organization_id and (transaction_id, change_id) = (
    select transaction_id, change_id from session_change where organization_id = :organization_id
    order by transaction_id, change_id limit 1)
""")


async def order_foreign_changes(connection: AsyncConnection) -> None:
    """Put changes that another database server noted before those of this one, and let the positions there expire."""
    await connection.execute(_MOVE_FOREIGN)


async def organizations_with_old_changes(connection: AsyncConnection, kept: timedelta) -> list[UUID]:
    """Return the organizations that have changes older than so long."""
    return list((await connection.execute(_ORGANIZATIONS, {"kept": kept})).scalars())


async def delete_old_changes(connection: AsyncConnection, organization_id: UUID, kept: timedelta, limit: int) -> int:
    """Delete the oldest changes of an organization, so many at most; return how many there were."""
    own = {"organization_id": organization_id}
    deleted = (await connection.execute(_DELETE_OLD, own | {"kept": kept, "limit": limit})).rowcount
    if deleted:
        await connection.execute(_MARK_FIRST, own)
    return deleted
