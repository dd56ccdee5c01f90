"""What is scheduled around a planned session."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, null, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.booking import Supervisor, Surroundings
from services.scheduler.domain.cadence import Commitment
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.lanes import Occupied
from services.scheduler.domain.session import Plan
from services.scheduler.ports.roster import Place
from services.scheduler.storage import session_rows, tables
from services.scheduler.storage.availability_rows import closure
from services.scheduler.storage.tables import table_of

_SESSION = table_of(tables.Session)
_DOSE = table_of(tables.Dose)

_OPENING = text(
    """
    select lower(period) as opening, upper(period) as closing
    from clinic c join opening_hours o using (organization_id, clinic_id),
         local_range(:day, o.open_time, o.close_time, c.time_zone) as hours,
         unnest(tstzmultirange(hours) - coalesce((
             select range_agg(tstzrange(k.start_time, k.end_time)) from closure k
             where k.clinic_id = c.clinic_id and k.room_id is null
               and k.start_time < upper(hours) and k.end_time > lower(hours)), '{}')) as period
    where c.clinic_id = :clinic_id and o.weekday = extract(isodow from cast(:day as date))
    """
)
# The clinic's hours, closures not counted, and the closures that the session overlaps, in one look.
_OPEN_OR_CLOSED = text(
    """
    select null::uuid as closure_id, c.clinic_id, null::uuid as room_id, c.time_zone,
           lower(hours) as start_time, upper(hours) as end_time, '' as reason, c.create_time
    from clinic c join opening_hours o using (organization_id, clinic_id),
         local_range(:day, o.open_time, o.close_time, c.time_zone) as hours
    where c.clinic_id = :clinic_id and o.weekday = extract(isodow from cast(:day as date)) and not isempty(hours)
    union all
    select k.closure_id, k.clinic_id, k.room_id, c.time_zone, k.start_time, k.end_time, k.reason, k.create_time
    from closure k join clinic c using (organization_id, clinic_id)
    where k.clinic_id = :clinic_id and k.end_time > :start_time
      and (k.room_id is null and k.start_time < :end_time or k.room_id = :room_id and k.start_time < :release_time)
    order by start_time, closure_id
    """
)
_IN_ROOM = text(
    """
    select s.session_id from room r join session s using (organization_id, room_id)
    where r.room_id = :room_id and s.live and s.session_id is distinct from :moving
      and s.start_time > cast(:start_time as timestamptz) - interval '1 day' and s.start_time < :release_time
      and s.release_time > :start_time
    order by s.start_time
    """
)
# All who may supervise the whole time, with what they supervise around it: lanes are dealt out anew there.
_SUPERVISORS = text(
    """
    select p.practitioner_id, p.supervision_ratio, (
        select jsonb_agg(jsonb_build_array(v.session_id, v.lane, v.start_time, v.end_time)) from supervision v
        where v.practitioner_id = p.practitioner_id and v.live and v.session_id is distinct from :moving
          and v.start_time > :first and v.start_time < :last
    ) as occupied
    from practitioner p
    where p.supervision_ratio > 0 and :protocol_code = any (p.protocol_codes)
      and coalesce(p.credential_expire_date, 'infinity') >= :day
      and p.practitioner_id in (
          select s.practitioner_id from shift s where s.clinic_id = :clinic_id
          union all
          select e.practitioner_id from shift_exception e
          where e.clinic_id = :clinic_id and e.kind = 'extra' and e.start_time < :end_time and e.end_time > :start_time)
      and on_shift(p.organization_id, p.practitioner_id, :clinic_id, :day) @> tstzrange(:start_time, :end_time)
    """
).columns(occupied=JSONB)


class PostgresSurroundings:
    """The part of `SessionRepository` that looks around a plan."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def commitments(self, patient_id: UUID, *, moving: UUID | None = None) -> tuple[Commitment, ...]:
        """See the port."""
        sessions = select(
            _SESSION.c.session_id,
            _SESSION.c.local_date,
            _SESSION.c.interval_days,
            _SESSION.c.start_time,
            _SESSION.c.end_time,
        ).where(_SESSION.c.patient_id == patient_id, _SESSION.c.live, _SESSION.c.session_id.is_distinct_from(moving))
        doses = select(_DOSE.c.session_id, _DOSE.c.dose_date, _DOSE.c.interval_days, null(), null()).where(
            _DOSE.c.patient_id == patient_id, _DOSE.c.session_id.is_distinct_from(moving)
        )
        found = (await self._connection.execute(sessions.union_all(doses))).all()
        return tuple(_commitment(row) for row in found)

    async def opening(self, clinic_id: UUID, day: date) -> tuple[Interval, ...]:
        """See the port."""
        rows = (await self._connection.execute(_OPENING, {"clinic_id": clinic_id, "day": day})).all()
        return tuple(Interval(row.opening, row.closing) for row in rows)

    async def around(
        self, plan: Plan, place: Place, protocol_code: str, commitments: Sequence[Commitment], *, moving: UUID | None
    ) -> Surroundings:
        """See the port."""
        at = {"room_id": place.room_id, "start_time": plan.start_time, "release_time": plan.release_time}
        room_sessions = (await self._connection.execute(_IN_ROOM, {**at, "moving": moving})).scalars().all()
        of_clinic = {"clinic_id": place.clinic_id, "day": plan.local_date, "end_time": plan.end_time}
        periods = (await self._connection.execute(_OPEN_OR_CLOSED, at | of_clinic)).all()
        return Surroundings(
            commitments=tuple(commitments),
            room_sessions=tuple(room_sessions),
            opening=tuple(Interval(row.start_time, row.end_time) for row in periods if row.closure_id is None),
            supervisors=await self.supervisors(
                plan.interval, plan.local_date, place.clinic_id, protocol_code, moving=moving
            ),
            closures=tuple(closure(row) for row in periods if row.closure_id is not None),
        )

    async def supervisors(
        self, interval: Interval, day: date, clinic_id: UUID, protocol_code: str, *, moving: UUID | None
    ) -> tuple[Supervisor, ...]:
        """See the port."""
        asked = {
            "clinic_id": clinic_id,
            "protocol_code": protocol_code,
            "day": day,
            "start_time": interval.start,
            "end_time": interval.end,
            "first": interval.start - timedelta(days=2),
            "last": interval.end + timedelta(days=1),
            "moving": moving,
        }
        rows = (await self._connection.execute(_SUPERVISORS, asked)).all()
        return tuple(_supervisor(row) for row in rows)


def _commitment(row: Any) -> Commitment:
    return Commitment(
        session_id=row.session_id,
        day=row.local_date,
        interval_days=row.interval_days,
        interval=Interval(row.start_time, row.end_time) if row.start_time else None,
    )


def _supervisor(row: Row[Any]) -> Supervisor:
    occupied = (
        Occupied(UUID(one), lane, session_rows.interval(start, end)) for one, lane, start, end in row.occupied or ()
    )
    return Supervisor(row.practitioner_id, row.supervision_ratio, tuple(occupied))
