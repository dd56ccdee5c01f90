"""What is scheduled around a planned session."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.availability import Closure
from services.scheduler.domain.booking import Supervisor, Surroundings
from services.scheduler.domain.cadence import Commitment
from services.scheduler.domain.course import Course
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.lanes import Occupied
from services.scheduler.domain.session import Plan
from services.scheduler.ports.roster import Place

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
# Each of these is a list in one row, so that one statement, which sees one moment, can look at all of them.
_COMMITMENTS = text(
    """
    array(
        select row(s.session_id, s.local_date, s.interval_days, s.start_time, s.end_time) from session s
        where s.patient_id = :patient_id and s.live and s.session_id is distinct from :moving
        union all
        select row(d.session_id, d.dose_date, d.interval_days, null::timestamptz, null::timestamptz) from dose d
        where d.patient_id = :patient_id and d.session_id is distinct from :moving
    ) as commitments
    """
)
_IN_ROOM = text(
    """
    array(
        select s.session_id from room r join session s using (organization_id, room_id)
        where r.room_id = :room_id and s.live and s.session_id is distinct from :moving
          and s.start_time > cast(:start_time as timestamptz) - interval '1 day' and s.start_time < :release_time
          and s.release_time > :start_time
        order by s.start_time
    ) as in_room
    """
)
# The clinic's hours, closures not counted.
_HOURS = text(
    """
    array(
        select row(lower(hours), upper(hours))
        from clinic c join opening_hours o using (organization_id, clinic_id),
             local_range(:day, o.open_time, o.close_time, c.time_zone) as hours
        where c.clinic_id = :clinic_id and o.weekday = extract(isodow from cast(:day as date)) and not isempty(hours)
        order by lower(hours)
    ) as hours
    """
)
_CLOSURES = text(
    """
    array(
        select row(k.closure_id, k.room_id, k.start_time, k.end_time, k.reason, k.create_time) from closure k
        where k.clinic_id = :clinic_id and k.end_time > :start_time
          and (k.room_id is null and k.start_time < :end_time or k.room_id = :room_id and k.start_time < :release_time)
        order by k.start_time, k.closure_id
    ) as closures
    """
)
# All who may supervise the whole time, with what they supervise around it: lanes are dealt out anew there.
# Who is on shift is worked out last, and for those alone who may supervise there: it is what takes the time.
_SUPERVISORS = text(
    """
    array(
        with qualified as materialized (
            select p.organization_id, p.practitioner_id, p.supervision_ratio from practitioner p
            where p.supervision_ratio > 0 and :protocol_code = any (p.protocol_codes)
              and coalesce(p.credential_expire_date, 'infinity') >= :day
              and p.practitioner_id in (
                  select s.practitioner_id from shift s where s.clinic_id = :clinic_id
                  union all
                  select e.practitioner_id from shift_exception e
                  where e.clinic_id = :clinic_id and e.kind = 'extra'
                    and e.start_time < :end_time and e.end_time > :start_time))
        select row(p.practitioner_id, p.supervision_ratio, array(
            select row(v.session_id, v.lane, v.start_time, v.end_time) from supervision v
            where v.practitioner_id = p.practitioner_id and v.live and v.session_id is distinct from :moving
              and v.start_time > cast(:start_time as timestamptz) - interval '2 days'
              and v.start_time < cast(:end_time as timestamptz) + interval '1 day'))
        from qualified p
        where on_shift(p.organization_id, p.practitioner_id, :clinic_id, :day) @> tstzrange(:start_time, :end_time)
    ) as supervisors
    """
)
_COMMITMENTS_ALONE = select(_COMMITMENTS)
_SUPERVISORS_ALONE = select(_SUPERVISORS)
_AROUND = select(_COMMITMENTS, _IN_ROOM, _HOURS, _CLOSURES, _SUPERVISORS)


class PostgresSurroundings:
    """The part of `SessionRepository` that looks around a plan."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def commitments(self, patient_id: UUID, *, moving: UUID | None = None) -> tuple[Commitment, ...]:
        """See the port."""
        asked = {"patient_id": patient_id, "moving": moving}
        found = (await self._connection.execute(_COMMITMENTS_ALONE, asked)).scalar_one()
        return tuple(_commitment(*one) for one in found)

    async def opening(self, clinic_id: UUID, day: date) -> tuple[Interval, ...]:
        """See the port."""
        rows = (await self._connection.execute(_OPENING, {"clinic_id": clinic_id, "day": day})).all()
        return tuple(Interval(row.opening, row.closing) for row in rows)

    async def around(self, plan: Plan, place: Place, course: Course, *, moving: UUID | None) -> Surroundings:
        """See the port."""
        asked = {
            "patient_id": course.patient_id,
            "room_id": place.room_id,
            "release_time": plan.release_time,
            **_supervision(plan.interval, plan.local_date, place.clinic_id, course.protocol_code, moving),
        }
        commitments, in_room, hours, closures, supervisors = (await self._connection.execute(_AROUND, asked)).one()
        return Surroundings(
            commitments=tuple(_commitment(*one) for one in commitments),
            room_sessions=tuple(in_room),
            opening=tuple(Interval(*one) for one in hours),
            supervisors=tuple(_supervisor(*one) for one in supervisors),
            closures=tuple(_closure(place, one) for one in closures),
        )

    async def supervisors(
        self, interval: Interval, day: date, clinic_id: UUID, protocol_code: str, *, moving: UUID | None
    ) -> tuple[Supervisor, ...]:
        """See the port."""
        asked = _supervision(interval, day, clinic_id, protocol_code, moving)
        found = (await self._connection.execute(_SUPERVISORS_ALONE, asked)).scalar_one()
        return tuple(_supervisor(*one) for one in found)


def _supervision(
    interval: Interval, day: date, clinic_id: UUID, protocol_code: str, moving: UUID | None
) -> dict[str, object]:
    return {
        "clinic_id": clinic_id,
        "protocol_code": protocol_code,
        "day": day,
        "start_time": interval.start,
        "end_time": interval.end,
        "moving": moving,
    }


def _commitment(
    session_id: UUID, day: date, interval_days: int, start_time: datetime | None, end_time: datetime | None
) -> Commitment:
    interval = Interval(start_time, end_time) if start_time and end_time else None
    return Commitment(session_id=session_id, day=day, interval_days=interval_days, interval=interval)


def _closure(place: Place, found: tuple[UUID, UUID | None, datetime, datetime, str, datetime]) -> Closure:
    closure_id, room_id, start_time, end_time, reason, create_time = found
    return Closure(
        closure_id=closure_id,
        clinic_id=place.clinic_id,
        room_id=room_id,
        time_zone=place.time_zone,
        interval=Interval(start_time, end_time),
        reason=reason,
        create_time=create_time,
    )


def _supervisor(
    practitioner_id: UUID, ratio: int, occupied: Sequence[tuple[UUID, int, datetime, datetime]]
) -> Supervisor:
    held = (Occupied(session_id, lane, Interval(start, end)) for session_id, lane, start, end in occupied)
    return Supervisor(practitioner_id, ratio, tuple(held))
