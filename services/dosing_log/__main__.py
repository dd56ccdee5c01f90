"""The dosing log's program: everything it is made of, from top to bottom."""

from sqlalchemy import func, select

from kat.dosing_log.v1 import dosing_log_pb2, dosing_log_pb2_grpc
from kat.events.v1 import events_pb2, events_pb2_grpc
from services.dosing_log.clients import OutboxAnnouncer
from services.dosing_log.config import DosingLogSettings
from services.dosing_log.jobs import LedgerJobs
from services.dosing_log.ledger.note import NoteSigner
from services.dosing_log.pin_hashing import hash_pin, verify_pin
from services.dosing_log.servicers.audit import AuditServicer
from services.dosing_log.servicers.desk import Desk, RoleDenials
from services.dosing_log.servicers.dose import DoseServicer
from services.dosing_log.servicers.events import event_handlers
from services.dosing_log.servicers.inventory import InventoryServicer
from services.dosing_log.servicers.pin_desk import PinDesk
from services.dosing_log.servicers.records import RecordServicer
from services.dosing_log.storage.tables import LEDGER, RUNTIME
from services.dosing_log.storage.unit import Units
from services.dosing_log.use_cases.signing import PinKeeper
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

SERVICES = (
    *dosing_log_pb2.DESCRIPTOR.services_by_name.values(),
    *events_pb2.DESCRIPTOR.services_by_name.values(),
)


async def serve(settings: DosingLogSettings) -> None:
    """Serve until told to end."""
    clock, signing_key = settings.clock(), settings.ledger_key()
    database = Database(settings.database(), pool_size=settings.database_pool_size, application_name="kat_dosing_log")
    metrics = Metrics()
    ticker = Ticker(metrics)
    outbox = Outbox(RUNTIME, producer="dosing_log", consumers=("scheduler", "notifications"), clock=clock)
    writer = Writer(database, RUNTIME)
    units = Units(
        settings.ledger_origin_prefix,
        lambda connection, organization_id: OutboxAnnouncer(connection, organization_id, outbox),
    )
    keeper = PinKeeper(verify_pin, hash_pin, SystemClock())

    def desk(service: str) -> Desk:
        return Desk(f"kat.dosing_log.v1.{service}", database, writer, units.on, clock)

    server = ServiceServer(
        settings,
        services=SERVICES,
        database=database,
        schema=newest_revision("dosing_log"),
        ticker=ticker,
        metrics=metrics,
        on_denied=RoleDenials(database, units.on, clock),
    )
    doses = desk("DoseService")
    server.add(dosing_log_pb2_grpc.add_DoseServiceServicer_to_server, DoseServicer(doses, PinDesk(doses, keeper)))
    server.add(dosing_log_pb2_grpc.add_InventoryServiceServicer_to_server, InventoryServicer(desk("InventoryService")))
    server.add(dosing_log_pb2_grpc.add_RecordServiceServicer_to_server, RecordServicer(desk("RecordService")))
    server.add(
        dosing_log_pb2_grpc.add_AuditServiceServicer_to_server,
        AuditServicer(desk("AuditService"), lambda origin: NoteSigner(origin, signing_key).verifier.vkey),
    )
    server.add(events_pb2_grpc.add_EventSinkServicer_to_server, EventSink(database, RUNTIME, event_handlers(units.on)))
    ledger = LedgerJobs(database, LEDGER, signing_key, clock)
    measures = {
        **event_measures(RUNTIME),
        "ledger_pending": lambda: select(func.count()).select_from(LEDGER.pending),
    }
    consumers = {"scheduler": settings.scheduler_address, "notifications": settings.notifications_address}
    async with event_sinks(settings, consumers) as sinks:
        schedule_relays(ticker, database, RUNTIME, sinks, seconds=settings.relay_seconds)
        ticker.every(MEASURED_EVERY_SECONDS, "backlog", Backlog(database, metrics, measures).measure)
        ticker.every(settings.sequence_seconds, "sequence", ledger.sequence)
        ticker.every(settings.checkpoint_seconds, "checkpoint", ledger.sign)
        await server.run()


if __name__ == "__main__":
    start("dosing_log", DosingLogSettings, serve)
