"""What the ticker runs. Safe on all replicas at once: each piece of work is looked at again under its lock.

After an outage everything that fell due meanwhile is found, since it is read off the rows themselves.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from services.runtime.clock import Clock
from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.runtime.errors import DomainError
from services.runtime.ticker import Ticker
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.ports.due import Due
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.servicers.calls import UnitMaker
from services.scheduler.storage.change_pruning import (
    delete_old_changes,
    order_foreign_changes,
    organizations_with_old_changes,
)
from services.scheduler.storage.courses import organizations
from services.scheduler.use_cases.reviews import flag_review
from services.scheduler.use_cases.upkeep import expire_hold, miss_session
from services.scheduler.use_cases.waitlist import offer_slot, settle_offer

REVIEWS_EVERY_SECONDS = 30.0
SWEEP_EVERY_SECONDS = 600.0
"""How often all who wait are looked at: a shift or a protocol may have opened time that nobody gave back."""
PRUNED_EVERY_SECONDS = 600.0
PRUNED_AT_ONCE = 10_000

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
        self._unit = unit
        self._clock = clock
        self._policy = policy

    async def do_due(self) -> None:
        """Let go of lapsed holds, record no-shows, end offers, and offer to those who wait what became free."""
        failures = _Failures()
        for organization_id in await self._organizations():
            with failures:
                await self._do_due_in(organization_id, failures)
        failures.check()

    async def flag_reviews_due(self) -> None:
        """Tell of every review that is due and that nobody was told of.

        The session after which it is due tells of it at once; this is the net under that.
        """
        failures = _Failures()
        for organization_id in await self._organizations():
            with failures:
                async with self._database.transaction(organization_id) as connection:
                    due = await self._unit(connection, organization_id).courses.reviews_to_tell()
                await self._each(organization_id, due, flag_review, failures)
        failures.check()

    async def sweep_waitlist(self) -> None:
        """Look at all who wait, whatever made a slot free."""
        failures = _Failures()
        for organization_id in await self._organizations():
            with failures:
                async with self._database.transaction(organization_id) as connection:
                    clinics = await self._unit(connection, organization_id).due.waiting_clinics()
                await self._offer_at(organization_id, clinics, failures)
        failures.check()

    async def _organizations(self) -> Sequence[UUID]:
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            return await organizations(connection)

    async def _do_due_in(self, organization_id: UUID, failures: "_Failures") -> None:
        due = await self._due(organization_id)
        await self._each(organization_id, due.lapsed_holds, self._expire_hold, failures)
        await self._each(organization_id, due.missed_sessions, self._miss, failures)
        if due.lapsed_holds:  # what was let go may have been offered, and may be vacant now
            due = await self._due(organization_id)
        await self._each(organization_id, due.ended_offers, self._settle, failures)
        await self._offer_at(organization_id, due.vacant_clinics, failures)

    async def _due(self, organization_id: UUID) -> Due:
        now = self._clock.now()
        async with self._database.transaction(organization_id) as connection:
            unit = self._unit(connection, organization_id)
            return await unit.due.find(now, started_before=now - self._policy.no_show_grace)

    async def _expire_hold(self, session_id: UUID, unit: UnitOfWork) -> None:
        await expire_hold(session_id, unit, self._clock)

    async def _miss(self, session_id: UUID, unit: UnitOfWork) -> None:
        await miss_session(session_id, unit, self._clock, self._policy)

    async def _settle(self, waitlist_entry_id: UUID, unit: UnitOfWork) -> None:
        await settle_offer(waitlist_entry_id, unit, self._clock)

    async def _offer(self, waitlist_entry_id: UUID, unit: UnitOfWork) -> None:
        await offer_slot(waitlist_entry_id, unit, self._clock, self._policy)

    async def _offer_at(self, organization_id: UUID, clinics: Sequence[UUID], failures: "_Failures") -> None:
        for clinic_id in clinics:
            async with self._database.transaction(organization_id) as connection:
                waitlist = self._unit(connection, organization_id).waitlist
                vacancies, waiting = await waitlist.vacancies(clinic_id), await waitlist.waiting_at(clinic_id)
            await self._each(organization_id, waiting, self._offer, failures)
            if vacancies:
                async with self._database.transaction(organization_id) as connection:
                    await self._unit(connection, organization_id).waitlist.forget_vacancies(vacancies)

    async def _each(self, organization_id: UUID, due: Sequence[UUID], work: Work, failures: "_Failures") -> None:
        for subject in due:
            with failures:
                async with self._database.transaction(organization_id) as connection:
                    await work(subject, self._unit(connection, organization_id))


class _Failures:
    """Lets the work go on after a piece of it failed, and raises the first failure of ours in the end."""

    def __init__(self) -> None:
        self._first: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if isinstance(error, DomainError):  # such as a race that was lost: it is found again at the next look
            _LOG.info("upkeep_put_off", reason=error.reason)
        elif isinstance(error, Exception):
            self._first = self._first or error
        return isinstance(error, Exception)

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self._first is not None:
            raise self._first


def schedule(ticker: Ticker, upkeep: Upkeep, *, every_seconds: float) -> None:
    """Put the service's work on the ticker."""
    ticker.every(every_seconds, "upkeep", upkeep.do_due)
    ticker.every(REVIEWS_EVERY_SECONDS, "flag_reviews_due", upkeep.flag_reviews_due)
    ticker.every(SWEEP_EVERY_SECONDS, "sweep_waitlist", upkeep.sweep_waitlist)


def schedule_pruning(ticker: Ticker, database: Database, kept: timedelta) -> None:
    """Delete changes of sessions, once they are older than `kept`, every ten minutes."""

    async def prune() -> None:
        await prune_changes(database, kept)

    ticker.every(PRUNED_EVERY_SECONDS, "prune_session_changes", prune)


async def prune_changes(database: Database, kept: timedelta, *, at_once: int = PRUNED_AT_ONCE) -> int:
    """Delete the changes of sessions that are older than `kept`, some at a time; return how many."""
    async with database.transaction(ALL_ORGANIZATIONS) as connection:
        await order_foreign_changes(connection)
        found = await organizations_with_old_changes(connection, kept)
    deleted = 0
    for organization_id in found:
        part = at_once
        while part == at_once:
            async with database.transaction(ALL_ORGANIZATIONS) as connection:
                part = await delete_old_changes(connection, organization_id, kept, at_once)
            deleted += part
    return deleted
