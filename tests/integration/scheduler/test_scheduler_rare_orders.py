"""Rare orders of events: a hold that has expired in the way, an offer taken by another way, a lowered ratio."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from google.protobuf.message import Message
from sqlalchemy.exc import IntegrityError

from kat.events.v1 import events_pb2
from kat.scheduler.v1 import roster_pb2, session_pb2, waitlist_pb2
from services.runtime.database import constraint_of
from services.runtime.errors import FailedPreconditionError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.desk import Desk, clock_time, codes, day, local_time, timestamp

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
NINE = datetime(2026, 3, 3, 14, tzinfo=UTC)
WEEK = timedelta(days=7)
State = session_pb2.Session.State


class House:
    """A clinic and a course for each of its patients."""

    @classmethod
    async def open(cls, desk: Desk, **more) -> "House":
        self = cls()
        self.desk = desk
        opened = await desk.open_clinic(**more)
        self.clinic = opened.clinics[0].name
        self.rooms = [room.name for room in opened.rooms]
        self.practitioners = list(opened.practitioners)
        self.supervisors = [one.name for one in opened.practitioners]
        self.courses = [await desk.active_course(patient.name) for patient in opened.patients]
        return self

    async def depart(self, leaver: int) -> roster_pb2.DepartPractitionerResponse:
        leaving = self.practitioners[leaver]
        request = roster_pb2.DepartPractitionerRequest(name=leaving.name, etag=leaving.etag, last_date=day(TUESDAY))
        return await self.desk.call(self.desk.roster.DepartPractitioner, request)

    async def call_away(self, supervisor: str, since: str) -> roster_pb2.CreateShiftExceptionResponse:
        """Let a supervisor be absent from a time of Tuesday on."""
        absent = roster_pb2.ShiftException(
            practitioner=supervisor,
            clinic=self.clinic,
            kind=roster_pb2.ShiftException.KIND_ABSENCE,
            start=roster_pb2.ClockTime(date=day(TUESDAY), time=clock_time(since)),
            end=roster_pb2.ClockTime(date=day(TUESDAY), time=clock_time("18:00")),
        )
        request = roster_pb2.CreateShiftExceptionRequest(shift_exception=absent)
        return await self.desk.call(self.desk.roster.CreateShiftException, request)


async def told_since(desk: Desk, n: int) -> list[str]:
    return [event.WhichOneof("payload") for event in (await desk.sent())[n:]]


async def test_supervision_is_handed_to_one_whose_only_other_session_is_a_hold_that_has_expired(desk) -> None:
    house = await House.open(desk, rooms=2, supervisors=2, ratio=1, patients=2)
    session = await desk.book(house.courses[0], house.rooms[0], TUESDAY, supervisor=house.supervisors[0])
    held = await desk.hold(house.courses[1], house.rooms[1], TUESDAY, supervisor=house.supervisors[1])
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.hand_over(session)
    assert [(one.code, one.subject) for one in refused.value.blockers] == [("SUPERVISION_RATIO", held.name)]
    desk.clock.advance(minutes=10)
    handed = await desk.hand_over(session)
    assert [one.practitioner for one in handed.supervisions] == [house.supervisors[1]]
    assert (await desk.session(held.name)).state == State.STATE_CANCELLED


async def test_sessions_of_a_leaver_go_to_one_whose_only_other_session_is_a_hold_that_has_expired(desk) -> None:
    house = await House.open(desk, rooms=2, supervisors=2, ratio=1, patients=2)
    session = await desk.book(house.courses[0], house.rooms[0], TUESDAY + WEEK, supervisor=house.supervisors[0])
    await desk.hold(house.courses[1], house.rooms[1], TUESDAY + WEEK, supervisor=house.supervisors[1])
    desk.clock.advance(minutes=10)
    (reoffered,) = (await house.depart(0)).sessions
    assert (reoffered.session, reoffered.supervisor) == (session.name, house.supervisors[1])


async def test_nobody_is_told_of_a_hold_whose_supervisor_leaves(desk) -> None:
    house = await House.open(desk, supervisors=2, patients=1)
    held = await desk.hold(house.courses[0], house.rooms[0], TUESDAY + WEEK, supervisor=house.supervisors[0])
    told = len(await desk.sent())
    (reoffered,) = (await house.depart(0)).sessions
    assert (reoffered.session, reoffered.supervisor) == (held.name, house.supervisors[1])
    assert await told_since(desk, told) == []
    booked = await desk.book_held(await desk.session(held.name))
    assert [one.practitioner for one in booked.supervisions] == [house.supervisors[1]]


async def test_what_was_reassigned_is_told_where_another_part_of_the_session_finds_nobody(desk) -> None:
    house = await House.open(desk, rooms=3, supervisors=3, ratio=1, patients=3)
    first, second, heir = house.supervisors
    session = await desk.book(house.courses[0], house.rooms[0], TUESDAY + WEEK, supervisor=first)
    for hour, to in ((1, second), (2, first)):
        at = timestamp(NINE + WEEK - timedelta(hours=1) + timedelta(hours=hour))  # New York set its clocks forward
        session = await desk.hand_over(session, hand_over_time=at, supervisor=to)
    await desk.book(house.courses[1], house.rooms[1], TUESDAY + WEEK, "10:30", supervisor=heir)
    await desk.book(house.courses[2], house.rooms[2], TUESDAY + WEEK, "11:00", supervisor=second)
    told = len(await desk.sent())
    (reoffered,) = (await house.depart(0)).sessions
    assert reoffered.outcome == roster_pb2.ReofferedSession.OUTCOME_STRANDED
    now = await desk.session(session.name)
    assert [one.practitioner == first for one in now.supervisions] == [False, False, True]
    assert await told_since(desk, told) == ["session_supervision_changed"]


@pytest.mark.parametrize("count", [1, 2], ids=["a session", "a series"])
async def test_a_hold_that_has_expired_at_another_clinic_is_not_in_the_way_of_a_supervisor(desk, count) -> None:
    east = await House.open(desk, supervisors=1, ratio=1, patients=1, key="east")
    west = await House.open(desk, supervisors=0, patients=1, key="west")
    await desk.execute(
        """insert into shift select organization_id, gen_random_uuid(), practitioner_id, cast(:west as uuid), weekday,
               start_time, end_time, null, null from shift""",
        west=west.clinic.partition("/")[2],
    )
    held = await desk.hold(east.courses[0], east.rooms[0], TUESDAY)
    assert codes(await desk.blockers(west.courses[0], west.rooms[0], TUESDAY)) == {"SUPERVISION_RATIO"}
    desk.clock.advance(minutes=10)
    assert codes(await desk.blockers(west.courses[0], west.rooms[0], TUESDAY)) == set()
    if count == 1:
        await desk.book(west.courses[0], west.rooms[0], TUESDAY)
    else:
        await desk.book_series(west.courses[0], west.rooms[0], TUESDAY, count=count)
    assert (await desk.session(held.name)).state == State.STATE_CANCELLED


async def test_one_who_was_missed_comes_where_the_dose_that_flagged_the_session_was_amended(desk) -> None:
    house = await House.open(desk)
    first, second = await desk.book_series(house.courses[0], house.rooms[0], TUESDAY, count=2)
    record = new_id()
    assert await desk.give_dose(first, NINE + timedelta(days=1), record=record) == events_pb2.Outcome.VERDICT_APPLIED
    desk.clock.set(NINE + WEEK)
    missed = await desk.miss(await desk.session(second.name))
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.check_in(missed)
    assert {one.code for one in refused.value.blockers} == {"CADENCE"}
    await desk.give_dose(first, NINE, record=record)
    assert (await desk.check_in(missed)).state == State.STATE_CHECKED_IN


async def test_a_series_moved_to_a_clinic_in_another_zone_is_read_on_that_clinic_s_clock(desk) -> None:
    night = ("00:00", "23:59")
    here = await House.open(desk, zone="Asia/Kathmandu", hours=night, key="here")
    there = await House.open(desk, zone="Australia/Sydney", hours=night, patients=0, key="there")
    first, _ = await desk.book_series(here.courses[0], here.rooms[0], date(2026, 3, 29), count=2)
    # On the second date the clock shows 02:30 twice, in Sydney alone.
    request = session_pb2.RescheduleSeriesRequest(
        name=first.name,
        etag=first.etag,
        arrival=local_time(date(2026, 3, 29), "02:30", "+11:00"),
        room=there.rooms[0],
    )
    moved = await desk.call(desk.sessions.RescheduleSeries, request)
    starts = [one.interval.local_start_time for one in moved.sessions]
    assert starts == ["2026-03-29T02:30:00+11:00", "2026-04-05T02:30:00+11:00"]


class Offer:
    """A course whose offered slot was booked by its hold, and not by the offer, before any job saw it."""

    @classmethod
    async def open(cls, desk: Desk) -> "Offer":
        self = cls()
        self.desk = desk
        house = await House.open(desk)
        wish = waitlist_pb2.WaitlistEntry(
            course=house.courses[0], clinics=[house.clinic], start_date=day(TUESDAY), end_date=day(TUESDAY)
        )
        joined = await desk.call(desk.waitlist.JoinWaitlist, waitlist_pb2.JoinWaitlistRequest(waitlist_entry=wish))
        await desk.keep_up()
        self.entry = await self.read(joined.name)
        self.session = await desk.book_held(await desk.session(self.entry.offered_session))
        self.told = len(await desk.sent())
        return self

    async def read(self, name: str) -> waitlist_pb2.WaitlistEntry:
        request = waitlist_pb2.GetWaitlistEntryRequest(name=name)
        return await self.desk.call(self.desk.waitlist.GetWaitlistEntry, request)

    async def answer(self, rpc: str) -> Message:
        request = getattr(waitlist_pb2, f"{rpc}Request")(name=self.entry.name, etag=self.entry.etag)
        return await self.desk.call(getattr(self.desk.waitlist, rpc), request)


@pytest.mark.parametrize("rpc", ["AcceptOffer", "DeclineOffer", "LeaveWaitlist"])
async def test_an_offer_that_was_booked_by_its_hold_is_not_open_any_more(desk, rpc) -> None:
    offer = await Offer.open(desk)
    with pytest.raises(FailedPreconditionError) as refused:
        await offer.answer(rpc)
    assert refused.value.reason == "WRONG_STATE"
    await desk.keep_up()
    assert (await offer.read(offer.entry.name)).state == waitlist_pb2.WaitlistEntry.STATE_BOOKED
    assert (await desk.session(offer.session.name)).state == State.STATE_BOOKED
    assert await told_since(desk, offer.told) == []


@pytest.mark.parametrize("gone", [True, False], ids=["absent", "there still"])
async def test_a_hold_is_booked_under_whoever_is_free_best_under_its_own_supervisor(desk, gone) -> None:
    house = await House.open(desk, supervisors=3)
    own = house.supervisors[2]
    held = await desk.hold(house.courses[0], house.rooms[0], TUESDAY, supervisor=own)
    if gone:
        await house.call_away(own, "09:00")
    booked = await desk.book_held(held)
    (supervision,) = booked.supervisions
    assert (supervision.practitioner == own) is not gone
    assert (booked.room, booked.interval) == (held.room, held.interval)
    (told,) = [event.session_booked.session for event in await desk.sent() if event.HasField("session_booked")]
    assert list(told.supervisors) == [supervision.practitioner]


async def test_a_hold_of_which_nobody_can_supervise_the_session_is_not_booked(desk) -> None:
    house = await House.open(desk, rooms=2, supervisors=2, ratio=1, patients=2)
    held = await desk.hold(house.courses[0], house.rooms[0], TUESDAY, supervisor=house.supervisors[0])
    other = await desk.book(house.courses[1], house.rooms[1], TUESDAY)
    await house.call_away(house.supervisors[0], "09:00")
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.book_held(held)
    assert [(one.code, one.subject) for one in refused.value.blockers] == [("SUPERVISION_RATIO", other.name)]
    assert (await desk.session(held.name)).state == State.STATE_HELD


async def test_holds_of_one_who_is_called_away_share_the_only_place_that_is_left(desk) -> None:
    house = await House.open(desk, rooms=4, supervisors=2, patients=4)
    gone, left = house.practitioners
    held = [
        await desk.hold(course, room, TUESDAY, supervisor=gone.name)
        for course, room in zip(house.courses, house.rooms, strict=True)
    ]
    left.supervision_ratio = 1
    await desk.call(desk.roster.UpdatePractitioner, roster_pb2.UpdatePractitionerRequest(practitioner=left))
    await house.call_away(gone.name, "09:00")
    answers = await asyncio.gather(*(desk.book_held(one) for one in held), return_exceptions=True)
    booked = [one for one in answers if isinstance(one, session_pb2.Session)]
    assert [supervision.practitioner for one in booked for supervision in one.supervisions] == [left.name]
    refused = [one for one in answers if isinstance(one, FailedPreconditionError)]
    assert {(one.code, one.subject) for error in refused for one in error.blockers} == {
        ("SUPERVISION_RATIO", booked[0].name)
    }
    assert len(refused) == 3


async def missed_under_one_who_is_called_away(desk: Desk) -> tuple[House, session_pb2.Session]:
    house = await House.open(desk, supervisors=2)
    session = await desk.book(house.courses[0], house.rooms[0], TUESDAY, supervisor=house.supervisors[0])
    desk.clock.set(NINE + timedelta(minutes=20))
    missed = await desk.miss(session)
    await house.call_away(house.supervisors[0], "10:00")
    return house, missed


async def test_who_was_taken_for_a_no_show_is_checked_in_under_whoever_is_free(desk) -> None:
    house, missed = await missed_under_one_who_is_called_away(desk)
    arrived = await desk.check_in(missed)
    assert [one.practitioner for one in arrived.supervisions] == [house.supervisors[1]]
    assert arrived == await desk.session(missed.name)
    assert await told_since(desk, -2) == ["session_supervision_changed", "session_checked_in"]
    told = (await desk.sent())[-1].session_checked_in.session
    assert list(told.supervisors) == [house.supervisors[1]]


async def test_a_dose_of_one_taken_for_a_no_show_is_given_under_whoever_is_free(desk) -> None:
    house, missed = await missed_under_one_who_is_called_away(desk)
    await desk.give_dose(missed, NINE + timedelta(minutes=31))
    session = await desk.session(missed.name)
    assert session.state == State.STATE_IN_PROGRESS
    assert [one.practitioner for one in session.supervisions] == [house.supervisors[1]]
    assert await told_since(desk, -1) == ["session_supervision_changed"]


@pytest.fixture
async def over_ratio(desk) -> House:
    """One supervisor with a ratio of one, and sessions in their second and third lane."""
    house = await House.open(desk, rooms=4, supervisors=2, ratio=3, patients=4)
    house.sessions = [
        await desk.book(house.courses[n], house.rooms[n], TUESDAY, supervisor=house.supervisors[0]) for n in range(3)
    ]
    lanes = dict(await desk.execute("select session_id, lane from supervision"))
    house.sessions.sort(key=lambda one: lanes[id_of(one)])
    await desk.cancel(house.sessions[0])
    lowered = "update practitioner set supervision_ratio = 1 where practitioner_id = :id"
    await desk.execute(lowered, id=house.supervisors[0].partition("/")[2])
    return house


async def test_over_a_lowered_ratio_nothing_is_added_in_a_lane_that_became_free(desk, over_ratio) -> None:
    asked = {"at": "10:00", "supervisor": over_ratio.supervisors[0]}
    blockers = await desk.blockers(over_ratio.courses[3], over_ratio.rooms[3], TUESDAY, **asked)
    assert codes(blockers) == {"SUPERVISION_RATIO"}
    other = await desk.book(over_ratio.courses[3], over_ratio.rooms[3], TUESDAY, supervisor=over_ratio.supervisors[1])
    # The database says so too, whoever writes.
    with pytest.raises(IntegrityError) as refused:
        await desk.execute(
            "update supervision set practitioner_id = :whom, lane = 1 where session_id = :id",
            whom=over_ratio.supervisors[0].partition("/")[2],
            id=id_of(other),
        )
    assert constraint_of(refused.value) == "supervision_ratio"


async def test_who_is_over_a_lowered_ratio_may_hand_over(desk, over_ratio) -> None:
    handed = await desk.hand_over(over_ratio.sessions[2], hand_over_time=timestamp(NINE + timedelta(hours=1)))
    assert [one.practitioner for one in handed.supervisions] == over_ratio.supervisors


async def test_who_is_absent_by_now_may_hand_over_what_is_left(desk) -> None:
    house = await House.open(desk, supervisors=2)
    session = await desk.book(house.courses[0], house.rooms[0], TUESDAY, supervisor=house.supervisors[0])
    desk.clock.set(NINE)
    session = await desk.check_in(session)
    await house.call_away(house.supervisors[0], "09:30")
    desk.clock.set(NINE + timedelta(minutes=35))
    handed = await desk.hand_over(session)
    assert [one.practitioner for one in handed.supervisions] == house.supervisors


def id_of(session: session_pb2.Session) -> UUID:
    return UUID(session.name.partition("/")[2])
