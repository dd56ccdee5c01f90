"""What waits is measured: by kind, over all organizations, whatever the consumer."""

from prometheus_client import CollectorRegistry

from services.runtime.backlog import Backlog, event_measures
from services.runtime.database import Database
from services.runtime.metrics import Metrics
from tests.integration.runtime.event_system import EventSystem
from tests.support.sample import TABLES


def _value(registry: CollectorRegistry, kind: str) -> float:
    found = registry.get_sample_value("kat_backlog", {"kind": kind})
    assert found is not None
    return found


async def test_events_that_wait_are_counted_until_they_are_sent(database: Database) -> None:
    metrics = Metrics()
    backlog = Backlog(database, metrics, event_measures(TABLES))
    await backlog.measure()
    before = _value(metrics.registry, "event_streams_waiting")
    system = EventSystem(database, database)
    await system.happen("sessions/a", "sessions/b", "sessions/b")
    await backlog.measure()
    assert _value(metrics.registry, "event_streams_waiting") == before + 2
    assert _value(metrics.registry, "event_oldest_seconds") > 0
    assert _value(metrics.registry, "event_streams_parked") >= 0
