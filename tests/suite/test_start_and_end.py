"""`kat up`: a second start finds everything, an end leaves nothing running, and a kill does neither harm."""

import time
from collections.abc import Iterator

import psutil
import pytest

from kat.scheduler.v1 import roster_pb2
from services.cli.clients import channels
from services.cli.data_folder import DataFolder
from services.cli.demo.stage import Stage
from services.cli.importing import import_roster
from services.cli.roster import read
from tests.suite.test_command_line import RIVERSIDE
from tests.support.postgres import reachable_folder
from tests.support.suite import SuiteProcess


@pytest.fixture
def fresh() -> Iterator[SuiteProcess]:
    with reachable_folder() as folder:
        yield SuiteProcess(DataFolder(folder / "data"))


async def test_state_survives_an_end_and_a_kill(fresh: SuiteProcess) -> None:
    fresh.start()
    written = await _import(fresh)
    assert fresh.stop() == 0
    fresh.start()
    assert await _patients(fresh) == written
    left = fresh.processes()
    fresh.kill()
    _, alive = psutil.wait_procs(left, timeout=20)
    assert not alive
    fresh.start()
    try:
        assert await _patients(fresh) == written
    finally:
        fresh.stop()


async def test_a_killed_service_is_started_again(suite: SuiteProcess, stage: Stage) -> None:
    before = suite.kill_service("scheduler")
    desk = stage.person("desk", "Desk", "clinic_system")
    await stage.call(stage.roster.ListClinics, roster_pb2.ListClinicsRequest(), desk)
    deadline = time.monotonic() + 20
    while suite.pid_of("scheduler") in (None, before):
        assert time.monotonic() < deadline


async def _import(process: SuiteProcess) -> list[str]:
    async with channels(process.data) as opened:
        token = Stage(process.data, opened).person("desk", "Desk", "clinic_system").token
        imported = await import_roster(
            opened["scheduler"], opened["notifications"], token, read([RIVERSIDE]), dry_run=False
        )
    return sorted(patient.name for patient in imported.answer.patients)


async def _patients(process: SuiteProcess) -> list[str]:
    async with channels(process.data) as opened:
        stage = Stage(process.data, opened)
        desk = stage.person("desk", "Desk", "clinic_system")
        found = await stage.call(stage.roster.ListPatients, roster_pb2.ListPatientsRequest(page_size=1000), desk)
    return sorted(patient.name for patient in found.patients)


async def test_a_killed_database_is_started_again_and_keeps_what_was_acknowledged(fresh: SuiteProcess) -> None:
    fresh.start()
    try:
        written = await _import(fresh)
        postmaster = next(process for process in fresh.processes() if process.name() == "postgres")
        postmaster.kill()
        assert await _patients(fresh) == written
    finally:
        fresh.stop()
