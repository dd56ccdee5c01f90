"""What the ticker runs: the ledger's sequencer and signer. Safe on all replicas at once."""

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.dosing_log.ledger.publisher import sign_checkpoints
from services.dosing_log.ledger.sequencer import sequence_pending
from services.dosing_log.ledger.tables import LedgerTables
from services.runtime.clock import Clock
from services.runtime.database import ALL_ORGANIZATIONS, Database

BATCH = 1_024
_LOG = structlog.get_logger()


class LedgerJobs:
    """Sequences pending entries and signs the heads of the logs."""

    def __init__(self, database: Database, tables: LedgerTables, signing_key: Ed25519PrivateKey, clock: Clock) -> None:
        self._database = database
        self._tables = tables
        self._signing_key = signing_key
        self._clock = clock

    async def sequence(self) -> int:
        """Give every pending entry its index; return how many there were."""
        moved = 0
        while True:
            async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
                batch = await sequence_pending(connection, self._tables, limit=BATCH)
            moved += batch
            if batch < BATCH:
                return moved

    async def sign(self) -> int:
        """Sign a checkpoint of each log that grew; one that was tampered with is refused and reported."""
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            run = await sign_checkpoints(connection, self._tables, self._signing_key, self._clock.now())
        for fault in run.refused:
            _LOG.error("ledger_tampered", origin=fault.origin, index=fault.index)
        return run.signed
