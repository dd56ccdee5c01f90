"""The sender: claims what is due, fairly between organizations, and sends it; safe on any number of replicas."""

import asyncio
from collections.abc import Sequence

import structlog

from services.notifications.domain.notification import Notification
from services.notifications.ports import Mailer
from services.notifications.storage.work import WorkQueue
from services.notifications.units import Units
from services.notifications.use_cases.sending import (
    Prepared,
    Sending,
    may_still_go,
    note_failed_preparation,
    prepare,
    settle,
)
from services.runtime.database import ALL_ORGANIZATIONS, Database

LONGEST_RUN_SECONDS = 20.0
"""After so long a run claims no more, so that a slow provider does not look like a ticker that stands still."""

_LOG = structlog.get_logger()


class Sender:
    """Sends what is due.

    Args:
        batch: how many notifications one run takes at most; with the interval of the runs it bounds the rate.
        concurrency: how many are sent at once.
    """

    def __init__(
        self,
        *,
        database: Database,
        queue: WorkQueue,
        units: Units,
        mailer: Mailer,
        sending: Sending,
        batch: int,
        concurrency: int,
    ) -> None:
        self._database = database
        self._queue = queue
        self._units = units
        self._mailer = mailer
        self._sending = sending
        self._batch = batch
        self._concurrency = concurrency

    async def send_due(self) -> int:
        """Take what is due and bring it to its next state; return how many were taken."""
        loop = asyncio.get_running_loop()
        end, taken = loop.time() + LONGEST_RUN_SECONDS, 0
        while taken < self._batch and loop.time() < end:
            claimed = await self._claim(min(self._concurrency, self._batch - taken))
            if not claimed:
                break
            await asyncio.gather(*(self._send(notification) for notification in claimed))
            taken += len(claimed)
        return taken

    async def _claim(self, limit: int) -> Sequence[Notification]:
        # No more than are sent at once: what waited for its turn would use up its lease.
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            return await self._queue.claim(connection, now=self._sending.clock.now(), limit=limit)

    async def _send(self, claimed: Notification) -> None:
        """Send one; whatever goes wrong with it, the others go on, and its lease or its next try brings it back."""
        try:
            prepared = await self._prepare(claimed)
            if prepared is not None:
                await self._hand_over(prepared)
        except Exception as error:  # noqa: BLE001 - one poisoned notification must not stop the others
            _LOG.warning("notification_failed", notification=str(claimed.notification_id), exc_info=error)

    async def _prepare(self, claimed: Notification) -> Prepared | None:
        try:
            async with self._units.transaction(claimed.organization_id) as unit:
                return await prepare(claimed, unit, self._sending)
        except Exception:
            async with self._units.transaction(claimed.organization_id) as unit:
                await note_failed_preparation(claimed, unit, self._sending)
            raise

    async def _hand_over(self, prepared: Prepared) -> None:
        organization_id = prepared.notification.organization_id

        async def last_check() -> bool:
            async with self._units.transaction(organization_id) as unit:
                return await may_still_go(prepared, unit, self._sending)

        outcome = await self._mailer.send(prepared.envelope, last_check=last_check)
        async with self._units.transaction(organization_id) as unit:
            await settle(prepared, outcome, unit, self._sending)
