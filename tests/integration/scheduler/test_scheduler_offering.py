"""The job that offers what became free: so much in one run, on from there in the next, on three replicas."""

import asyncio
from datetime import date, timedelta

import pytest
from google.type.dayofweek_pb2 import THURSDAY
from google.type.dayofweek_pb2 import TUESDAY as TUESDAYS

from kat.scheduler.v1 import session_pb2, waitlist_pb2
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.jobs import Upkeep
from tests.integration.scheduler.desk import Desk
from tests.integration.scheduler.test_scheduler_waitlist import TUESDAY, Entry, Queue

pytestmark = pytest.mark.external_postgres

WAITING, OFFERED = waitlist_pb2.WaitlistEntry.STATE_WAITING, waitlist_pb2.WaitlistEntry.STATE_OFFERED
WEDNESDAY, NEXT_THURSDAY = TUESDAY + timedelta(days=1), TUESDAY + timedelta(days=9)
TOO_LONG = 60 * 24 * 8
"""A notice, in minutes, that no slot of the week leaves."""
AT_ONCE = 2


def replica_of(desk: Desk) -> Upkeep:
    return Upkeep(desk.database, desk.unit, desk.clock, SchedulingPolicy(), offers_at_once=AT_ONCE)


@pytest.fixture
def replica(desk) -> Upkeep:
    return replica_of(desk)


async def opened(desk: Desk, patients: int, key: str = "main") -> Queue:
    """A clinic without anything that is noted as vacant, of which Tuesday is taken by the first patient."""
    queue = Queue(desk)
    await queue.open(patients, key=key)
    queue.taken = await desk.book(queue.courses[0], queue.room, TUESDAY)
    return queue


async def joined(queue: Queue, *notices: int) -> list[Entry]:
    """Let the other patients wait for Tuesday, each with a notice, and be looked at once."""
    entries = [await queue.join(n, notice_minutes=notice) for n, notice in enumerate(notices, 1)]
    await queue.desk.keep_up()
    assert await queue.states(*entries) == [WAITING] * len(entries)
    return entries


async def vacant(desk: Desk) -> int:
    ((count,),) = await desk.execute("select count(*) from vacancy")
    return count


async def test_what_one_run_does_not_come_to_is_done_in_the_next(desk, replica) -> None:
    queue = await opened(desk, 6)
    entries = await joined(queue, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, 0)
    await desk.cancel(queue.taken)
    for _ in range(2):
        await replica.offer_vacancies()
        assert await queue.states(*entries) == [WAITING] * 5
        assert await vacant(desk) == 1
    await replica.offer_vacancies()
    assert await queue.states(*entries) == [*[WAITING] * 4, OFFERED]
    assert await vacant(desk) == 0


async def test_holds_and_no_shows_wait_for_no_offer(desk, replica) -> None:
    queue = await opened(desk, 2)
    entries = await joined(queue, 0)
    await desk.cancel(queue.taken)
    await replica.do_due()
    assert await queue.states(*entries) == [WAITING]


async def test_what_becomes_free_meanwhile_is_offered_to_who_waits_the_longest(desk, replica) -> None:
    queue = await opened(desk, 5)
    other = await desk.book(queue.courses[0], queue.room, NEXT_THURSDAY)
    span = {"last": NEXT_THURSDAY, "days_of_week": [THURSDAY]}
    first = await queue.join(1, first=NEXT_THURSDAY, **span)
    rest = [await queue.join(n, notice_minutes=TOO_LONG) for n in (2, 3)]
    last = await queue.join(4, first=NEXT_THURSDAY, **span)
    await desk.keep_up()
    await desk.cancel(queue.taken)
    await replica.offer_vacancies()
    await desk.cancel(other)
    await replica.offer_vacancies()
    assert await queue.states(first, *rest, last) == [OFFERED, WAITING, WAITING, WAITING]


async def test_a_replica_that_starts_begins_with_who_waits_the_longest_and_does_all(desk, replica) -> None:
    queue = await opened(desk, 5)
    entries = await joined(queue, TOO_LONG, TOO_LONG, TOO_LONG, 0)
    await desk.cancel(queue.taken)
    await replica.offer_vacancies()
    started = replica_of(desk)
    await started.offer_vacancies()
    assert await queue.states(*entries) == [WAITING] * 4
    await started.offer_vacancies()
    assert await queue.states(*entries) == [*[WAITING] * 3, OFFERED]


async def test_nobody_waits_for_the_long_list_of_another_organization(database, clock, desk, replica) -> None:
    other = Desk(database, clock)
    busy, idle = await opened(desk, 5), await opened(other, 2)
    many, (single,) = await joined(busy, *[TOO_LONG] * 4), await joined(idle, 0)
    for queue in (busy, idle):
        await queue.desk.cancel(queue.taken)
    await replica.offer_vacancies()
    assert await idle.states(single) == [OFFERED]
    assert (await busy.states(*many), await vacant(desk)) == ([WAITING] * 4, 1)


async def test_the_clinics_of_an_organization_share_what_one_run_does(desk, replica) -> None:
    busy, idle = await opened(desk, 5), await opened(desk, 2, "other")
    many, (single,) = await joined(busy, *[TOO_LONG] * 4), await joined(idle, 0)
    for queue in (busy, idle):
        await desk.cancel(queue.taken)
    await replica.offer_vacancies()
    assert await idle.states(single) == [OFFERED]
    for _ in range(3):
        assert await busy.states(*many) == [WAITING] * 4
        await replica.offer_vacancies()
    assert await vacant(desk) == 0


async def test_three_replicas_offer_every_place_once_to_who_waits_the_longest(desk) -> None:
    queue = await opened(desk, 8)
    dates: list[date] = [TUESDAY, WEDNESDAY]
    taken = [queue.taken, await desk.book(queue.courses[7], queue.room, WEDNESDAY)]
    wanted = {"last": WEDNESDAY, "days_of_week": [TUESDAYS, TUESDAYS + 1]}
    entries = [await queue.join(n, notice_minutes=TOO_LONG, **wanted) for n in (1, 2, 3)]
    entries += [await queue.join(n, **wanted) for n in (4, 5, 6)]
    await desk.keep_up()
    for session in taken:
        await desk.cancel(session)
    replicas = [replica_of(desk) for _ in range(3)]
    for _ in range(4):
        await asyncio.gather(*(replica.offer_vacancies() for replica in replicas))
    assert await queue.states(*entries) == [*[WAITING] * 3, OFFERED, OFFERED, WAITING]
    offers = [await queue.get(entry) for entry in entries[3:5]]
    held = [await desk.session(offer.offered_session) for offer in offers]
    assert {one.state for one in held} == {session_pb2.Session.STATE_HELD}
    assert sorted(one.interval.local_start_time[:10] for one in held) == [f"{on}" for on in dates]
    assert await vacant(desk) == 0
    told = [event.waitlist_offered for event in await desk.sent() if event.HasField("waitlist_offered")]
    assert sorted(one.waitlist_entry for one in told) == sorted(offer.name for offer in offers)
