"""The waiting list: a slot that becomes free is held for who waits the longest, and offered until the offer expires."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from google.type.dayofweek_pb2 import THURSDAY

from kat.scheduler.v1 import session_pb2, waitlist_pb2
from services.runtime.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from tests.integration.scheduler.desk import Desk, clock_time, codes, day, instant

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
State = waitlist_pb2.WaitlistEntry.State
Entry = waitlist_pb2.WaitlistEntry


class Queue:
    """A clinic that takes one session a day, with patients who want Tuesday."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def open(self, patients: int, *, key: str = "main") -> "Queue":
        opened = await self.desk.open_clinic(patients=patients, ratio=1, hours=("09:00", "11:30"), key=key)
        self.clinic, self.room = opened.clinics[0].name, opened.rooms[0].name
        self.supervisor = opened.practitioners[0].name
        self.courses = [await self.desk.active_course(patient.name) for patient in opened.patients]
        return self

    async def join(self, n: int, first: date = TUESDAY, last: date = TUESDAY, **more) -> Entry:
        entry = Entry(course=self.courses[n], clinics=[self.clinic], start_date=day(first), end_date=day(last), **more)
        request = waitlist_pb2.JoinWaitlistRequest(waitlist_entry=entry)
        return await self.desk.call(self.desk.waitlist.JoinWaitlist, request)

    async def get(self, entry: Entry) -> Entry:
        request = waitlist_pb2.GetWaitlistEntryRequest(name=entry.name)
        return await self.desk.call(self.desk.waitlist.GetWaitlistEntry, request)

    async def states(self, *entries: Entry) -> list[State]:
        return [(await self.get(entry)).state for entry in entries]

    async def change(self, verb: str, entry: Entry):
        method, request = getattr(self.desk.waitlist, verb), getattr(waitlist_pb2, f"{verb}Request")
        return await self.desk.call(method, request(name=entry.name, etag=entry.etag))

    async def upkeep(self) -> None:
        """What the ticker does, once."""
        await self.desk.keep_up()


@pytest.fixture
async def queue(desk) -> Queue:
    return await Queue(desk).open(4)


@pytest.fixture
async def full(queue) -> tuple[Queue, session_pb2.Session]:
    """Tuesday is taken by the first patient."""
    return queue, await queue.desk.book(queue.courses[0], queue.room, TUESDAY)


async def test_a_cancellation_is_offered_to_who_waits_the_longest(full, desk) -> None:
    queue, taken = full
    first, second = await queue.join(1), await queue.join(2)
    await queue.upkeep()
    assert await queue.states(first, second) == [State.STATE_WAITING] * 2
    await desk.cancel(taken)
    await queue.upkeep()
    assert await queue.states(first, second) == [State.STATE_OFFERED, State.STATE_WAITING]
    offered = await queue.get(first)
    held = await desk.session(offered.offered_session)
    assert (held.state, held.course, held.interval) == (
        session_pb2.Session.STATE_HELD,
        queue.courses[1],
        taken.interval,
    )
    assert instant(offered.offer_expire_time) == desk.clock.now() + timedelta(hours=4)
    assert codes(await desk.blockers(queue.courses[3], queue.room, TUESDAY)) == {"ROOM_BUSY", "SUPERVISION_RATIO"}
    event = (await desk.sent())[-1].waitlist_offered
    assert (event.waitlist_entry, event.session.session, event.expire_time) == (
        first.name,
        held.name,
        offered.offer_expire_time,
    )


async def test_an_accepted_offer_is_a_booked_session(full, desk) -> None:
    queue, taken = full
    entry = await queue.join(1)
    await desk.cancel(taken)
    await queue.upkeep()
    session = await queue.change("AcceptOffer", await queue.get(entry))
    assert (session.state, session.course) == (session_pb2.Session.STATE_BOOKED, queue.courses[1])
    booked = await queue.get(entry)
    assert (booked.state, booked.offered_session) == (State.STATE_BOOKED, session.name)
    assert (await desk.sent())[-1].WhichOneof("payload") == "session_booked"
    await queue.upkeep()
    assert await queue.states(entry) == [State.STATE_BOOKED]


async def test_a_declined_offer_goes_to_the_next_and_is_not_made_again(full, desk) -> None:
    queue, taken = full
    first, second = await queue.join(1), await queue.join(2)
    await desk.cancel(taken)
    await queue.upkeep()
    declined = await queue.change("DeclineOffer", await queue.get(first))
    assert (declined.state, declined.offered_session) == (State.STATE_WAITING, "")
    await queue.upkeep()
    assert await queue.states(first, second) == [State.STATE_WAITING, State.STATE_OFFERED]
    await queue.change("DeclineOffer", await queue.get(second))
    await queue.upkeep()
    await desk.upkeep.sweep_waitlist()
    await queue.upkeep()
    assert await queue.states(first, second) == [State.STATE_WAITING] * 2


async def test_an_expired_offer_cannot_be_accepted_and_goes_to_the_next(full, desk) -> None:
    queue, taken = full
    first, second = await queue.join(1, notice_minutes=10), await queue.join(2, notice_minutes=10)
    await desk.cancel(taken)
    desk.clock.set(datetime(2026, 3, 2, 20, tzinfo=UTC))
    await queue.upkeep()
    offered = await queue.get(first)
    assert instant(offered.offer_expire_time) == desk.clock.now() + timedelta(hours=4)
    desk.clock.advance(hours=4)
    with pytest.raises(FailedPreconditionError) as refused:
        await queue.change("AcceptOffer", offered)
    assert [one.code for one in refused.value.blockers] == ["HOLD_EXPIRED"]
    await queue.upkeep()
    assert await queue.states(first, second) == [State.STATE_WAITING, State.STATE_OFFERED]
    ended = [event for event in await desk.sent() if event.WhichOneof("payload") == "waitlist_offer_ended"]
    assert [event.waitlist_offer_ended.waitlist_entry for event in ended] == [first.name]


async def test_an_offer_that_was_booked_or_let_go_by_another_way_is_settled(full, desk) -> None:
    queue, taken = full
    first, second = await queue.join(1), await queue.join(2)
    await desk.cancel(taken)
    await queue.upkeep()
    await desk.cancel(await desk.session((await queue.get(first)).offered_session))
    await queue.upkeep()
    assert await queue.states(first, second) == [State.STATE_WAITING, State.STATE_OFFERED]
    await desk.book_held(await desk.session((await queue.get(second)).offered_session))
    await queue.upkeep()
    assert await queue.states(first, second) == [State.STATE_WAITING, State.STATE_BOOKED]


async def test_leaving_gives_the_offer_to_the_next(full, desk) -> None:
    queue, taken = full
    first, second = await queue.join(1), await queue.join(2)
    await desk.cancel(taken)
    await queue.upkeep()
    left = await queue.change("LeaveWaitlist", await queue.get(first))
    assert left.state == State.STATE_LEFT
    await queue.upkeep()
    assert await queue.states(first, second) == [State.STATE_LEFT, State.STATE_OFFERED]
    again = await queue.join(1)
    assert again.name != first.name


async def test_only_what_suits_is_offered(full, desk) -> None:
    queue, taken = full
    thursdays = await queue.join(1, last=TUESDAY + timedelta(days=2), days_of_week=[THURSDAY])
    late = await queue.join(2, earliest_time=clock_time("09:15"))
    await queue.upkeep()
    offered = await queue.get(thursdays)
    assert (await desk.session(offered.offered_session)).interval.local_start_time[:10] == "2026-03-05"
    await desk.cancel(taken)
    await queue.upkeep()
    assert await queue.states(late) == [State.STATE_WAITING]


async def test_a_slot_that_is_too_soon_for_the_notice_is_not_offered(full, desk) -> None:
    queue, taken = full
    entry = await queue.join(1, notice_minutes=121)
    hasty = await queue.join(2, notice_minutes=119)
    await desk.cancel(taken)
    desk.clock.set(datetime(2026, 3, 3, 12, tzinfo=UTC))
    await queue.upkeep()
    assert await queue.states(entry, hasty) == [State.STATE_WAITING, State.STATE_OFFERED]


async def test_who_cannot_be_booked_is_passed_over(full, desk) -> None:
    queue, taken = full
    first, second = await queue.join(1), await queue.join(2)
    await desk.book(queue.courses[1], queue.room, TUESDAY + timedelta(days=1))  # too close to Tuesday
    await desk.cancel(taken)
    await queue.upkeep()
    assert await queue.states(first, second) == [State.STATE_WAITING, State.STATE_OFFERED]


async def test_a_moved_session_leaves_a_vacancy_and_one_put_back_leaves_none(full, desk) -> None:
    queue, taken = full
    entry = await queue.join(1)
    await queue.upkeep()
    same = await desk.move(taken, TUESDAY)
    assert await desk.execute("select count(*) from vacancy") == [(0,)]
    await desk.move(same, TUESDAY + timedelta(days=2))
    assert await desk.execute("select count(*) from vacancy") == [(1,)]
    await queue.upkeep()
    assert await queue.states(entry) == [State.STATE_OFFERED]
    assert await desk.execute("select count(*) from vacancy") == [(0,)]


async def test_three_replicas_and_an_outage_make_one_offer_each(queue, desk) -> None:
    sessions = [await desk.book(queue.courses[0], queue.room, TUESDAY + timedelta(weeks=n)) for n in range(2)]
    entries = [await queue.join(n, last=TUESDAY + timedelta(weeks=1)) for n in (1, 2, 3)]
    for session in sessions:
        await desk.cancel(session)
    replicas = [Desk(desk.database, desk.clock, desk.organization_id).upkeep for _ in range(3)]
    for _ in range(3):
        jobs = [job for replica in replicas for job in (replica.do_due(), replica.offer_vacancies())]
        await asyncio.gather(*jobs, *(replica.sweep_waitlist() for replica in replicas))
    await queue.upkeep()
    offers = [await queue.get(entry) for entry in entries]
    assert len({offer.offered_session for offer in offers}) == 3
    assert await desk.execute("select count(*) from session where state = 'held'") == [(3,)]


async def test_an_entry_whose_last_date_is_past_expires(full, desk) -> None:
    queue, _ = full
    entry = await queue.join(1)
    desk.clock.set(datetime(2026, 3, 4, 11, 59, tzinfo=UTC))  # still Tuesday on the westernmost clock
    await desk.upkeep.sweep_waitlist()
    await queue.upkeep()
    assert await queue.states(entry) == [State.STATE_WAITING]
    desk.clock.advance(minutes=1)
    await desk.upkeep.sweep_waitlist()
    await queue.upkeep()
    assert await queue.states(entry) == [State.STATE_EXPIRED]


async def test_a_course_waits_once(full) -> None:
    queue, _ = full
    entry = await queue.join(1)
    with pytest.raises(AlreadyExistsError) as waits:
        await queue.join(1)
    assert waits.value.metadata == {"waitlist_entry": entry.name}


async def test_a_stale_etag_is_another_offer(full, desk) -> None:
    queue, taken = full
    entry = await queue.join(1)
    await desk.cancel(taken)
    await queue.upkeep()
    with pytest.raises(AbortedError):
        await queue.change("AcceptOffer", entry)
    with pytest.raises(FailedPreconditionError):
        await queue.change("DeclineOffer", await queue.join(2))


async def test_every_fault_of_a_wish_is_named_at_once(queue, desk) -> None:
    entry = Entry(course="x", start_date=day(TUESDAY), end_date=day(TUESDAY - timedelta(days=1)), notice_minutes=-1)
    with pytest.raises(InvalidArgumentError) as faulty:
        await desk.call(desk.waitlist.JoinWaitlist, waitlist_pb2.JoinWaitlistRequest(waitlist_entry=entry))
    assert {fault.path.removeprefix("waitlist_entry.") for fault in faulty.value.violations} == {
        "course",
        "clinics",
        "end_date",
        "notice_minutes",
    }
    with pytest.raises(InvalidArgumentError):
        await queue.join(1, date(2026, 2, 1), date(2026, 2, 28))


async def test_entries_are_listed_by_how_long_they_wait(queue, desk) -> None:
    entries = [await queue.join(n, date(2026, 4, 7), date(2026, 4, 7)) for n in range(3)]
    await queue.change("LeaveWaitlist", entries[1])

    async def names(**wanted) -> list[str]:
        request = waitlist_pb2.ListWaitlistEntriesRequest(**wanted)
        answer = await desk.call(desk.waitlist.ListWaitlistEntries, request)
        return [entry.name for entry in answer.waitlist_entries]

    assert await names() == [entry.name for entry in entries]
    assert await names(clinic=queue.clinic, states=[State.STATE_WAITING]) == [entries[0].name, entries[2].name]
    assert await names(course=queue.courses[1]) == [entries[1].name]
    other = Desk(desk.database, desk.clock)
    with pytest.raises(NotFoundError):
        await Queue(other).get(entries[0])
