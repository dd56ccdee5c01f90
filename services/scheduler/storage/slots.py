"""Free time, computed by PostgreSQL: when a session may begin is a multirange for each room and supervisor."""

from collections.abc import Sequence
from datetime import time
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.slots import DateWithoutSlot, Slot, SlotPosition, SlotSearch

# Every multirange below holds arrivals: instants at which a session of the length that is asked for may begin. What is
# busy from a to b rules out the arrivals between a less that length and b, both excluded. Each date has arrivals
# - `opening` that the clinic's hours allow, `wanted` of those within the times asked for, `ahead` of those not past,
# - `room_free` in each room, `any_room` in one of them,
# - `attended` by each supervisor on shift, `supervised` of those at which they are below their ratio.
_ARRIVALS = """
with asked as (
    select cast(:attendance as interval) as attendance, cast(:room_time as interval) as room_time,
           cast(:after as timestamptz) as after, cast(:earliest as time) as earliest, cast(:latest as time) as latest,
           cast(:clinic_ids as uuid[]) as clinic_ids, cast(:dates as date[]) as dates
),
day as (
    select c.clinic_id, c.time_zone, d.day, array_position(asked.clinic_ids, c.clinic_id) as clinic_rank
    from asked, clinic c, unnest(asked.dates) as d (day)
    where c.clinic_id = any (asked.clinic_ids)
),
opening as (
    select d.clinic_id, d.day, coalesce(
        range_agg(tstzrange(lower(hours), upper(hours) - attendance, '[]'))
            filter (where lower(hours) + attendance <= upper(hours)), '{}') as arrivals
    from asked, day d join opening_hours o on o.clinic_id = d.clinic_id and o.weekday = extract(isodow from d.day),
         local_range(d.day, o.open_time, o.close_time, d.time_zone) as hours
    group by d.clinic_id, d.day
),
wanted as (
    select d.*, o.arrivals * tstzmultirange(tstzrange(
        (d.day + earliest) at time zone d.time_zone,
        greatest((d.day + earliest) at time zone d.time_zone, (d.day + latest) at time zone d.time_zone), '[]')
    ) as arrivals
    from asked, day d join opening o using (clinic_id, day)
),
ahead as (
    select w.clinic_id, w.day, w.time_zone, w.clinic_rank,
           w.arrivals * tstzmultirange(tstzrange(after, null, '()')) as arrivals
    from asked, wanted w
),
room_busy as (
    select s.room_id, d.day, range_agg(tstzrange(s.start_time - room_time, s.release_time, '()')) as arrivals
    from asked, session s, unnest(array[s.local_date, (s.release_time at time zone s.time_zone)::date]) as d (day)
    where s.live and s.clinic_id = any (clinic_ids)
      and s.start_time > (select min(day) from day) - interval '2 days'
      and s.start_time < (select max(day) from day) + interval '2 days'
    group by s.room_id, d.day
),
room_free as (
    select a.clinic_id, a.day, r.room_id, r.title, a.arrivals - coalesce(b.arrivals, '{}') as arrivals
    from ahead a join room r using (clinic_id) left join room_busy b using (room_id, day)
),
any_room as (
    select clinic_id, day, range_agg(arrivals) as arrivals from room_free group by clinic_id, day
),
shifts as (
    select a.clinic_id, a.day, p.practitioner_id, p.supervision_ratio, a.arrivals as ahead,
           range_agg(local_range(a.day, s.start_time, s.end_time, a.time_zone)) as periods
    from ahead a join shift s on s.clinic_id = a.clinic_id and s.weekday = extract(isodow from a.day)
         and a.day between coalesce(s.effective_start_date, a.day) and coalesce(s.effective_end_date, a.day)
         join practitioner p using (practitioner_id)
    where p.supervision_ratio > 0 and :protocol_code = any (p.protocol_codes)
      and coalesce(p.credential_expire_date, 'infinity') >= a.day
    group by a.clinic_id, a.day, p.practitioner_id, p.supervision_ratio, a.arrivals
),
attended as (
    select s.*, s.ahead * (
        select coalesce(range_agg(tstzrange(lower(period), upper(period) - attendance, '[]')), '{}')
        from unnest(s.periods) as period where lower(period) + attendance <= upper(period)) as arrivals
    from asked, shifts s
),
change as (
    select v.practitioner_id, e.at, sum(e.sessions) as sessions
    from supervision v, lateral (values (v.start_time, 1), (v.end_time, -1)) as e (at, sessions)
    where v.live and v.practitioner_id in (select practitioner_id from attended)
      and v.start_time > (select min(day) from day) - interval '2 days'
      and v.start_time < (select max(day) from day) + interval '2 days'
    group by v.practitioner_id, e.at
),
load as (
    select practitioner_id, at, lead(at) over (partition by practitioner_id order by at) as until,
           sum(sessions) over (partition by practitioner_id order by at) as sessions
    from change
),
at_ratio as (
    select l.practitioner_id, range_agg(tstzrange(l.at - attendance, l.until, '()')) as arrivals
    from asked, load l join practitioner p using (practitioner_id)
    where l.sessions >= p.supervision_ratio
    group by l.practitioner_id
),
supervised as (
    select a.clinic_id, a.day, a.practitioner_id, a.arrivals - coalesce(r.arrivals, '{}') as arrivals
    from attended a left join at_ratio r using (practitioner_id)
)
"""

_FIND = text(
    _ARRIVALS  # noqa: S608 - two constants, no input
    + """,
start as (
    select distinct on (s.clinic_id, g.at)
           d.clinic_id, d.time_zone, d.clinic_rank, d.day, g.at, s.practitioner_id,
           s.practitioner_id is not distinct from cast(:preferred as uuid) as preferred
    from supervised s join any_room r using (clinic_id, day) join ahead d using (clinic_id, day),
         unnest(s.arrivals * r.arrivals) as free,
         generate_series(
             date_bin('15 minutes', lower(free) + interval '15 minutes' - interval '1 microsecond', 'epoch'),
             upper(free), '15 minutes') as g (at)
    where g.at <@ free
    order by s.clinic_id, g.at, preferred desc, s.practitioner_id
)
select p.*, p.at + attendance as until, room.room_id
from asked, (
    select * from start
    where cast(:last_preferred as boolean) is null
       or (not preferred, at, clinic_rank) > (not cast(:last_preferred as boolean), cast(:last_start as timestamptz),
                                              array_position(cast(:clinic_ids as uuid[]), cast(:last_clinic as uuid)))
    order by not preferred, at, clinic_rank
    limit :limit
) p cross join lateral (
    select room_id from room_free f
    where f.clinic_id = p.clinic_id and f.day = p.day and f.arrivals @> p.at
    order by f.title, f.room_id limit 1
) room
order by not p.preferred, p.at, p.clinic_rank
"""
)

_WITHOUT = text(
    _ARRIVALS  # noqa: S608 - two constants, no input
    + """
select d.clinic_id, d.day, o.arrivals is null as closed,
       isempty(w.arrivals) as outside_hours, isempty(a.arrivals) as past,
       isempty(coalesce(r.arrivals, '{}')) as no_room,
       isempty(coalesce(t.attended, '{}')) as no_supervisor, isempty(coalesce(t.supervised, '{}')) as at_ratio,
       isempty(coalesce(t.attended * r.arrivals, '{}')) as no_supervisor_with_room,
       isempty(coalesce(t.supervised * r.arrivals, '{}')) as without
from day d left join opening o using (clinic_id, day) left join wanted w using (clinic_id, day)
     left join ahead a using (clinic_id, day) left join any_room r using (clinic_id, day)
     left join (select clinic_id, day, range_agg(a.arrivals) as attended, range_agg(s.arrivals) as supervised
                from attended a join supervised s using (clinic_id, day, practitioner_id)
                group by clinic_id, day) t using (clinic_id, day)
order by d.clinic_rank, d.day
"""
)

_WITHOUT_LOOPS = text("set local enable_nestloop = off")


class PostgresSlots:
    """`SlotRepository` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, search: SlotSearch, *, limit: int, after: SlotPosition | None = None) -> list[Slot]:
        """See the port."""
        asked = {
            **_asked(search),
            "preferred": search.preferred_supervisor,
            "last_preferred": after.preferred if after else None,
            "last_start": after.start_time if after else None,
            "last_clinic": after.clinic_id if after else None,
            "limit": limit,
        }
        return [_slot(row) for row in await self._rows(_FIND, asked)]

    async def without(self, search: SlotSearch) -> list[DateWithoutSlot]:
        """See the port."""
        rows = await self._rows(_WITHOUT, _asked(search))
        return [DateWithoutSlot(row.clinic_id, row.day, _reasons(row)) for row in rows if row.without]

    async def _rows(self, statement: TextClause, asked: dict[str, object]) -> Sequence[Row[Any]]:
        # The planner cannot see how many rows come of ranges: it expects one, and would loop over all others for each.
        await self._connection.execute(_WITHOUT_LOOPS)
        return (await self._connection.execute(statement, asked)).all()


def _asked(search: SlotSearch) -> dict[str, object]:
    return {
        "attendance": search.attendance,
        "room_time": search.attendance + search.turnover,
        "after": search.after,
        "earliest": search.earliest_time or time.min,
        "latest": search.latest_time or time(23, 59),
        "clinic_ids": list(search.clinic_ids),
        "dates": list(search.dates),
        "protocol_code": search.protocol_code,
    }


def _slot(row: Row[Any]) -> Slot:
    return Slot(
        clinic_id=row.clinic_id,
        room_id=row.room_id,
        supervisor_id=row.practitioner_id,
        time_zone=row.time_zone,
        interval=Interval(row.at, row.until),
        preferred=row.preferred,
    )


def _reasons(row: Row[Any]) -> tuple[BlockerCode, ...]:
    """Name every reason; where rooms and supervisors are free, but never together, both."""
    if row.closed:
        return (BlockerCode.CLINIC_CLOSED,)
    if row.outside_hours:
        return (BlockerCode.OUTSIDE_HOURS,)
    if row.past:
        return (BlockerCode.PAST,)
    never_together = not row.no_room and not row.at_ratio
    reasons = []
    if row.no_supervisor or (never_together and row.no_supervisor_with_room):
        reasons.append(BlockerCode.NO_SUPERVISOR)
    elif row.at_ratio or never_together:
        reasons.append(BlockerCode.SUPERVISION_RATIO)
    if row.no_room or never_together:
        reasons.append(BlockerCode.ROOM_BUSY)
    return tuple(reasons)
