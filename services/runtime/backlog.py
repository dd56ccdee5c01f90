"""How much work waits, as metrics: the figures that an alert is made of."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Select, and_, func, select

from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.runtime.metrics import Metrics
from services.runtime.tables import RuntimeTables

Measures = Mapping[str, Callable[[], Select[Any]]]

MEASURED_EVERY_SECONDS = 15.0


class Backlog:
    """Measures what waits in the queues of one service.

    Args:
        measures: for each kind of the gauge `kat_backlog` a query for one number; it may look at queues alone.
    """

    def __init__(self, database: Database, metrics: Metrics, measures: Measures) -> None:
        self._database = database
        self._metrics = metrics
        self._measures = dict(measures)

    async def measure(self) -> None:
        """Set each gauge to what its query finds now."""
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            for kind, query in self._measures.items():
                found = (await connection.execute(query())).scalar_one()
                self._metrics.backlog.labels(kind).set(float(found or 0))


def event_measures(tables: RuntimeTables) -> Measures:
    """Return the measures of an outbox: streams that wait, streams that are parked, and the age of the oldest event."""
    stream, outbox = tables.stream.c, tables.outbox.c
    waits = and_(stream.next_version <= stream.last_version, stream.parked_reason.is_(None))
    next_event = and_(
        outbox.organization_id == stream.organization_id,
        outbox.aggregate == stream.aggregate,
        outbox.aggregate_version == stream.next_version,
    )
    age = func.extract("epoch", func.clock_timestamp() - func.min(outbox.create_time))
    return {
        "event_streams_waiting": lambda: select(func.count()).select_from(tables.stream).where(waits),
        "event_streams_parked": lambda: (
            select(func.count()).select_from(tables.stream).where(stream.parked_reason.is_not(None))
        ),
        "event_oldest_seconds": lambda: (
            select(age).select_from(tables.stream.join(tables.outbox, next_event)).where(waits)
        ),
    }
