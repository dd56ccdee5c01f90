"""The scheduler's program: everything it is made of, from top to bottom."""

import time
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kat.events.v1 import events_pb2, events_pb2_grpc
from kat.scheduler.v1 import (
    calendar_pb2,
    calendar_pb2_grpc,
    course_pb2,
    course_pb2_grpc,
    roster_pb2,
    roster_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    waitlist_pb2,
    waitlist_pb2_grpc,
)
from services.runtime.backlog import MEASURED_EVERY_SECONDS, Backlog, event_measures
from services.runtime.channel import event_sinks
from services.runtime.clock import SystemClock
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
from services.scheduler.feeds.door import CalendarDoor
from services.scheduler.feeds.limits import RateLimit
from services.scheduler.feeds.listener import CalendarListener
from services.scheduler.feeds.reader import FeedReader
from services.scheduler.jobs import Upkeep, schedule, schedule_pruning
from services.scheduler.protocol_files import default_protocols
from services.scheduler.publisher import OutboxEvents
from services.scheduler.servicers.calendar import CalendarServicer
from services.scheduler.servicers.calls import Calls
from services.scheduler.servicers.course import CourseServicer
from services.scheduler.servicers.events import event_handlers
from services.scheduler.servicers.protocol import ProtocolServicer
from services.scheduler.servicers.roster import RosterServicer
from services.scheduler.servicers.session import SessionServicer
from services.scheduler.servicers.waitlist import WaitlistServicer
from services.scheduler.session_feed import SessionFeeds
from services.scheduler.storage.calendar_feeds import find_feed
from services.scheduler.storage.protocols import ProtocolVersions
from services.scheduler.storage.tables import RUNTIME_TABLES
from services.scheduler.storage.unit import PostgresUnit

SERVICES = (
    *roster_pb2.DESCRIPTOR.services_by_name.values(),
    *course_pb2.DESCRIPTOR.services_by_name.values(),
    *session_pb2.DESCRIPTOR.services_by_name.values(),
    *waitlist_pb2.DESCRIPTOR.services_by_name.values(),
    *calendar_pb2.DESCRIPTOR.services_by_name.values(),
    *events_pb2.DESCRIPTOR.services_by_name.values(),
)


async def serve(settings: SchedulerSettings) -> None:
    """Serve until told to end."""
    clock = settings.clock()
    database = Database(settings.database(), pool_size=settings.database_pool_size, application_name="kat_scheduler")
    metrics = Metrics()
    ticker = Ticker(metrics)
    outbox = Outbox(RUNTIME_TABLES, producer="scheduler", consumers=("dosing_log", "notifications"), clock=clock)
    protocols = ProtocolVersions()

    def unit(connection: AsyncConnection, organization_id: UUID) -> PostgresUnit:
        events = OutboxEvents(outbox, connection, organization_id)
        return PostgresUnit(connection, organization_id, events, protocols)

    door = CalendarDoor(
        FeedReader(database, find_feed, unit, clock),
        metrics.registry,
        clients=RateLimit(settings.calendar_client_rate, time.monotonic),
        tokens=RateLimit(settings.calendar_feed_rate, time.monotonic),
        proxies=settings.calendar_proxies,
    )
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
        listeners=_calendar_listeners(settings, door),
    )
    server.add(roster_pb2_grpc.add_RosterServiceServicer_to_server, RosterServicer(calls, clock))
    server.add(
        course_pb2_grpc.add_ProtocolServiceServicer_to_server, ProtocolServicer(calls, clock, default_protocols())
    )
    server.add(course_pb2_grpc.add_CourseServiceServicer_to_server, CourseServicer(calls, clock, SystemClock()))
    server.add(
        session_pb2_grpc.add_SessionServiceServicer_to_server,
        SessionServicer(calls, clock, settings.policy(), feeds),
    )
    server.add(waitlist_pb2_grpc.add_WaitlistServiceServicer_to_server, WaitlistServicer(calls, clock))
    server.add(
        calendar_pb2_grpc.add_CalendarServiceServicer_to_server,
        CalendarServicer(calls, clock, settings.calendar_addresses()),
    )
    server.add(
        events_pb2_grpc.add_EventSinkServicer_to_server,
        EventSink(database, RUNTIME_TABLES, event_handlers(unit, clock)),
    )
    consumers = {"dosing_log": settings.dosing_log_address, "notifications": settings.notifications_address}
    async with event_sinks(settings, consumers) as sinks:
        schedule_relays(ticker, database, RUNTIME_TABLES, sinks, seconds=settings.relay_seconds)
        schedule(ticker, Upkeep(database, unit, clock, settings.policy()), every_seconds=settings.upkeep_seconds)
        ticker.every(
            MEASURED_EVERY_SECONDS, "backlog", Backlog(database, metrics, event_measures(RUNTIME_TABLES)).measure
        )
        schedule_pruning(ticker, database, timedelta(days=settings.watch_days))
        await server.run()


def _calendar_listeners(settings: SchedulerSettings, door: CalendarDoor) -> list[CalendarListener]:
    if not settings.calendar_address:
        return []
    certificate, drain = settings.calendar_certificate(), settings.drain_seconds
    return [CalendarListener(settings.calendar_address, door.answer, certificate=certificate, drain_seconds=drain)]


if __name__ == "__main__":
    start("scheduler", SchedulerSettings, serve)
