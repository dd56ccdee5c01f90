"""The scheduler's program: everything it is made of, from top to bottom."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kat.events.v1 import events_pb2, events_pb2_grpc
from kat.scheduler.v1 import course_pb2, course_pb2_grpc, roster_pb2, roster_pb2_grpc, session_pb2, session_pb2_grpc
from services.runtime.backlog import MEASURED_EVERY_SECONDS, Backlog, event_measures
from services.runtime.channel import event_sinks
from services.runtime.database import Database, newest_revision
from services.runtime.entry import start
from services.runtime.events.inbox import EventSink
from services.runtime.events.outbox import Outbox
from services.runtime.events.relay import schedule_relays
from services.runtime.metrics import Metrics
from services.runtime.server import ServiceServer
from services.runtime.ticker import Ticker
from services.runtime.writes import Writer
from services.scheduler.config import SchedulerSettings
from services.scheduler.jobs import schedule_pruning
from services.scheduler.protocol_files import default_protocols
from services.scheduler.publisher import OutboxEvents
from services.scheduler.servicers.calls import Calls
from services.scheduler.servicers.course import CourseServicer
from services.scheduler.servicers.events import event_handlers
from services.scheduler.servicers.protocol import ProtocolServicer
from services.scheduler.servicers.roster import RosterServicer
from services.scheduler.servicers.session import SessionServicer
from services.scheduler.session_feed import SessionFeeds
from services.scheduler.storage.tables import RUNTIME_TABLES
from services.scheduler.storage.unit import PostgresUnit

SERVICES = (
    *roster_pb2.DESCRIPTOR.services_by_name.values(),
    *course_pb2.DESCRIPTOR.services_by_name.values(),
    *session_pb2.DESCRIPTOR.services_by_name.values(),
    *events_pb2.DESCRIPTOR.services_by_name.values(),
)


async def serve(settings: SchedulerSettings) -> None:
    """Serve until told to end."""
    clock = settings.clock()
    database = Database(settings.database(), pool_size=settings.database_pool_size, application_name="kat_scheduler")
    metrics = Metrics()
    ticker = Ticker(metrics)
    outbox = Outbox(RUNTIME_TABLES, producer="scheduler", consumers=("dosing_log", "notifications"), clock=clock)

    def unit(connection: AsyncConnection, organization_id: UUID) -> PostgresUnit:
        return PostgresUnit(connection, organization_id, OutboxEvents(outbox, connection, organization_id))

    calls = Calls(database, Writer(database, RUNTIME_TABLES), unit)
    feeds = SessionFeeds(
        calls.reading_of,
        watch_seconds=settings.watch_seconds,
        heartbeat_seconds=settings.watch_heartbeat_seconds,
        maximum_watchers=settings.maximum_watchers,
    )
    server = ServiceServer(
        settings,
        services=SERVICES,
        database=database,
        schema=newest_revision("scheduler"),
        ticker=ticker,
        metrics=metrics,
    )
    server.add(roster_pb2_grpc.add_RosterServiceServicer_to_server, RosterServicer(calls, clock))
    server.add(
        course_pb2_grpc.add_ProtocolServiceServicer_to_server, ProtocolServicer(calls, clock, default_protocols())
    )
    server.add(course_pb2_grpc.add_CourseServiceServicer_to_server, CourseServicer(calls, clock))
    server.add(session_pb2_grpc.add_SessionServiceServicer_to_server, SessionServicer(calls, clock, feeds))
    server.add(
        events_pb2_grpc.add_EventSinkServicer_to_server,
        EventSink(database, RUNTIME_TABLES, event_handlers(unit, clock)),
    )
    consumers = {"dosing_log": settings.dosing_log_address, "notifications": settings.notifications_address}
    async with event_sinks(settings, consumers) as sinks:
        schedule_relays(ticker, database, RUNTIME_TABLES, sinks, seconds=settings.relay_seconds)
        ticker.every(
            MEASURED_EVERY_SECONDS, "backlog", Backlog(database, metrics, event_measures(RUNTIME_TABLES)).measure
        )
        schedule_pruning(ticker, database, timedelta(days=settings.watch_days))
        await server.run()


if __name__ == "__main__":
    start("scheduler", SchedulerSettings, serve)
