"""What the ticker runs. Safe on all replicas at once: each piece of work is looked at again under its lock.

After an outage everything that fell due meanwhile is found, since it is read off the rows themselves.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import structlog

from services.runtime.clock import Clock
from services.runtime.database import ALL_ORGANIZATIONS, Database
from services.runtime.errors import DomainError
from services.runtime.ticker import Ticker
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.domain.waitlist import Round
from services.scheduler.ports.due import DueOffers
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
OFFERS_AT_ONCE = 50
"""How many who wait one run looks at in an organization: a look takes 10 to 20 ms, so that it is the next one's turn
after a second at most (project default)."""
PRUNED_EVERY_SECONDS = 600.0
PRUNED_AT_ONCE = 10_000

Work = Callable[[UUID, UnitOfWork], Awaitable[object]]
_LOG = structlog.get_logger()


class Upkeep:
    """Does what is due, each piece in a transaction of its own organization; one that fails does not stop the others.

    Args:
        unit: makes the unit of work of a connection inside a transaction of an organization.
        policy: how long things may wait.
        offers_at_once: how many who wait one run looks at in an organization.
    """

    def __init__(
        self,
        database: Database,
        unit: UnitMaker,
        clock: Clock,
        policy: SchedulingPolicy,
        *,
        offers_at_once: int = OFFERS_AT_ONCE,
    ) -> None:
        self._database = database
        self._unit = unit
        self._clock = clock
        self._policy = policy
        self._offers_at_once = offers_at_once
        self._rounds: dict[UUID, Round] = {}

    async def do_due(self) -> None:
        """Let go of lapsed holds, and record no-shows."""
        failures = _Failures()
        for organization_id in await self._organizations():
            with failures:
                await self._do_due_in(organization_id, failures)
        failures.check()

    async def offer_vacancies(self) -> None:
        """End offers, and offer to those who wait what became free.

        So many who wait are looked at in each organization, in equal parts at its clinics. The next run goes on from
        there, or begins anew with who waits the longest where more has become free. How far it came, each replica knows
        of itself alone: one that starts, or that knows less, looks at somebody once more.
        """
        failures = _Failures()
        for organization_id in await self._organizations():
            with failures:
                await self._offer_in(organization_id, failures)
        failures.check()

    async def flag_reviews_due(self) -> None:
        """Tell of every review that is due and that nobody was told of.

        The session after which it is due tells of it at once; this is the net under that.
        """
        failures = _Failures()
        for organization_id in await self._organizations():
            with failures:
                async with self._opened(organization_id) as unit:
                    due = await unit.courses.reviews_to_tell()
                await self._each(organization_id, due, flag_review, failures)
        failures.check()

    async def sweep_waitlist(self) -> None:
        """Have `offer_vacancies` look at all who wait, whatever made a slot free."""
        failures = _Failures()
        for organization_id in await self._organizations():
            with failures:
                async with self._opened(organization_id) as unit:
                    await unit.waitlist.note_waiting(self._clock.now())
        failures.check()

    async def _organizations(self) -> Sequence[UUID]:
        async with self._database.transaction(ALL_ORGANIZATIONS) as connection:
            return await organizations(connection)

    async def _do_due_in(self, organization_id: UUID, failures: "_Failures") -> None:
        now = self._clock.now()
        async with self._opened(organization_id) as unit:
            due = await unit.due.find(now, started_before=now - self._policy.no_show_grace)
        await self._each(organization_id, due.lapsed_holds, self._expire_hold, failures)
        await self._each(organization_id, due.missed_sessions, self._miss, failures)

    async def _offer_in(self, organization_id: UUID, failures: "_Failures") -> None:
        due = await self._due_offers(organization_id)
        if due.ended_offers:
            await self._each(organization_id, due.ended_offers, self._settle, failures)
            due = await self._due_offers(organization_id)  # what was let go is vacant now
        left = self._offers_at_once
        for number, clinic_id in enumerate(due.vacant_clinics):
            with failures:
                share = left // (len(due.vacant_clinics) - number)
                left -= await self._offer_at(organization_id, clinic_id, share, failures)

    async def _due_offers(self, organization_id: UUID) -> DueOffers:
        async with self._opened(organization_id) as unit:
            return await unit.due.find_offers(self._clock.now(), clinics=self._offers_at_once)

    async def _expire_hold(self, session_id: UUID, unit: UnitOfWork) -> None:
        await expire_hold(session_id, unit, self._clock)

    async def _miss(self, session_id: UUID, unit: UnitOfWork) -> None:
        await miss_session(session_id, unit, self._clock, self._policy)

    async def _settle(self, waitlist_entry_id: UUID, unit: UnitOfWork) -> None:
        await settle_offer(waitlist_entry_id, unit, self._clock)

    async def _offer(self, waitlist_entry_id: UUID, unit: UnitOfWork) -> None:
        await offer_slot(waitlist_entry_id, unit, self._clock, self._policy)

    async def _offer_at(self, organization_id: UUID, clinic_id: UUID, at_most: int, failures: "_Failures") -> int:
        """Go on with the look at all who wait at a clinic; return how many were looked at."""
        before = self._rounds.pop(clinic_id, None)
        async with self._opened(organization_id) as unit:
            vacancies = frozenset(await unit.waitlist.vacancies(clinic_id))
            after = before.last_entry_id if before and before.goes_on(vacancies) else None
            waiting = await unit.waitlist.waiting_at(clinic_id, after=after, at_most=at_most)
        await self._each(organization_id, waiting, self._offer, failures)
        if len(waiting) == at_most:  # more may wait
            self._rounds[clinic_id] = Round(vacancies, waiting[-1])
        else:
            async with self._opened(organization_id) as unit:
                await unit.waitlist.forget_vacancies(vacancies)
        return len(waiting)

    async def _each(self, organization_id: UUID, due: Sequence[UUID], work: Work, failures: "_Failures") -> None:
        for subject in due:
            with failures:
                async with self._opened(organization_id) as unit:
                    await work(subject, unit)

    @asynccontextmanager
    async def _opened(self, organization_id: UUID) -> AsyncIterator[UnitOfWork]:
        async with self._database.transaction(organization_id) as connection:
            yield self._unit(connection, organization_id)


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
    ticker.every(every_seconds, "offer_vacancies", upkeep.offer_vacancies)
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
