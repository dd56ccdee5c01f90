"""What calendar feeds show, read over HTTP by another parser: the instants of the database, and nothing private."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.integration.scheduler.calendar_door import feed_of, open_door
from tests.integration.scheduler.desk import Desk, instant
from tests.support.calendars import ReadEvent, events

pytestmark = pytest.mark.external_postgres

ZONES = ("America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham")


async def read(desk: Desk, **subject: str) -> list[ReadEvent]:
    feed = await feed_of(desk, **subject)
    async with open_door(desk) as door:
        answer = await door.ask(feed.address)
    assert answer.status == 200
    return events(answer.body)


def spans(found: list[ReadEvent]) -> list[tuple[datetime, datetime]]:
    return [(event.start, event.end) for event in found]


@pytest.mark.parametrize("zone", ZONES)
async def test_series_over_a_change_of_the_clocks_are_read_as_the_database_has_it(desk, zone):
    clinic = await desk.open_clinic(zone=zone, patients=2)
    for n, start in enumerate((date(2026, 3, 3), date(2026, 4, 1))):
        course = await desk.active_course(clinic.patients[n].name)
        await desk.book_series(course, clinic.rooms[0].name, start, ("09:00", "13:00")[n], count=6)
    stored = await desk.execute("select start_time, end_time, release_time from session order by start_time")
    assert len(stored) == 12
    practitioner, room = clinic.practitioners[0].name, clinic.rooms[0].name
    assert spans(await read(desk, practitioner=practitioner)) == [(row.start_time, row.end_time) for row in stored]
    assert spans(await read(desk, room=room)) == [(row.start_time, row.release_time) for row in stored]


async def test_a_feed_says_where_and_nothing_about_patient_or_treatment(desk):
    clinic = await desk.open_clinic()
    session = await desk.book(await desk.active_course(clinic.patients[0].name), clinic.rooms[0].name, date(2026, 3, 3))
    feed = await feed_of(desk, practitioner=clinic.practitioners[0].name)
    async with open_door(desk) as door:
        body = (await door.ask(feed.address)).body
    (event,) = events(body)
    assert (event.summary, event.location, event.status) == ("Session, Room 00", "Room 00", "CONFIRMED")
    known = [session.patient, session.course, session.protocol, session.name]
    secret = [
        "ketamine",
        "racemic",
        "infusion",
        "main-patient",
        "Supervisor 00",
        *(name.split("/")[1] for name in known),
    ]
    assert [word for word in secret if word.lower() in body.decode().lower()] == []
    (room_event,) = await read(desk, room=clinic.rooms[0].name)
    assert (room_event.summary, room_event.location) == ("Session", "Room 00")
    assert room_event.uid != event.uid


async def test_a_moved_session_is_the_same_event_with_a_higher_sequence_and_a_cancelled_one_is_gone(desk):
    clinic = await desk.open_clinic()
    room = clinic.rooms[0].name
    session = await desk.book(await desk.active_course(clinic.patients[0].name), room, date(2026, 3, 3))
    (before,) = await read(desk, room=room)
    moved = await desk.move(session, date(2026, 3, 5), "13:00")
    (after,) = await read(desk, room=room)
    assert (after.uid, after.start) == (before.uid, instant(moved.interval.start_time))
    assert after.sequence > before.sequence
    await desk.cancel(moved)
    assert await read(desk, room=room) == []


async def test_after_a_hand_over_each_sees_the_period_that_they_supervise(desk, database):
    clinic = await desk.open_clinic(supervisors=2)
    one, other = clinic.practitioners
    course = await desk.active_course(clinic.patients[0].name)
    session = await desk.book(course, clinic.rooms[0].name, date(2026, 3, 3), supervisor=one.name)
    start, end = instant(session.interval.start_time), instant(session.interval.end_time)
    periods = (start + timedelta(minutes=30), start + timedelta(minutes=50))
    async with database.transaction(desk.organization_id) as connection:
        await connection.execute(text("update supervision set end_time = :end"), {"end": periods[0]})
        added = text(
            "insert into supervision (organization_id, session_id, practitioner_id, lane, start_time, end_time, live)"
            " select organization_id, session_id, cast(:by as uuid), 1, :start, :end, true from session"
        )
        for by, from_, until in ((other, *periods), (one, periods[1], end)):
            values = {"by": by.name.split("/")[1], "start": from_, "end": until}
            await connection.execute(added, values)
    mine = await read(desk, practitioner=one.name)
    assert spans(mine) == [(start, periods[0]), (periods[1], end)]
    assert len({event.uid for event in mine}) == 2
    assert spans(await read(desk, practitioner=other.name)) == [periods]
    assert len(await read(desk, room=clinic.rooms[0].name)) == 1


async def test_only_what_is_near_is_shown(desk, clock):
    clinic = await desk.open_clinic()
    room = clinic.rooms[0].name
    await desk.book(await desk.active_course(clinic.patients[0].name), room, date(2026, 3, 3))
    clock.advance(days=30)
    assert len(await read(desk, room=room)) == 1
    clock.advance(days=3)
    assert await read(desk, room=room) == []
    clock.advance(days=-440)
    assert await read(desk, room=room) == []
    clock.advance(days=20)
    assert len(await read(desk, room=room)) == 1


async def test_a_feed_shows_its_own_subject_and_organization_alone(desk, database, clock):
    clinics = []
    for one, hours in ((desk, ("09:00", "13:00")), (Desk(database, clock), ("10:00", "14:00"))):
        clinic = await one.open_clinic(rooms=2, supervisors=2, patients=2)
        for n in range(2):
            course, by = await one.active_course(clinic.patients[n].name), clinic.practitioners[n].name
            await one.book(course, clinic.rooms[n].name, date(2026, 3, 3), hours[n], supervisor=by)
        clinics.append((one, clinic))
    shown = [
        [event.start.hour - 5 for event in await read(one, **subject)]
        for one, clinic in clinics
        for n in range(2)
        for subject in ({"room": clinic.rooms[n].name}, {"practitioner": clinic.practitioners[n].name})
    ]
    assert shown == [[9], [9], [13], [13], [10], [10], [14], [14]]
