"""Everything breaks while the clinics work. Afterwards nothing acknowledged is lost and no promise is broken.

KAT_FAULT_SEED repeats a run's choices; KAT_FAULT_SECONDS makes it long, and then `kat up` itself is killed too and
services are stopped for longer than their leases.
"""

import asyncio
import os
import random
from datetime import timedelta

from services.cli.data_folder import DataFolder
from tests.faults.checker import check
from tests.faults.history import History
from tests.faults.load import Load
from tests.faults.nemesis import Nemesis
from tests.faults.observed import observe, quiesce
from tests.faults.world import World
from tests.support.postgres import reachable_folder
from tests.support.suite import SuiteProcess

SEED = int(os.environ.get("KAT_FAULT_SEED") or random.SystemRandom().randrange(1_000_000))
SECONDS = float(os.environ.get("KAT_FAULT_SECONDS") or 5)
LONG = SECONDS >= 60


async def test_no_promise_breaks_under_faults() -> None:
    print(f"\n  KAT_FAULT_SEED={SEED} KAT_FAULT_SECONDS={SECONDS:.0f}", flush=True)  # noqa: T201 - a run is repeated by it
    history = History()
    with reachable_folder() as folder:
        async with World(SuiteProcess(DataFolder(folder / "data"))) as world:
            nemesis = Nemesis(world, SEED, stops=(0.5, 1.5, 5, 35) if LONG else (0.5, 1.5), everything=LONG)
            await asyncio.gather(Load(world, history, SEED).run(SECONDS), nemesis.run(SECONDS))
            await quiesce(world, hurry=not LONG)
            # A day later what was put off has been decided too.
            world.stage.move_to(world.stage.now() + timedelta(days=1))
            await quiesce(world, hurry=not LONG)
            seen = await observe(world)
            defects = [line for line in world.suite.logs().splitlines() if "internal_error" in line]
    print(f"  {history.summary()}; {len(seen.mails)} e-mails", flush=True)  # noqa: T201
    faults = check(history, seen)
    assert not faults, "\n".join([f"KAT_FAULT_SEED={SEED}", *nemesis.done, *faults, *defects])
    assert any(history.of("BookSession")), "nothing was booked, so that nothing was tested"
