"""Signing on a real PostgreSQL: what is signed verifies, what was tampered with is refused by name."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dosing_log.ledger.errors import VerificationError
from services.dosing_log.ledger.merkle import CompactRange, leaf_hash
from services.dosing_log.ledger.note import NoteSigner
from services.dosing_log.ledger.publisher import SigningRun, sign_checkpoints
from services.dosing_log.ledger.verify import verify_log
from tests.integration.dosing_log.ledger_on_postgres import (
    KEY,
    NOW,
    PREFIX,
    TABLES,
    a_log,
    an_entry,
    enqueue,
    entries_of,
    new_ledger,
    notes_of,
    sequence,
    sign,
    tamper,
)


@pytest.fixture(scope="module")
def database_url(service_database) -> str:
    return service_database("dosing_log").owner_url


@pytest.fixture
async def engine(database_url) -> AsyncIterator[AsyncEngine]:
    async with new_ledger(database_url) as engine:
        yield engine


async def test_checkpoints_verify_offline_at_every_size_they_were_signed_at(engine):
    log = await a_log(engine)
    for count in (1, 6, 300):
        await enqueue(engine, log, count)
        await sequence(engine)
        assert await sign(engine) == SigningRun(signed=1, refused=())
        assert await sign(engine) == SigningRun(signed=0, refused=())

    entries = [entry for _, entry in await entries_of(engine, log)]
    vkey = NoteSigner(f"{PREFIX}/{log}", KEY).verifier.vkey
    one, seven, all_ = await notes_of(engine, log)
    for size, note in ((1, one), (7, seven), (307, all_)):
        assert verify_log(entries[:size], note, vkey).size == size


async def test_the_time_of_signing_is_the_callers(engine):
    log = await a_log(engine)
    await enqueue(engine, log, 1)
    await sequence(engine)
    await sign(engine)

    async with engine.connect() as connection:
        assert await connection.scalar(select(TABLES.checkpoint.c.signed_at)) == NOW


async def test_an_empty_log_is_not_signed(engine):
    await a_log(engine)

    assert await sign(engine) == SigningRun(signed=0, refused=())


async def test_entries_are_read_in_parts_and_hash_to_one_root(engine):
    log = await a_log(engine)
    await enqueue(engine, log, 10_003)
    assert await sequence(engine, limit=20_000) == 10_003

    assert await sign(engine) == SigningRun(signed=1, refused=())
    entries = [entry for _, entry in await entries_of(engine, log)]
    (note,) = await notes_of(engine, log)
    verify_log(entries, note, NoteSigner(f"{PREFIX}/{log}", KEY).verifier.vkey)


async def test_two_publishers_at_once_sign_once(engine):
    logs = [await a_log(engine) for _ in range(5)]
    for log in logs:
        await enqueue(engine, log, 3)
    await sequence(engine)

    runs = await asyncio.gather(*(sign(engine) for _ in range(4)))

    assert sum(run.signed for run in runs) == 5
    assert [run.refused for run in runs] == [()] * 4
    assert [len(await notes_of(engine, log)) for log in logs] == [1] * 5


async def test_publishers_and_sequencers_at_once_sign_only_heads_that_verify(engine):
    log = await a_log(engine)

    async def write_and_sequence() -> None:
        for _ in range(30):
            await enqueue(engine, log, 3)
            await sequence(engine)

    async def publish() -> None:
        for _ in range(30):
            assert not (await sign(engine)).refused

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for work in (write_and_sequence(), write_and_sequence(), publish(), publish()):
            tasks.create_task(work)
    while await sequence(engine):
        pass
    await sign(engine)

    entries = [entry for _, entry in await entries_of(engine, log)]
    vkey = NoteSigner(f"{PREFIX}/{log}", KEY).verifier.vkey
    notes = await notes_of(engine, log)
    sizes = [int(note.split(b"\n")[1]) for note in notes]
    assert len(entries) == sizes[-1] == 180
    for size, note in zip(sizes, notes, strict=True):
        verify_log(entries[:size], note, vkey)


EDIT = "UPDATE ledger_entry SET entry = :entry WHERE organization_id = :log AND idx = 14"
UNSIGNED_TAMPERING = [
    (EDIT, 10, "do not hash to the root"),
    ("DELETE FROM ledger_entry WHERE organization_id = :log AND idx = 14", 14, "the entry is missing"),
    ("UPDATE ledger_entry SET idx = idx + 100 WHERE organization_id = :log", 10, "the entry is missing"),
    ("DELETE FROM ledger_entry WHERE organization_id = :log AND idx >= 17", 17, "the entry is missing"),
    ("UPDATE ledger_state SET root = sha256(root) WHERE organization_id = :log", 10, "do not hash to the root"),
    ("DELETE FROM ledger_state WHERE organization_id = :log", 0, "has lost its head"),
    ("UPDATE ledger_state SET size = 9, edge = substr(edge, 1, 64) WHERE organization_id = :log", 9, "does not extend"),
    ("UPDATE ledger_state SET size = 10, root = sha256(root) WHERE organization_id = :log", 10, "does not extend"),
    ("UPDATE ledger_checkpoint SET root = sha256(root) WHERE organization_id = :log", 10, "is not the one that was"),
    ("UPDATE ledger_checkpoint SET edge = sha256(edge) || sha256(root) WHERE organization_id = :log", 10, "is not the"),
    ("UPDATE ledger_checkpoint SET note = overlay(note placing 'x' from 3) WHERE organization_id = :log", 10, "sign"),
]


@pytest.mark.parametrize(("statement", "index", "fault"), UNSIGNED_TAMPERING)
async def test_a_log_that_was_tampered_with_is_refused_by_name_and_the_others_are_signed(
    engine, statement, index, fault
):
    log, other = await a_log(engine), await a_log(engine)
    for count in (10, 10):
        await enqueue(engine, log, count)
        await enqueue(engine, other, count)
        await sequence(engine)
        if not await notes_of(engine, log):
            await sign(engine)
    await tamper(engine, statement, log=log, entry=an_entry())

    run = await sign(engine)

    assert run.signed == 1
    (refusal,) = run.refused
    assert (refusal.origin, refusal.index) == (f"{PREFIX}/{log}", index)
    assert fault in str(refusal)
    assert len(await notes_of(engine, log)) == 1


async def test_an_edit_in_the_part_that_was_signed_is_found_offline(engine):
    log = await a_log(engine)
    await enqueue(engine, log, 20)
    await sequence(engine)
    await sign(engine)
    await tamper(engine, EDIT, log=log, entry=an_entry())

    entries = [entry for _, entry in await entries_of(engine, log)]
    (note,) = await notes_of(engine, log)
    with pytest.raises(VerificationError, match="do not have the root"):
        verify_log(entries, note, NoteSigner(f"{PREFIX}/{log}", KEY).verifier.vkey)


async def test_a_rewrite_of_signed_entries_with_all_hashes_made_to_fit_is_refused(engine):
    log = await a_log(engine)
    expected = await enqueue(engine, log, 20)
    await sequence(engine)
    await sign(engine)
    forged = CompactRange()
    forged.append(leaf_hash(entry) for entry in [*expected[:14], an_entry(), *expected[15:]])
    for table in ("ledger_state", "ledger_checkpoint"):
        statement = f"UPDATE {table} SET root = :root, edge = :edge"  # noqa: S608 - the two names above
        await tamper(engine, statement, root=forged.root(), edge=forged.edge)
    await enqueue(engine, log, 1)
    await sequence(engine)

    (refusal,) = (await sign(engine)).refused

    assert "the checkpoint stored for size 20 is not the one that was signed" in str(refusal)


async def test_another_key_does_not_continue_a_log(engine):
    log = await a_log(engine)
    await enqueue(engine, log, 1)
    await sequence(engine)
    await sign(engine)
    await enqueue(engine, log, 1)
    await sequence(engine)

    async with engine.begin() as connection:
        run = await sign_checkpoints(connection, TABLES, Ed25519PrivateKey.generate(), NOW)

    assert run.signed == 0
    assert "is not signed by" in str(run.refused[0])


async def test_a_run_that_is_rolled_back_signs_again(engine):
    log = await a_log(engine)
    await enqueue(engine, log, 2)
    await sequence(engine)
    async with engine.connect() as connection:
        assert (await sign_checkpoints(connection, TABLES, KEY, NOW)).signed == 1
        await connection.rollback()

    assert await notes_of(engine, log) == []
    assert (await sign(engine)).signed == 1
