"""The whole suite as real processes, as `kat up` starts them, on a data folder of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.cli.clients import channels
from services.cli.data_folder import DataFolder
from services.cli.demo.account import Account
from services.cli.demo.day import run_day
from services.cli.demo.stage import Stage
from tests.support.postgres import reachable_folder
from tests.support.suite import SuiteProcess


@pytest.fixture(scope="session")
def suite() -> Iterator[SuiteProcess]:
    with reachable_folder() as folder:
        # A space and an umlaut: the folder's name must not matter.
        process = SuiteProcess(DataFolder(folder / "data of the süite"))
        process.start()
        yield process
        process.stop()


@pytest.fixture
async def stage(suite: SuiteProcess) -> AsyncIterator[Stage]:
    async with channels(suite.data) as opened:
        yield Stage(suite.data, opened)


@pytest.fixture(scope="session")
def day(suite: SuiteProcess) -> Account:
    """The account of one whole clinic day, run without trouble."""

    async def run() -> Account:
        async with channels(suite.data) as opened:
            return await run_day(Stage(suite.data, opened))

    return asyncio.run(run())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            # One process runs them all, so that the suite is started once.
            item.add_marker(pytest.mark.xdist_group("suite"))
