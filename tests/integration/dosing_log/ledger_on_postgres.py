"""The ledger on a real PostgreSQL, as the tests of sequencer and publisher use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import MetaData, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.dosing_log.ledger.commitment import ledger_entry, new_salt
from services.dosing_log.ledger.ddl import ledger_ddl_v1
from services.dosing_log.ledger.merkle import CompactRange, leaf_hash
from services.dosing_log.ledger.publisher import SigningRun, sign_checkpoints
from services.dosing_log.ledger.sequencer import sequence_pending
from services.dosing_log.ledger.tables import ledger_tables, open_log

METADATA = MetaData()
TABLES = ledger_tables(METADATA)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PREFIX = "kat.invalid"


@asynccontextmanager
async def new_ledger(url: str) -> AsyncIterator[AsyncEngine]:
    """The ledger, newly made, in a schema of its own."""
    schema = f"ledger_{uuid4().hex}"
    plain = create_async_engine(url)
    async with plain.begin() as connection:
        await connection.execute(text(f"CREATE SCHEMA {schema}"))
    await plain.dispose()
    settings = {"search_path": schema, "lock_timeout": "10s"}  # a test that would wait for ever fails instead
    engine = create_async_engine(url, connect_args={"server_settings": settings})
    async with engine.begin() as connection:
        for statement in ledger_ddl_v1():
            await connection.execute(text(statement))
    try:
        yield engine
    finally:
        await engine.dispose()


def an_entry() -> bytes:
    return ledger_entry(b"{}", new_salt())


async def a_log(engine: AsyncEngine, organization_id: UUID | None = None) -> UUID:
    organization_id = organization_id or uuid4()
    async with engine.begin() as connection:
        await open_log(connection, TABLES, organization_id=organization_id, origin_prefix=PREFIX)
    return organization_id


async def enqueue(engine: AsyncEngine, organization_id: UUID, count: int) -> list[bytes]:
    rows = [{"event_id": uuid4(), "organization_id": organization_id, "entry": an_entry()} for _ in range(count)]
    async with engine.begin() as connection:
        await connection.execute(insert(TABLES.pending).values(rows))
    return [row["entry"] for row in rows]


async def sequence(engine: AsyncEngine, *, limit: int = 1024) -> int:
    async with engine.begin() as connection:
        return await sequence_pending(connection, TABLES, limit=limit)


async def sign(engine: AsyncEngine) -> SigningRun:
    async with engine.begin() as connection:
        return await sign_checkpoints(connection, TABLES, KEY, NOW)


async def entries_of(engine: AsyncEngine, organization_id: UUID) -> list[tuple[int, bytes]]:
    entry = TABLES.entry.c
    query = select(entry.idx, entry.entry).where(entry.organization_id == organization_id).order_by(entry.idx)
    async with engine.connect() as connection:
        return [(idx, stored) for idx, stored in await connection.execute(query)]


async def notes_of(engine: AsyncEngine, organization_id: UUID) -> list[bytes]:
    checkpoint = TABLES.checkpoint.c
    query = select(checkpoint.note).where(checkpoint.organization_id == organization_id).order_by(checkpoint.size)
    async with engine.connect() as connection:
        return list(await connection.scalars(query))


async def assert_log_holds(engine: AsyncEngine, organization_id: UUID, expected: list[bytes]) -> None:
    """Dense, complete, nothing twice, and the state is the head of exactly these entries."""
    stored = await entries_of(engine, organization_id)
    assert [idx for idx, _ in stored] == list(range(len(expected)))
    assert sorted(entry for _, entry in stored) == sorted(expected)
    tree = CompactRange()
    tree.append(leaf_hash(entry) for _, entry in stored)
    state = TABLES.state.c
    async with engine.connect() as connection:
        query = select(state.size, state.root, state.edge).where(state.organization_id == organization_id)
        assert (await connection.execute(query)).one() == (len(expected), tree.root(), tree.edge)
        pending = select(func.count()).where(TABLES.pending.c.organization_id == organization_id)
        assert await connection.scalar(pending) == 0


async def tamper(engine: AsyncEngine, statement: str, **values: object) -> None:
    """Change stored rows as someone would who can switch the triggers off."""
    tables = ("ledger_log", "ledger_entry", "ledger_checkpoint")
    async with engine.begin() as connection:
        for table in tables:
            await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        await connection.execute(text(statement), values)
        for table in tables:
            await connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
