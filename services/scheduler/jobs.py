"""What the ticker runs. Safe on all replicas at once: each piece of work is looked at again under its lock.

After an outage everything that fell due meanwhile is found, since it is read off the rows themselves.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from services.runtime.clock import Clock
from services.runtime.database import Database
from services.runtime.errors import DomainError
from services.runtime.ticker import Ticker
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.servicers.calls import UnitMaker
from services.scheduler.storage.due import Due, DueWork
from services.scheduler.use_cases.upkeep import expire_hold, miss_session
from services.scheduler.use_cases.waitlist import offer_slot, settle_offer

SWEEP_EVERY_SECONDS = 600.0
"""How often all who wait are looked at: a shift or a protocol may have opened time that nobody gave back."""

Work = Callable[[UUID, UnitOfWork], Awaitable[object]]
_LOG = structlog.get_logger()


class Upkeep:
    """Does what is due, each piece in a transaction of its own organization; one that fails does not stop the others.

    Args:
        unit: makes the unit of work of a connection inside a transaction of an organization.
        policy: how long things may wait.
    """

    def __init__(self, database: Database, unit: UnitMaker, clock: Clock, policy: SchedulingPolicy) -> None:
        self._database = database
        self._due = DueWork(database)
        self._unit = unit
        self._clock = clock
        self._policy = policy

    async def expire_holds(self) -> None:
        """Let go of slots that were held for too long."""

        async def work(session_id: UUID, unit: UnitOfWork) -> None:
            await expire_hold(session_id, unit, self._clock)

        await self._each(await self._due.lapsed_holds(self._clock.now()), work)

    async def mark_no_shows(self) -> None:
        """Record patients who did not come until the grace period was over."""

        async def work(session_id: UUID, unit: UnitOfWork) -> None:
            await miss_session(session_id, unit, self._clock, self._policy)

        started_before = self._clock.now() - self._policy.no_show_grace
        await self._each(await self._due.missed_sessions(started_before), work)

    async def settle_offers(self) -> None:
        """End offers that have expired, and note those that were taken by another way."""

        async def work(waitlist_entry_id: UUID, unit: UnitOfWork) -> None:
            await settle_offer(waitlist_entry_id, unit, self._clock)

        await self._each(await self._due.ended_offers(self._clock.now()), work)

    async def offer_vacancies(self) -> None:
        """Offer what became free to those who wait."""
        await self._offer_at(await self._due.clinics_with_vacancies())

    async def sweep_waitlist(self) -> None:
        """Look at all who wait, whatever made a slot free."""
        await self._offer_at(await self._due.clinics_with_waiting())

    async def _offer_at(self, clinics: Due) -> None:
        async def offer(waitlist_entry_id: UUID, unit: UnitOfWork) -> None:
            await offer_slot(waitlist_entry_id, unit, self._clock, self._policy)

        for organization_id, clinic_id in clinics:
            async with self._database.transaction(organization_id) as connection:
                waitlist = self._unit(connection, organization_id).waitlist
                vacancies, waiting = await waitlist.vacancies(clinic_id), await waitlist.waiting_at(clinic_id)
            await self._each([(organization_id, entry) for entry in waiting], offer)
            if vacancies:
                async with self._database.transaction(organization_id) as connection:
                    await self._unit(connection, organization_id).waitlist.forget_vacancies(vacancies)

    async def _each(self, due: Due, work: Work) -> None:
        """Do each piece; where one fails for a reason of ours, the others are done before that is raised."""
        failed: Exception | None = None
        for organization_id, subject in due:
            try:
                async with self._database.transaction(organization_id) as connection:
                    await work(subject, self._unit(connection, organization_id))
            except DomainError as error:  # such as a race that was lost: it is found again at the next look
                _LOG.info("upkeep_put_off", reason=error.reason)
            except Exception as error:  # noqa: BLE001 - one bad row must not stop the others
                failed = error
        if failed is not None:
            raise failed


def schedule(ticker: Ticker, upkeep: Upkeep, *, every_seconds: float) -> None:
    """Put the service's work on the ticker."""
    ticker.every(every_seconds, "expire_holds", upkeep.expire_holds)
    ticker.every(every_seconds, "mark_no_shows", upkeep.mark_no_shows)
    ticker.every(every_seconds, "settle_offers", upkeep.settle_offers)
    ticker.every(every_seconds, "offer_vacancies", upkeep.offer_vacancies)
    ticker.every(max(every_seconds, SWEEP_EVERY_SECONDS), "sweep_waitlist", upkeep.sweep_waitlist)
