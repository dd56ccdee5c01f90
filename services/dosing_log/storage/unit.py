"""Units of work on a connection."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dosing_log.ports import Announcer, UnitOfWork
from services.dosing_log.storage.access import StoredAccessLog
from services.dosing_log.storage.evidence import StoredEvidence
from services.dosing_log.storage.ledger import LedgerWriter, OpenLogs
from services.dosing_log.storage.pins import StoredPins
from services.dosing_log.storage.projection import StoredProjection
from services.dosing_log.storage.records import StoredRecords
from services.dosing_log.storage.stock import StoredStock

AnnouncerOn = Callable[[AsyncConnection, UUID], Announcer]


class Units:
    """Makes units of work.

    Args:
        origin_prefix: names the ledgers: "<prefix>/<organization>".
        announcer_on: makes the announcer of a connection and organization.
    """

    def __init__(self, origin_prefix: str, announcer_on: AnnouncerOn) -> None:
        self._logs = OpenLogs(origin_prefix)
        self._announcer_on = announcer_on

    def on(self, connection: AsyncConnection, organization_id: UUID) -> UnitOfWork:
        """Return the unit of work of a transaction."""
        ledger = LedgerWriter(connection, organization_id, self._logs)
        return UnitOfWork(
            records=StoredRecords(connection, organization_id, ledger),
            pins=StoredPins(connection, organization_id),
            stock=StoredStock(connection, organization_id, ledger),
            projection=StoredProjection(connection, organization_id),
            access=StoredAccessLog(connection, organization_id, ledger),
            evidence=StoredEvidence(connection, organization_id),
            announcer=self._announcer_on(connection, organization_id),
        )
