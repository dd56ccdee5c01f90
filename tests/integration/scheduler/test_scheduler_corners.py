"""Corners where two rules meet: facts after no-shows, expired holds, lanes over days, patients who are there."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kat.events.v1 import events_pb2
from kat.scheduler.v1 import session_pb2
from services.runtime.errors import FailedPreconditionError, InvalidArgumentError
from services.runtime.identifiers import new_id
from services.runtime.status import status_message, violations_of
from tests.integration.scheduler.desk import booking, instant, local_time

pytestmark = pytest.mark.external_postgres
TUESDAY = date(2026, 3, 3)
HOUR = timedelta(hours=1)
State = session_pb2.Session.State
APPLIED = events_pb2.Outcome.VERDICT_APPLIED


async def test_a_dose_is_counted_where_an_extended_session_was_missed_and_its_end_given_away(desk) -> None:
    opened = await desk.open_clinic(patients=2)
    mine, other = [await desk.active_course(p.name) for p in opened.patients]
    room = opened.rooms[0].name
    first = await desk.book(mine, room, TUESDAY, "09:00")
    first = (await desk.extend(first, instant(first.interval.end_time) + HOUR)).session
    desk.clock.set(datetime(2026, 3, 3, 15, 30, tzinfo=UTC))
    await desk.miss(first)
    await desk.book(other, room, TUESDAY, "11:45")
    assert await desk.give_dose(first, datetime(2026, 3, 3, 15, tzinfo=UTC)) == APPLIED


async def test_a_dose_is_counted_where_a_missed_session_was_flagged_and_the_dose_before_amended(desk) -> None:
    opened = await desk.open_clinic(patients=1)
    mine = await desk.active_course(opened.patients[0].name)
    room = opened.rooms[0].name
    first, second = await desk.book_series(mine, room, TUESDAY, count=2)
    record = new_id()
    desk.clock.set(datetime(2026, 3, 3, 15, tzinfo=UTC))
    assert await desk.give_dose(first, datetime(2026, 3, 4, 15, tzinfo=UTC), record=record) == APPLIED
    second = await desk.session(second.name)
    assert second.too_early
    desk.clock.set(datetime(2026, 3, 10, 15, tzinfo=UTC))
    second = await desk.miss(second)
    assert await desk.give_dose(first, datetime(2026, 3, 3, 15, tzinfo=UTC), record=record) == APPLIED
    assert await desk.give_dose(second, datetime(2026, 3, 10, 15, tzinfo=UTC)) == APPLIED


async def test_what_validate_booking_allows_is_booked_whatever_stands_two_days_before(desk) -> None:
    opened = await desk.open_clinic(patients=6, rooms=4, ratio=2)
    courses = [await desk.active_course(p.name) for p in opened.patients]
    rooms = [r.name for r in opened.rooms]
    thursday = TUESDAY + timedelta(days=2)
    await desk.book(courses[0], rooms[0], TUESDAY, "09:00")
    await desk.book(courses[1], rooms[1], TUESDAY, "10:15")
    await desk.book(courses[2], rooms[0], thursday, "08:00")
    filler = await desk.book(courses[3], rooms[1], thursday, "10:45")
    await desk.book(courses[4], rooms[2], thursday, "11:00")
    await desk.cancel(filler)
    assert await desk.blockers(courses[5], rooms[3], thursday, "10:00") == []
    await desk.book(courses[5], rooms[3], thursday, "10:00")


async def test_nobody_is_told_of_a_hold_that_moves_for_a_longer_session(desk) -> None:
    opened = await desk.open_clinic(patients=2, rooms=2)
    mine, other = [await desk.active_course(p.name) for p in opened.patients]
    first = await desk.book(mine, opened.rooms[0].name, TUESDAY, "09:00")
    held = await desk.hold(other, opened.rooms[0].name, TUESDAY, "11:45")
    told = len(await desk.sent())
    move = session_pb2.DownstreamMove(
        session=held.name, etag=held.etag, arrival=local_time(TUESDAY, "13:00"), room=opened.rooms[1].name
    )
    await desk.extend(first, instant(first.interval.end_time) + HOUR, moves=[move])
    await desk.cancel(await desk.session(held.name))
    assert [e.WhichOneof("payload") for e in (await desk.sent())[told:]] == ["session_extended"]


async def test_an_expired_hold_is_not_in_the_way_of_a_longer_session(desk) -> None:
    opened = await desk.open_clinic(patients=2, rooms=2)
    mine, other = [await desk.active_course(p.name) for p in opened.patients]
    first = await desk.book(mine, opened.rooms[0].name, TUESDAY, "09:00")
    await desk.hold(other, opened.rooms[0].name, TUESDAY, "11:45")
    desk.clock.advance(minutes=11)
    answer = await desk.extend(first, instant(first.interval.end_time) + HOUR)
    assert not answer.hits


async def test_a_patient_who_has_come_is_not_moved_to_another_date(desk) -> None:
    opened = await desk.open_clinic(patients=2, rooms=1)
    mine, other = [await desk.active_course(p.name) for p in opened.patients]
    room = opened.rooms[0].name
    first = await desk.book(mine, room, TUESDAY, "09:00")
    second = await desk.book(other, room, TUESDAY, "11:45")
    desk.clock.set(datetime(2026, 3, 3, 16, tzinfo=UTC))
    first = await desk.check_in(first)
    second = await desk.check_in(second)
    move = session_pb2.DownstreamMove(
        session=second.name, etag=second.etag, arrival=local_time(TUESDAY + timedelta(days=1), "09:00")
    )
    with pytest.raises(InvalidArgumentError) as faulty:
        await desk.extend(first, instant(first.interval.end_time) + HOUR, moves=[move])
    assert [fault.path for fault in faulty.value.violations] == ["moves[0].arrival"]
    assert await desk.session(second.name) == second


async def test_nobody_is_checked_in_after_the_session_is_over(desk) -> None:
    opened = await desk.open_clinic(patients=2, rooms=1)
    mine, _ = [await desk.active_course(p.name) for p in opened.patients]
    first = await desk.book(mine, opened.rooms[0].name, TUESDAY, "09:00")
    desk.clock.set(datetime(2026, 3, 3, 22, tzinfo=UTC))
    first = await desk.miss(first)
    with pytest.raises(FailedPreconditionError):
        await desk.check_in(first)


async def test_a_confirmed_session_that_was_missed_is_not_confirmed_again(desk) -> None:
    opened = await desk.open_clinic(patients=1)
    mine = await desk.active_course(opened.patients[0].name)
    first = await desk.confirm(await desk.book(mine, opened.rooms[0].name, TUESDAY, "09:00"))
    desk.clock.set(datetime(2026, 3, 3, 15, 30, tzinfo=UTC))
    missed = await desk.miss(first)
    with pytest.raises(FailedPreconditionError):
        await desk.confirm(missed)


async def test_what_a_long_series_is_told_fits_into_a_status(desk) -> None:
    opened = await desk.open_clinic(patients=1, rooms=5, supervisors=4)
    mine = await desk.active_course(opened.patients[0].name)
    request = session_pb2.BookSeriesRequest(
        first=booking(mine, opened.rooms[0].name, date(2026, 3, 3), "19:00"), interval_weeks=1, count=52
    )
    with pytest.raises(FailedPreconditionError) as refused:
        await desk.call(desk.sessions.BookSeries, request)
    status = status_message(refused.value)
    assert len(status.SerializeToString()) < 6_000
    (*_, last) = violations_of(status)
    assert "more" in last[2]
    request.validate_only = True
    found = await desk.call(desk.sessions.BookSeries, request)
    assert len(found.occurrences) == 52
    assert all(one.blockers for one in found.occurrences)
