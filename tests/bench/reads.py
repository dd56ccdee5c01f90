"""Row: reading sessions where 10,000 are kept, and where 1,000,000 are."""

from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from kat.scheduler.v1 import session_pb2
from services.runtime.fields import timestamp
from tests.bench.clinics import Clinics
from tests.bench.harness import ROUNDS, Row, percentile
from tests.bench.sessions import id_of

FEW, MANY = 10_000, 1_000_000
ASKED = 200
_DAYS_AHEAD = 10  # before the first that is booked otherwise

# Six sessions a day in each room of one clinic, into the past, each of a patient of its own: so many as are wanted.
_FILL = (
    """
insert into session (organization_id, session_id, course_id, patient_id, protocol_id, interval_days, session_cap,
                     clinic_id, room_id, time_zone, start_time, dose_time, end_time, release_time, place, state,
                     create_time, update_time)
select s.organization_id, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), s.protocol_id, s.interval_days,
       s.session_cap, r.clinic_id, r.room_id, s.time_zone, arrival, arrival + interval '30 minutes',
       arrival + interval '150 minutes', arrival + interval '165 minutes', 1, 'booked', now(), now()
from (select * from session where session_id = $1) s
     join (select *, row_number() over (partition by clinic_id order by room_id) - 1 as number,
                  count(*) over (partition by clinic_id) as rooms from room) r using (clinic_id),
     generate_series($2::bigint, $3::bigint - 1) as turn,
     lateral (select date_trunc('day', now()) - make_interval(days => (turn / rooms / 6)::integer - $4::integer)
                     + turn / rooms % 6 * interval '165 minutes' as arrival) a
where turn % rooms = r.number
""",
    """
insert into course
select (jsonb_populate_record(c, jsonb_build_object('patient_id', s.patient_id, 'course_id', s.course_id))).*
from session s, course c
where c.course_id = (select course_id from session where session_id = $1)
  and not exists (select from course k where k.course_id = s.course_id)
""",
    """
insert into supervision (organization_id, session_id, start_time, end_time, practitioner_id, lane, live)
select s.organization_id, s.session_id, s.start_time, s.end_time, p.practitioner_id, 1, false
from session s, (select practitioner_id from supervision where session_id = $1) p
where not exists (select from supervision v where v.session_id = s.session_id)
""",
)


async def reads(clinics: Clinics, booked: session_pb2.Session) -> list[Row]:
    """A row for each way to ask: its raw limit is the same question where few sessions are kept."""
    rows: dict[str, Row] = {}
    kept = 0
    for count in (FEW, MANY):
        await _fill(clinics, booked, kept, count)
        kept = count
        for what, method, request in _questions(clinics, booked):
            row = rows.setdefault(what, Row(f"{what}: {MANY:,} sessions against {FEW:,}", "ms (p50)", "at most 1.3"))
            for _ in range(ROUNDS):
                seconds = [await _ask(clinics, method, request) for _ in range(ASKED)]
                (row.ours if count == MANY else row.raw).append(percentile(seconds, 50) * 1000)
                row.notes[f"p99 ms at {count:,}"] = percentile(seconds, 99) * 1000
    return list(rows.values())


def _questions(clinics: Clinics, booked: session_pb2.Session) -> list[tuple[str, Any, Any]]:
    sessions, now = clinics.stage.sessions, datetime.now(UTC)
    week = session_pb2.ListSessionsRequest(
        clinic=booked.clinic,
        page_size=50,
        start_time=timestamp(now),
        end_time=timestamp(now + timedelta(days=7)),
    )
    return [
        ("GetSession", sessions.GetSession, session_pb2.GetSessionRequest(name=booked.name)),
        ("ListSessions of a clinic's week", sessions.ListSessions, week),
        (
            "ListSessions of a patient",
            sessions.ListSessions,
            session_pb2.ListSessionsRequest(patient=booked.patient, page_size=50),
        ),
    ]


async def _ask(clinics: Clinics, method: Any, request: Any) -> float:
    started = perf_counter()
    await clinics.call(method, request, clinics.desk.token)
    return perf_counter() - started


async def _fill(clinics: Clinics, like: session_pb2.Session, kept: int, count: int) -> None:
    pool = await clinics.pool("scheduler", 1)
    async with pool.acquire() as connection, connection.transaction():
        # Without triggers and foreign keys; what holds the promises is not measured here, and would take an hour.
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(_FILL[0], id_of(like.name), kept, count, _DAYS_AHEAD, timeout=1_200)
        for statement in _FILL[1:]:
            await connection.execute(statement, id_of(like.name), timeout=1_200)
    await pool.execute("vacuum analyze session, course, supervision", timeout=600)  # as it is after some minutes
    await pool.close()
