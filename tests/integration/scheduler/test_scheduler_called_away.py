"""Supervisors who are called away while a patient is there: the session is told of, with who could take over."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from kat.scheduler.v1 import roster_pb2, session_pb2
from tests.integration.scheduler.desk import Desk, clock_time, instant
from tests.integration.scheduler.test_scheduler_availability import closure
from tests.integration.scheduler.test_scheduler_departures import STRANDED, depart, stranded, supervisors, update
from tests.integration.scheduler.test_scheduler_rare_orders import NINE, TUESDAY, House

pytestmark = pytest.mark.external_postgres

MONDAY = date(2026, 3, 2)


class Visit(House):
    """A house with the first patient there since nine, under the first supervisor; it is 09:35."""

    @classmethod
    async def open(cls, desk: Desk, **more: Any) -> "Visit":
        self = await super().open(desk, **{"supervisors": 2, **more})
        booked = await desk.book(self.courses[0], self.rooms[0], TUESDAY, supervisor=self.supervisors[0])
        desk.clock.set(NINE)
        self.session = await desk.check_in(booked)
        desk.clock.set(NINE + timedelta(minutes=35))
        return self


def needed(found: Any) -> list[tuple[str, list[str], datetime, str, int]]:
    return [
        (
            one.session,
            list(one.reasons),
            instant(one.hand_over.hand_over_time),
            one.hand_over.supervisor,
            len(one.proposals),
        )
        for one in found
    ]


@pytest.mark.parametrize("state", ["checked in", "in progress"])
async def test_a_session_under_way_is_told_of_with_a_hand_over_that_can_be_done(desk, state) -> None:
    visit = await Visit.open(desk)
    if state == "in progress":
        await desk.give_dose(visit.session, NINE + timedelta(minutes=30))
    told = (await visit.call_away(visit.supervisors[0], "09:30")).stranded_sessions
    assert needed(told) == [(visit.session.name, ["NO_SUPERVISOR"], desk.clock.now(), visit.supervisors[1], 0)]
    assert list(told) == await stranded(desk)
    hand_over = told[0].hand_over
    await desk.hand_over(
        await desk.session(visit.session.name),
        hand_over_time=hand_over.hand_over_time,
        supervisor=hand_over.supervisor,
    )
    assert await stranded(desk) == []
    assert await stranded(desk, practitioner=visit.supervisors[0]) == []


async def test_who_is_called_away_later_hands_over_then(desk) -> None:
    visit = await Visit.open(desk)
    told = (await visit.call_away(visit.supervisors[0], "10:30")).stranded_sessions
    later = NINE + timedelta(minutes=90)
    assert needed(told) == [(visit.session.name, ["NO_SUPERVISOR"], later, visit.supervisors[1], 0)]
    handed = await desk.hand_over(
        await desk.session(visit.session.name), hand_over_time=told[0].hand_over.hand_over_time
    )
    assert [one.practitioner for one in handed.supervisions] == visit.supervisors
    assert await stranded(desk) == []


async def test_where_nobody_can_take_over_it_is_told_of_all_the_same(desk) -> None:
    visit = await Visit.open(desk, rooms=2, ratio=1, patients=2)
    await desk.book(visit.courses[1], visit.rooms[1], TUESDAY, "10:00", supervisor=visit.supervisors[1])
    told = (await visit.call_away(visit.supervisors[0], "09:30")).stranded_sessions
    assert needed(told) == [(visit.session.name, ["NO_SUPERVISOR"], desk.clock.now(), "", 0)]
    assert list(told) == await stranded(desk)


async def test_whoever_has_handed_over_may_go(desk) -> None:
    visit = await Visit.open(desk)
    await desk.hand_over(visit.session)
    assert list((await visit.call_away(visit.supervisors[0], "09:00")).stranded_sessions) == []
    assert await stranded(desk) == []


async def test_an_absence_that_is_over_or_after_the_session_strands_nothing(desk) -> None:
    visit = await Visit.open(desk)
    assert list((await visit.call_away(visit.supervisors[0], "11:30")).stranded_sessions) == []
    desk.clock.set(NINE + timedelta(hours=2, minutes=30))
    assert list((await visit.call_away(visit.supervisors[0], "09:30")).stranded_sessions) == []


async def test_one_who_comes_early_is_supervised_from_the_start_on(desk) -> None:
    house = await House.open(desk, supervisors=2)
    booked = await desk.book(house.courses[0], house.rooms[0], TUESDAY, supervisor=house.supervisors[0])
    desk.clock.set(NINE - timedelta(minutes=15))
    await desk.check_in(booked)
    told = (await house.call_away(house.supervisors[0], "08:30")).stranded_sessions
    assert needed(told) == [(booked.name, ["NO_SUPERVISOR"], NINE, house.supervisors[1], 0)]


async def test_a_credential_that_is_withdrawn_calls_for_a_hand_over_too(desk) -> None:
    visit = await Visit.open(desk)
    visit.practitioners[0].protocol_codes[:] = ["im_racemic"]
    await update(desk, visit.practitioners[0])
    assert needed(await stranded(desk)) == [
        (visit.session.name, ["NO_SUPERVISOR"], desk.clock.now(), visit.supervisors[1], 0)
    ]


async def test_a_shift_that_is_deleted_during_a_visit_tells_of_it(desk) -> None:
    visit = await Visit.open(desk)
    request = roster_pb2.ListShiftsRequest(practitioner=visit.supervisors[0])
    shifts = (await desk.call(desk.roster.ListShifts, request)).shifts
    today = next(shift for shift in shifts if shift.day_of_week == 2)
    deletion = roster_pb2.DeleteShiftRequest(name=today.name, etag=today.etag)
    told = (await desk.call(desk.roster.DeleteShift, deletion)).stranded_sessions
    assert needed(told) == [(visit.session.name, ["NO_SUPERVISOR"], desk.clock.now(), visit.supervisors[1], 0)]


async def test_nothing_but_supervision_strands_a_patient_who_is_there(desk) -> None:
    visit = await Visit.open(desk)
    await visit.call_away(visit.supervisors[0], "09:30")
    clinic = await desk.call(desk.roster.GetClinic, roster_pb2.GetClinicRequest(name=visit.clinic))
    clinic.opening_hours[1].open_time.CopyFrom(clock_time("09:01"))
    await update(desk, clinic)
    opened = roster_pb2.ImportRosterResponse(clinics=[clinic])
    shut = roster_pb2.CreateClosureRequest(closure=closure(opened, (TUESDAY, "09:00"), (TUESDAY, "18:00")))
    assert list((await desk.call(desk.roster.CreateClosure, shut)).stranded_sessions) == []
    (found,) = await stranded(desk)
    assert list(found.reasons) == ["NO_SUPERVISOR"]


async def test_one_who_has_left_already_hands_over_whom_they_still_supervise(desk) -> None:
    visit = await Visit.open(desk, rooms=2, patients=2)
    later = await desk.book(visit.courses[1], visit.rooms[1], TUESDAY, "12:00", supervisor=visit.supervisors[0])
    answer = await depart(desk, visit.practitioners[0], MONDAY)
    under_way, to_come = answer.sessions
    assert (under_way.session, under_way.outcome, under_way.supervisor) == (visit.session.name, STRANDED, "")
    assert under_way.hand_over.supervisor == visit.supervisors[1]
    assert instant(under_way.hand_over.hand_over_time) == desk.clock.now()
    assert (to_come.session, to_come.HasField("hand_over")) == (later.name, False)
    now = await desk.session(visit.session.name)
    assert (supervisors(now), now.state) == ({visit.supervisors[0]}, session_pb2.Session.STATE_CHECKED_IN)
    assert [one.session for one in await stranded(desk)] == [visit.session.name]
    handed = await desk.hand_over(now, supervisor=under_way.hand_over.supervisor)
    assert [one.practitioner for one in handed.supervisions] == visit.supervisors
    assert list((await depart(desk, answer.practitioner, MONDAY)).sessions) == []


async def test_sessions_under_way_and_to_come_are_listed_by_start(desk) -> None:
    visit = await Visit.open(desk, supervisors=1, rooms=2, patients=2)
    later = await desk.book(visit.courses[1], visit.rooms[1], TUESDAY, "12:00")
    await visit.call_away(visit.supervisors[0], "09:30")
    found = await stranded(desk)
    assert [(one.session, one.HasField("hand_over"), bool(one.proposals)) for one in found] == [
        (visit.session.name, True, False),
        (later.name, False, True),
    ]
