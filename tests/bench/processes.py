"""Rows (g) and (h): the second start of the whole suite, and what its processes hold in memory."""

import psutil

from services.cli.data_folder import SERVICES
from tests.bench.harness import ROUNDS, Row
from tests.support.suite import SuiteProcess


def second_start(suite: SuiteProcess) -> Row:
    """Seconds until every health check serves, on a data folder that was used."""
    row = Row("`kat up`, second start until all serve", "s", "under 5 s")
    for _ in range(ROUNDS):
        suite.stop()
        row.ours.append(suite.start())
    return row


def resident(suite: SuiteProcess) -> dict[str, float]:
    """The resident memory of each service in MB."""
    return {service: psutil.Process(suite.pid_of(service)).memory_info().rss / 1e6 for service in SERVICES}


def memory(idle: dict[str, float], loaded: dict[str, float]) -> Row:
    """A value for each service after the load."""
    row = Row("resident memory of a service after the load", "MB", "under 150 MB", ours=list(loaded.values()))
    row.notes |= {service: f"{idle[service]:.0f} idle, {loaded[service]:.0f} after" for service in SERVICES}
    return row
