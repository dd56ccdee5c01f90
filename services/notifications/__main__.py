"""The notifications service's program: everything it is made of, from top to bottom."""

from datetime import timedelta
from random import SystemRandom

from kat.events.v1 import events_pb2, events_pb2_grpc
from kat.notifications.v1 import notifications_pb2, notifications_pb2_grpc
from services.notifications import jobs
from services.notifications.config import NotificationsSettings
from services.notifications.mail.calendar_file import Organizer
from services.notifications.mail.composer import EmailComposer
from services.notifications.mail.smtp import SmtpMailer, SmtpSettings
from services.notifications.mail.templates import TemplateLibrary
from services.notifications.sender import Sender
from services.notifications.servicers.events import event_handlers
from services.notifications.servicers.notifications import NotificationServicer
from services.notifications.servicers.recipients import RecipientServicer
from services.notifications.storage.contact_cipher import ContactCipher
from services.notifications.storage.tables import RUNTIME_TABLES
from services.notifications.storage.work import WorkQueue
from services.notifications.units import Units
from services.notifications.use_cases.planning import Planning
from services.notifications.use_cases.sending import Sending
from services.runtime.backlog import MEASURED_EVERY_SECONDS, Backlog
from services.runtime.database import Database, newest_revision
from services.runtime.entry import start
from services.runtime.events.inbox import EventSink
from services.runtime.metrics import Metrics
from services.runtime.server import ServiceServer
from services.runtime.ticker import Ticker
from services.runtime.writes import Writer

SERVICES = (
    *notifications_pb2.DESCRIPTOR.services_by_name.values(),
    *events_pb2.DESCRIPTOR.services_by_name.values(),
)


async def serve(settings: NotificationsSettings) -> None:
    """Serve until told to end."""
    clock = settings.clock()
    draw = SystemRandom().random
    database = Database(
        settings.database(), pool_size=settings.database_pool_size, application_name="kat_notifications"
    )
    metrics = Metrics()
    ticker = Ticker(metrics)
    cipher = ContactCipher.from_file(settings.contact_key_file)
    writer = Writer(database, RUNTIME_TABLES, cipher)
    queue = WorkQueue(lease=settings.send_lease)
    units = Units(database, cipher=cipher, queue=queue)
    origin = Organizer(settings.mail_from_name, settings.mail_from_address)
    composer = EmailComposer(TemplateLibrary.shipped(), origin)
    planning = Planning(clock, composer, spread=lambda: draw() * timedelta(minutes=settings.spread_minutes))
    sender = Sender(
        database=database,
        queue=queue,
        units=units,
        mailer=SmtpMailer(_smtp(settings)),
        sending=Sending(clock=clock, composer=composer, daily_cap=settings.daily_cap, jitter=draw),
        batch=settings.send_batch,
        concurrency=settings.send_concurrency,
    )
    jobs.schedule(ticker, sender, send_every_seconds=settings.send_every_seconds)

    server = ServiceServer(
        settings,
        services=SERVICES,
        database=database,
        schema=newest_revision("notifications"),
        ticker=ticker,
        metrics=metrics,
    )
    server.add(
        notifications_pb2_grpc.add_RecipientServiceServicer_to_server, RecipientServicer(writer, units, planning)
    )
    server.add(
        notifications_pb2_grpc.add_NotificationServiceServicer_to_server, NotificationServicer(writer, units, clock)
    )
    server.add(
        events_pb2_grpc.add_EventSinkServicer_to_server,
        EventSink(database, RUNTIME_TABLES, event_handlers(units, planning)),
    )
    due = {"notifications_due": lambda: queue.due(clock.now())}
    ticker.every(MEASURED_EVERY_SECONDS, "backlog", Backlog(database, metrics, due).measure)
    await server.run()


def _smtp(settings: NotificationsSettings) -> SmtpSettings:
    return SmtpSettings(
        host=settings.smtp_host,
        port=settings.smtp_port,
        sender=settings.mail_from_address,
        start_tls=settings.insists_on_tls,
        seconds=settings.smtp_seconds,
        username=settings.smtp_username or None,
        password=settings.smtp_password(),
    )


if __name__ == "__main__":
    start("notifications", NotificationsSettings, serve)
