"""Claiming work: each item by one worker at a time, with a lease and a fence, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, text, update

from services.runtime.claims import ClaimQueue
from services.runtime.database import ALL_ORGANIZATIONS, Database
from tests.support.sample import JOB, migrated_sample, opened

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUEUE = ClaimQueue(JOB, ("organization_id", "job_id"), claimable=JOB.c.open, lease=timedelta(seconds=30))


class Jobs:
    """The jobs of one organization and a worker's view of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.organization_id = uuid4()

    async def add(self, count: int, *, due_time: datetime = NOW) -> list[UUID]:
        ids = [uuid4() for _ in range(count)]
        rows = [{"organization_id": self.organization_id, "job_id": job, "due_time": due_time} for job in ids]
        async with self.database.transaction(self.organization_id) as connection:
            await connection.execute(insert(JOB), rows)
        return ids

    async def claim(self, limit: int = 100, *, now: datetime = NOW):
        async with self.database.transaction(ALL_ORGANIZATIONS) as connection:
            return await QUEUE.claim(
                connection, now=now, limit=limit, only=JOB.c.organization_id == self.organization_id
            )

    async def call(self, method, item, *arguments: str, **values):
        async with self.database.transaction(ALL_ORGANIZATIONS) as connection:
            return await method(connection, item, *arguments, **values)

    async def rows(self):
        async with self.database.transaction(self.organization_id) as connection:
            return list(await connection.execute(select(JOB).order_by(JOB.c.due_time)))

    async def expire_leases(self) -> None:
        async with self.database.transaction(self.organization_id) as connection:
            past = text("clock_timestamp() - interval '1 microsecond'")
            await connection.execute(update(JOB).where(JOB.c.lease_until.is_not(None)).values(lease_until=past))


@pytest.fixture(scope="module")
def job_urls(service_database):
    return migrated_sample(service_database)


@pytest.fixture
async def jobs(job_urls) -> AsyncIterator[Jobs]:
    async with opened(job_urls.app_url) as database:
        yield Jobs(database)


async def test_three_workers_do_each_job_once(jobs):
    expected = await jobs.add(120)
    done: list[UUID] = []

    async def work(limit: int) -> int:
        runs = 0
        while claimed := await jobs.claim(limit):
            runs += 1
            done.extend([job.job_id for job in claimed if await jobs.call(QUEUE.finish, job, open=False)])
        return runs

    runs = await asyncio.gather(work(1), work(7), work(10))
    assert sorted(done) == sorted(expected)
    assert all(runs)


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_claim_takes_no_more_than_it_asks_for(jobs, limit):
    await jobs.add(20)
    async with jobs.database.transaction(ALL_ORGANIZATIONS) as connection:
        for kind in ("hashjoin", "hashagg", "mergejoin", "sort", "material", "memoize"):
            await connection.execute(text(f"set local enable_{kind} = off"))  # any plan must keep the limit
        only = JOB.c.organization_id == jobs.organization_id
        assert len(await QUEUE.claim(connection, now=NOW, limit=limit, only=only)) == limit


async def test_the_longest_due_come_first_and_nothing_before_its_time(jobs):
    late = await jobs.add(1, due_time=NOW + timedelta(seconds=1))
    second = await jobs.add(1, due_time=NOW)
    first = await jobs.add(1, due_time=NOW - timedelta(days=3))
    assert [job.job_id for job in await jobs.claim()] == first + second
    assert [job.job_id for job in await jobs.claim(now=NOW + timedelta(seconds=1))] == late


async def test_a_claimed_job_is_nobody_elses_until_its_lease_is_over(jobs):
    await jobs.add(1)
    (mine,) = await jobs.claim()
    assert await jobs.claim() == []
    await jobs.expire_leases()
    (theirs,) = await jobs.claim()
    assert theirs.fence > mine.fence
    assert (mine.attempts, theirs.attempts) == (1, 2)


async def test_a_worker_that_lost_its_lease_changes_nothing(jobs):
    await jobs.add(1)
    (mine,) = await jobs.claim()
    await jobs.expire_leases()
    await jobs.claim()
    before = await jobs.rows()

    assert not await jobs.call(QUEUE.hold, mine)
    assert not await jobs.call(QUEUE.renew, mine)
    assert not await jobs.call(QUEUE.finish, mine, done_by="zombie", open=False)
    assert not await jobs.call(QUEUE.release, mine, due_time=NOW)
    assert not await jobs.call(QUEUE.park, mine, "ZOMBIE")

    assert await jobs.rows() == before


async def test_a_worker_that_is_late_but_was_not_overtaken_may_finish(jobs):
    await jobs.add(1)
    (mine,) = await jobs.claim()
    await jobs.expire_leases()
    assert await jobs.call(QUEUE.finish, mine, done_by="late", open=False)
    assert await jobs.claim() == []


async def test_a_held_job_cannot_be_taken_while_the_transaction_lasts(jobs):
    await jobs.add(1)
    (mine,) = await jobs.claim()
    await jobs.expire_leases()
    async with jobs.database.transaction(ALL_ORGANIZATIONS) as connection:
        assert await QUEUE.hold(connection, mine)
        assert await jobs.claim() == []
        assert await QUEUE.finish(connection, mine, open=False)
    assert await jobs.claim() == []


async def test_a_renewed_lease_is_whole_again(jobs):
    await jobs.add(1)
    (mine,) = await jobs.claim()
    await jobs.expire_leases()
    assert await jobs.call(QUEUE.renew, mine)
    assert await jobs.claim() == []


async def test_a_released_job_comes_back_at_its_time(jobs):
    await jobs.add(1)
    (mine,) = await jobs.claim()
    assert await jobs.call(QUEUE.release, mine, due_time=NOW + timedelta(minutes=5), done_by="nobody")
    assert await jobs.claim() == []
    (again,) = await jobs.claim(now=NOW + timedelta(minutes=5))
    assert (again.attempts, again.done_by) == (2, "nobody")


async def test_jobs_are_released_together_without_waiting_for_whoever_writes_to_one(jobs):
    await jobs.add(4)
    lost, busy, *free = await jobs.claim()
    async with jobs.database.transaction(jobs.organization_id) as connection:
        past = text("clock_timestamp() - interval '1 microsecond'")
        await connection.execute(update(JOB).where(JOB.c.job_id == lost.job_id).values(lease_until=past))
    (theirs,) = await jobs.claim()
    values = {item: {"done_by": f"worker {number}"} for number, item in enumerate((lost, busy, *free))}
    async with jobs.database.transaction(ALL_ORGANIZATIONS) as writing:
        assert await QUEUE.hold(writing, busy)
        async with jobs.database.transaction(ALL_ORGANIZATIONS) as connection:
            left = await QUEUE.release_together(connection, values, due_time=func.clock_timestamp())
        assert left == [lost, busy]
    rows = {row.job_id: row for row in await jobs.rows()}
    assert [rows[item.job_id].done_by for item in free] == ["worker 2", "worker 3"]
    assert [rows[item.job_id].lease_until for item in free] == [None, None]
    assert (rows[lost.job_id].fence, rows[busy.job_id].done_by) == (theirs.fence, None)
    assert await QUEUE.release_together(connection, {}, due_time=func.clock_timestamp()) == []


async def test_a_parked_job_stays_until_somebody_decides(jobs):
    await jobs.add(1)
    (mine,) = await jobs.claim()
    assert await jobs.call(QUEUE.park, mine, "POISONED")
    await jobs.expire_leases()
    assert await jobs.claim() == []
    assert [(row.parked_reason, row.lease_until) for row in await jobs.rows()] == [("POISONED", None)]


async def test_a_claim_that_was_rolled_back_holds_nothing(jobs):
    await jobs.add(1)
    with pytest.raises(ZeroDivisionError):
        async with jobs.database.transaction(ALL_ORGANIZATIONS) as connection:
            only = JOB.c.organization_id == jobs.organization_id
            assert len(await QUEUE.claim(connection, now=NOW, limit=1, only=only)) == 1
            raise ZeroDivisionError
    assert len(await jobs.claim()) == 1


async def test_leases_go_by_the_clock_of_the_database(jobs):
    await jobs.add(1)
    (mine,) = await jobs.claim(now=NOW + timedelta(days=4_000))  # a worker whose clock is wrong
    async with jobs.database.transaction(ALL_ORGANIZATIONS) as connection:
        present = await connection.scalar(select(func.clock_timestamp()))
    assert timedelta(seconds=20) < mine.lease_until - present <= timedelta(seconds=30)


ACTIONS = st.tuples(
    st.sampled_from(["claim", "finish", "release", "park", "renew", "expire"]), st.integers(min_value=0, max_value=2)
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, min_size=3, max_size=25))
async def test_whatever_three_workers_do_only_the_newest_claim_may_write(jobs, actions):
    async with jobs.database.transaction(jobs.organization_id) as connection:
        await connection.execute(delete(JOB))
    await jobs.add(3)
    hands: list[dict] = [{}, {}, {}]
    holder: dict[UUID, int] = {}  # the worker whose claim of the job is the newest
    finished: set[UUID] = set()

    for action, worker in actions:
        if action == "claim":
            for job in await jobs.claim(2):
                assert job.job_id not in finished
                hands[worker][job.job_id] = job
                holder[job.job_id] = worker
        elif action == "expire":
            await jobs.expire_leases()
        elif hands[worker]:
            job_id, job = hands[worker].popitem()
            values = {"finish": {"open": False}, "release": {"due_time": NOW}}.get(action, {})
            arguments = ("POISONED",) if action == "park" else ()
            written = await jobs.call(getattr(QUEUE, action), job, *arguments, **values)
            if holder[job_id] != worker:
                assert not written
            if written and action in {"finish", "park"}:
                finished.add(job_id)
