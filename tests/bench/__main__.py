"""`python -m tests.bench [--only NAME …] [--json FILE]`: every row, each against the raw limit of the same run."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from tests.bench.clinics import new_suite, running_clinics
from tests.bench.doses import doses
from tests.bench.harness import Row, show, span, write
from tests.bench.ledger import offline_root, sequencer
from tests.bench.processes import memory, resident, second_start
from tests.bench.reads import reads
from tests.bench.rpc import rpc_stack
from tests.bench.sessions import booking, race
from tests.bench.slots import slots
from tests.support.suite import SuiteProcess

ALONE = {"rpc": rpc_stack, "sequencer": sequencer, "root": offline_root}
SUITE = ("booking", "race", "slots", "doses", "reads", "memory", "start")


async def measure(wanted: set[str]) -> AsyncIterator[Row]:
    """Measure the rows that are wanted."""
    for name, row in ALONE.items():
        if name in wanted:
            yield await row()
    if not wanted.intersection(SUITE):
        return
    async with new_suite() as suite:
        if wanted - {*ALONE, "start"}:
            async for row in _under_load(suite, wanted):
                yield row
        if "start" in wanted:
            yield second_start(suite)


async def _under_load(suite: SuiteProcess, wanted: set[str]) -> AsyncIterator[Row]:
    idle = resident(suite)
    async with running_clinics(suite) as clinics:
        booked, sessions = await booking(clinics)
        yield booked
        if "race" in wanted:
            yield await race(clinics)
        if "slots" in wanted:
            yield await slots(clinics)
        if "doses" in wanted:
            yield await doses(clinics, sessions)
        if "reads" in wanted:  # the last, since its million sessions are in the way of the others
            for one in await reads(clinics, sessions[-1]):
                yield one
    yield memory(idle, resident(suite))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = (*ALONE, *SUITE)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the figures go")
    arguments = parser.parse_args()
    rows = []
    async for row in measure(set(arguments.only)):
        rows.append(row)
        print(f"{row.what}: {span(row.ours)} {row.unit}", flush=True)  # noqa: T201 - the program's output
    show(rows)
    write(rows, arguments.json)


if __name__ == "__main__":
    asyncio.run(main())
