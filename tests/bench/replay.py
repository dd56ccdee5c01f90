"""The raw limit of a write: the rows that it left, inserted again by bare asyncpg in one transaction.

The rows go into copies of the tables with the same columns, checks, unique and exclusion constraints and indexes, but
without triggers, foreign keys and row-level security. Each time every id in them is a new one.
"""

import re
from collections.abc import Mapping
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import make_url

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Replay:
    """Inserts the rows of one write, again and again.

    Args:
        pool: of a superuser on the service's database.
        inserts: for each row the statement and its values.
        organization_id: the one id that stays as it is.
    """

    def __init__(self, pool: Any, inserts: list[tuple[str, list[object]]], organization_id: UUID) -> None:
        self._pool = pool
        self._inserts = inserts
        self._organization_id = organization_id

    @classmethod
    async def of(cls, pool: Any, left: Mapping[str, tuple[str, UUID]], *, organization_id: UUID) -> Self:
        """Copy the tables, and read what one write left in each: `left` has a query and its key by table."""
        inserts: list[tuple[str, list[object]]] = []
        async with pool.acquire() as connection:
            await connection.execute("drop schema if exists raw cascade; create schema raw")
            for table, (query, key) in left.items():
                await connection.execute(f"create table raw.{table} (like public.{table} including all)")
                found = await connection.fetch(query, key)
                if not found:
                    raise LookupError(f"the write left no row in {table}")
                computed = await connection.fetch(_COMPUTED, table)
                columns = [name for name in found[0].keys() if name not in {row[0] for row in computed}]  # noqa: SIM118 - a Record iterates over its values
                places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
                statement = f"insert into raw.{table} ({', '.join(columns)}) values ({places})"  # noqa: S608 - names of our own tables
                inserts += [(statement, [row[name] for name in columns]) for row in found]
        return cls(pool, inserts, organization_id)

    @property
    def rows(self) -> int:
        """How many rows one write has."""
        return len(self._inserts)

    async def __call__(self) -> None:
        fresh = {self._organization_id: self._organization_id}
        async with self._pool.acquire() as connection, connection.transaction():
            for statement, values in self._inserts:
                await connection.execute(statement, *(_renamed(value, fresh) for value in values))


_COMPUTED = """
select column_name from information_schema.columns
where table_schema = 'public' and table_name = $1 and 'ALWAYS' in (is_generated, identity_generation)
"""


def _renamed(value: object, fresh: dict[UUID, UUID]) -> object:
    if isinstance(value, UUID):
        return fresh.setdefault(UUID(int=value.int), uuid4())
    if isinstance(value, str):
        return _UUID.sub(lambda found: str(_renamed(UUID(found[0]), fresh)), value)
    return value


async def superuser_pool(superuser_url: str, size: int) -> Any:
    """A pool of so many connections, all open."""
    url = make_url(superuser_url).set(drivername="postgresql")
    return await asyncpg.create_pool(url.render_as_string(hide_password=False), min_size=size, max_size=size)
