"""Row (d): recording doses. They name no authorization, so that every rule is asked of each: the longest way."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any
from uuid import UUID

from kat.common.v1.common_pb2 import Quantity
from kat.common.v1.protocol_pb2 import ROUTE_INTRAVENOUS
from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from kat.scheduler.v1 import session_pb2
from services.runtime.fields import timestamp
from services.runtime.identifiers import new_id
from tests.bench.clinics import BOOKINGS, Clinics
from tests.bench.harness import CALLERS, ROUNDS, Row, percentile, rate
from tests.bench.replay import Replay
from tests.bench.sessions import id_of, rows_of_event

_EVENTS = """
select event_id from record_version where record_id = $1 union all select event_id from movement where record_id = $1
"""


def rows_of_dose(record_id: UUID, session_id: UUID, request_id: UUID) -> dict[str, tuple[str, UUID]]:
    """What one dose leaves. Its ledger entries wait as pending ones until the sequencer has moved them."""
    return {
        "request": ("select * from request where request_id = $1", request_id),
        "ledger_opening": (f"select * from ledger_opening where event_id in ({_EVENTS})", record_id),  # noqa: S608 - our own text
        "ledger_pending": (
            f"select organization_id, event_id, entry from ledger_entry where event_id in ({_EVENTS})",  # noqa: S608 - our own text
            record_id,
        ),
        "record_version": ("select * from record_version where record_id = $1", record_id),
        "movement": ("select * from movement where record_id = $1", record_id),
        **rows_of_event(session_id),
    }


def administration(
    session: session_pb2.Session, lot: str, clinics: Clinics
) -> dosing_log_pb2.RecordAdministrationRequest:
    """A dose of 37.5 mg from 50 mg drawn."""
    now = clinics.stage.now()
    return dosing_log_pb2.RecordAdministrationRequest(
        request_id=str(new_id()),
        session=session.name,
        administration=records_pb2.Administration(
            lot=lot,
            route=ROUTE_INTRAVENOUS,
            drawn=Quantity(value="50", unit="mg"),
            given=Quantity(value="37.5", unit="mg"),
            wasted=Quantity(value="12.5", unit="mg"),
            returned=Quantity(value="0", unit="mg"),
            start_time=timestamp(now - timedelta(minutes=40)),
            end_time=timestamp(now),
            supervisor_subject=clinics.supervisor.subject,
        ),
    )


async def doses(clinics: Clinics, sessions: Sequence[session_pb2.Session]) -> Row:
    """One dose in each session, from eight lots in turn."""
    row = Row("RecordAdministration, 32 clients", "doses/s", "0.35")
    pool, rest, seconds = await clinics.pool("dosing_log"), iter(enumerate(sessions)), list[float]()
    for _ in range(ROUNDS):
        requests = [
            administration(session, clinics.lots[number % len(clinics.lots)], clinics)
            for number, session in islice(rest, BOOKINGS)
        ]
        before = clinics.processor_ms("dosing_log")
        row.ours.append(await rate(CALLERS, (partial(_record, clinics, request, seconds) for request in requests)))
        row.notes["service ms/call"] = (clinics.processor_ms("dosing_log") - before) / BOOKINGS
        await clinics.settled("dosing_log")
        replay = await Replay.of(pool, await _left_by(requests[-1], pool), organization_id=clinics.organization_id)
        row.raw.append(await rate(CALLERS, (replay for _ in range(BOOKINGS))))
        row.notes["rows of a dose"] = replay.rows
    await pool.close()
    row.notes |= {"p50 ms": percentile(seconds, 50) * 1000, "p99 ms": percentile(seconds, 99) * 1000}
    return row


async def _record(clinics: Clinics, request: dosing_log_pb2.RecordAdministrationRequest, seconds: list[float]) -> None:
    started = perf_counter()
    await clinics.call(clinics.stage.doses.RecordAdministration, request, clinics.nurse.token)
    seconds.append(perf_counter() - started)


async def _left_by(request: dosing_log_pb2.RecordAdministrationRequest, pool: Any) -> dict[str, tuple[str, UUID]]:
    session_id = id_of(request.session)
    record_id = await pool.fetchval("select record_id from record_version where session_id = $1", session_id)
    unsequenced = f"select count(*) from ledger_pending where event_id in ({_EVENTS})"  # noqa: S608 - our own text
    while await pool.fetchval(unsequenced, record_id):
        await asyncio.sleep(0.1)
    return rows_of_dose(record_id, session_id, UUID(request.request_id))
