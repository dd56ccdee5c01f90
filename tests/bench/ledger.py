"""Rows (e) and (f): the ledger by itself."""

import hashlib
import os
from time import perf_counter

from services.cli.ledger_check import root_of
from tests.bench.harness import ROUNDS, Row
from tests.integration.dosing_log.ledger_on_postgres import a_log, enqueue, new_ledger, sequence
from tests.support.postgres import superuser_url

SEQUENCED = 10_240
BATCH = 1_024
VERIFIED = 1_000_000


async def sequencer() -> Row:
    """Batches as the service takes them, each in a transaction of its own."""
    row = Row("sequencer", "entries/s", "5,000 entries/s")
    with superuser_url() as url:
        async with new_ledger(url) as engine:
            organization_id = await a_log(engine)
            for _ in range(ROUNDS):
                for _ in range(SEQUENCED // BATCH):
                    await enqueue(engine, organization_id, BATCH)
                started = perf_counter()
                while await sequence(engine, limit=BATCH):
                    continue
                row.ours.append(SEQUENCED / (perf_counter() - started))
    return row


async def offline_root() -> Row:
    """The auditor's root of all entries, against hashlib over the same messages without the tree: 2n - 1 of them."""
    row = Row("offline root of 1,000,000 entries", "entries/s", "0.4")
    content = os.urandom(65 * 1_000)
    some = [content[at : at + 65] for at in range(0, len(content), 65)]
    entries = some * (VERIFIED // len(some))
    for _ in range(ROUNDS):
        started = perf_counter()
        for entry in entries:
            hashlib.sha256(b"\x00" + entry).digest()
        for entry in entries[1:]:
            hashlib.sha256(entry).digest()  # a node's message is as long as an entry: 65 bytes
        row.raw.append(VERIFIED / (perf_counter() - started))
        started = perf_counter()
        root_of(entries)
        row.ours.append(VERIFIED / (perf_counter() - started))
    return row
