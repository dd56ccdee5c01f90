"""Row: finding slots in a clinic of 20 rooms and 10 supervisors, in whose 90 days 10,000 sessions are booked."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from time import perf_counter
from typing import Any

from google.type.dayofweek_pb2 import DayOfWeek

from kat.scheduler.v1 import course_pb2, roster_pb2, session_pb2
from services.runtime.fields import date_message, time_message
from tests.bench.clinics import PROTOCOL, Clinics, identifier, reference
from tests.bench.harness import ROUNDS, Row, percentile
from tests.bench.sessions import id_of

CLINIC = "crowded"
ROOMS, SUPERVISORS, RATIO = 20, 10, 3
DAYS, SESSIONS = 90, 10_000
ASKED, CALLERS = 100, 8
_OPENS, _CLOSES = time(6), time(23)

# Sessions of 150 minutes and 15 more for the room, six in turn each day: 10,000 of these 10,800 chairs are taken, each
# by a patient of its own. Two rooms share a supervisor.
_FILL = (
    """
create temporary table chair as
select gen_random_uuid() as patient_id, gen_random_uuid() as course_id, gen_random_uuid() as session_id, r.room_id,
       r.number, c.clinic_id, c.time_zone,
       ($1::date + day::integer + time '06:00' + turn * interval '165 minutes') at time zone c.time_zone as arrival
from clinic c join (select *, row_number() over (order by title) - 1 as number from room where clinic_id = $2) r
         using (clinic_id),
     generate_series(0, $3::integer - 1) as day, generate_series(0, 5) as turn
order by hashtext(r.number || ' ' || day || ' ' || turn) limit $4
""",
    """
insert into patient
select (jsonb_populate_record(p, jsonb_build_object('patient_id', h.patient_id, 'identifier_value', h.patient_id))).*
from chair h, course c join patient p using (patient_id) where c.course_id = $1
""",
    """
insert into course
select (jsonb_populate_record(c, jsonb_build_object('patient_id', h.patient_id, 'course_id', h.course_id))).*
from chair h, course c where c.course_id = $1
""",
    """
insert into session (organization_id, session_id, course_id, patient_id, protocol_id, interval_days, session_cap,
                     clinic_id, room_id, time_zone, start_time, dose_time, end_time, release_time, place, state,
                     create_time, update_time)
select c.organization_id, h.session_id, h.course_id, h.patient_id, c.protocol_id, c.interval_days, c.session_cap,
       h.clinic_id, h.room_id, h.time_zone, arrival, arrival + interval '30 minutes', arrival + interval '150 minutes',
       arrival + interval '165 minutes', 1, 'booked', now(), now()
from chair h, course c where c.course_id = $1
""",
    """
insert into supervision
select c.organization_id, h.session_id, arrival, arrival + interval '150 minutes', s.practitioner_id, 1 + h.number % 2,
       true
from chair h join (
         select practitioner_id, clinic_id, row_number() over (order by practitioner_id) - 1 as number
         from (select distinct practitioner_id, clinic_id from shift) w
     ) s on s.clinic_id = h.clinic_id and s.number = h.number / 2, course c
where c.course_id = $1
""",
)


async def slots(clinics: Clinics) -> Row:
    """One client at a time; for the notes, eight at once."""
    row = Row("FindSlots, 90 days, 20 rooms, 10 supervisors, 10,000 sessions booked", "ms (p50)", "p50 < 30, p99 < 100")
    request = await _crowded(clinics)
    alone: list[float] = []
    together: list[float] = []
    processor = 0.0
    for _ in range(ROUNDS):
        before = clinics.processor_ms("scheduler")
        seconds = [await _ask(clinics, request) for _ in range(ASKED)]
        processor += clinics.processor_ms("scheduler") - before
        row.ours.append(percentile(seconds, 50) * 1000)
        alone += seconds
        for _ in range(ASKED // CALLERS):
            together += await asyncio.gather(*(_ask(clinics, request) for _ in range(CALLERS)))
    row.notes |= {
        "p99 ms": percentile(alone, 99) * 1000,
        f"p50 ms, {CALLERS} clients": percentile(together, 50) * 1000,
        f"p99 ms, {CALLERS} clients": percentile(together, 99) * 1000,
        "service ms/call": processor / (ROUNDS * ASKED),
    }
    return row


async def _ask(clinics: Clinics, request: session_pb2.FindSlotsRequest) -> float:
    started = perf_counter()
    found = await clinics.call(clinics.stage.sessions.FindSlots, request, clinics.desk.token)
    if len(found.slots) != request.page_size:
        raise LookupError(f"{len(found.slots)} slots instead of {request.page_size}")
    return perf_counter() - started


async def _crowded(clinics: Clinics) -> session_pb2.FindSlotsRequest:
    """Make the clinic, and the question that is asked."""
    desk, first = clinics.desk.token, datetime.now(UTC).date() + timedelta(days=2)
    roster = await clinics.call(clinics.stage.roster.ImportRoster, _roster(), desk)
    listed = await clinics.call(clinics.stage.protocols.ListProtocols, course_pb2.ListProtocolsRequest(), desk)
    protocol = next(one.name for one in listed.protocols if one.code == PROTOCOL)
    asking, booked = [await clinics.active_course(patient.name, protocol) for patient in roster.patients]
    await _fill(clinics, roster.clinics[0].name, booked, first)
    return session_pb2.FindSlotsRequest(
        course=asking,
        clinics=[roster.clinics[0].name],
        start_date=date_message(first),
        end_date=date_message(first + timedelta(days=DAYS - 1)),
        page_size=20,
    )


async def _fill(clinics: Clinics, clinic: str, course: str, first: date) -> None:
    pool = await clinics.pool("scheduler", 1)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")  # without triggers and foreign keys
        await connection.execute(_FILL[0].replace("$4", str(SESSIONS)).replace("$3", str(DAYS)), first, id_of(clinic))
        for statement in _FILL[1:]:
            await connection.execute(statement, id_of(course))
    await pool.execute("vacuum analyze session, supervision, course, patient")  # as it is after some minutes
    await pool.close()


def _roster() -> roster_pb2.ImportRosterRequest:
    hours: dict[str, Any] = {"open_time": time_message(_OPENS), "close_time": time_message(_CLOSES)}
    shift: dict[str, Any] = {"start_time": time_message(_OPENS), "end_time": time_message(_CLOSES)}
    weekdays = range(DayOfWeek.MONDAY, DayOfWeek.SUNDAY + 1)
    request = roster_pb2.ImportRosterRequest()
    request.clinics.add(
        identifier=identifier(CLINIC),
        title=CLINIC,
        time_zone="America/New_York",
        opening_hours=[roster_pb2.OpeningHours(day_of_week=day, **hours) for day in weekdays],
    )
    for number in range(ROOMS):
        request.rooms.add(
            identifier=identifier(f"{CLINIC}-{number}"), clinic=reference(CLINIC), title=f"Room {number:02}"
        )
    for number in range(SUPERVISORS):
        name = f"{CLINIC}-supervisor-{number}"
        request.practitioners.add(
            identifier=identifier(name),
            printed_name=name,
            credential="MD",
            supervision_ratio=RATIO,
            subject=name,
            protocol_codes=[PROTOCOL],
        )
        for day in weekdays:
            request.shifts.add(practitioner=reference(name), clinic=reference(CLINIC), day_of_week=day, **shift)
    for name in ("asking", "booked"):
        request.patients.add(
            identifier=identifier(f"{CLINIC}-{name}"),
            time_zone="America/New_York",
            birth_date=date_message(date(1980, 1, 1)),
            clinic=reference(CLINIC),
        )
    return request
