"""The statement that computes free time: one look at everything, for the slots and for the dates without one.

Every multirange named `arrivals`, or after what it leaves out, holds arrivals: instants at which a session of the
length that is asked for may begin. What is busy from a to b rules out the arrivals between a less that length and b,
both excluded. Each clinic has one multirange over all dates, so that PostgreSQL merges ranges in their order, without
grouping what is busy by date. Rooms and lanes are read one by one from indexes that hold all that is asked of them.
Slots start on quarters of an hour, on the clinic's clock as in UTC: every zone's offset is a multiple of one.
"""

from sqlalchemy import text

# `wanted` are the arrivals that a date's hours allow within the times asked for; `ahead` those of them that come after
# the instant of the question. No opening range of a date spans two dates, so no range of arrivals does.
_HOURS = """
with asked as materialized (
    select cast(:attendance as interval) as attendance, cast(:room_time as interval) as room_time,
           cast(:after as timestamptz) as after, cast(:earliest as time) as earliest, cast(:latest as time) as latest,
           cast(:clinic_ids as uuid[]) as clinic_ids, cast(:excluded_dates as date[]) as excluded_dates,
           cast(:last_preferred as boolean) as last_preferred, cast(:last_start as timestamptz) as last_start,
           array_position(cast(:clinic_ids as uuid[]), cast(:last_clinic as uuid)) as last_rank
),
date as materialized (
    select day, cast(extract(isodow from day) as smallint) as weekday from unnest(cast(:dates as date[])) as day
),
span as materialized (
    select (min(day) - 2)::timestamp at time zone 'UTC' as first, (max(day) + 3)::timestamp at time zone 'UTC' as last
    from date
),
place as materialized (
    select c.organization_id, c.clinic_id, c.time_zone, array_position(asked.clinic_ids, c.clinic_id) as clinic_rank, (
        select coalesce(range_agg(tstzrange(k.start_time, k.end_time)), '{}') from closure k
        where k.organization_id = c.organization_id and k.clinic_id = c.clinic_id and k.room_id is null
          and k.start_time < span.last and k.end_time > span.first
    ) as closed
    from asked, span, clinic c
    where c.clinic_id = any (asked.clinic_ids)
),
day as materialized (
    select p.clinic_id, p.clinic_rank, d.day, hours.closed, hours.arrivals * tstzmultirange(tstzrange(
               (d.day + earliest) at time zone p.time_zone,
               greatest((d.day + earliest) at time zone p.time_zone, (d.day + latest) at time zone p.time_zone), '[]')
           ) as wanted
    from asked, place p cross join date d, lateral (
        select count(*) = 0 as closed, coalesce(
                   range_agg(tstzrange(lower(hours), upper(hours) - attendance, '[]'))
                       filter (where lower(hours) + attendance <= upper(hours)), '{}') as arrivals
        from opening_hours o,
             unnest(tstzmultirange(local_range(d.day, o.open_time, o.close_time, p.time_zone)) - p.closed) as hours
        where o.organization_id = p.organization_id and o.clinic_id = p.clinic_id and o.weekday = d.weekday
    ) as hours
),
ahead as materialized (
    select p.organization_id, p.clinic_id, (
        select coalesce(range_agg(d.wanted), '{}') from day d where d.clinic_id = p.clinic_id
    ) * tstzmultirange(tstzrange(after, null, '()')) as arrivals
    from asked, place p
),
"""

_ROOMS = """
room_free as materialized (
    select a.clinic_id, r.room_id, r.title, a.arrivals - coalesce((
        select range_agg(tstzrange(s.start_time - room_time, s.release_time, '()')) from session s
        where s.organization_id = r.organization_id and s.room_id = r.room_id and s.live
          and s.start_time > span.first and s.start_time < span.last
          and (s.state <> 'held' or s.hold_expire_time > after)
    ), '{}') - coalesce((
        select range_agg(tstzrange(k.start_time - room_time, k.end_time, '()')) from closure k
        where k.organization_id = r.organization_id and k.clinic_id = r.clinic_id and k.room_id = r.room_id
          and k.start_time < span.last and k.end_time > span.first
    ), '{}') as arrivals
    from asked, span, ahead a join room r using (organization_id, clinic_id)
),
"""

# A supervisor is at their ratio while every lane up to it is taken. Lanes beyond it are of the time before the ratio
# was lowered: they are counted too, by the slower way of following how many sessions begin and end. A hold that has
# lapsed is not in the way, neither here nor in a room.
_SUPERVISORS = """
worked as materialized (
    select clinic_id, practitioner_id, range_agg(period) as periods
    from (
        select p.clinic_id, s.practitioner_id, local_range(d.day, s.start_time, s.end_time, p.time_zone) as period
        from place p join shift s using (organization_id, clinic_id) join date d using (weekday)
        where d.day between coalesce(s.effective_start_date, d.day) and coalesce(s.effective_end_date, d.day)
        union all
        select p.clinic_id, e.practitioner_id, tstzrange(e.start_time, e.end_time)
        from span, place p join shift_exception e using (organization_id, clinic_id)
        where e.kind = 'extra' and e.start_time < span.last and e.end_time > span.first
    ) as one
    group by clinic_id, practitioner_id
),
on_duty as materialized (
    select w.clinic_id, p.organization_id, p.practitioner_id, p.supervision_ratio, (w.periods - coalesce((
        select range_agg(tstzrange(a.start_time, a.end_time)) from shift_exception a
        where a.organization_id = p.organization_id and a.practitioner_id = p.practitioner_id
          and a.kind = 'absence' and coalesce(a.clinic_id, w.clinic_id) = w.clinic_id
          and a.start_time < span.last and a.end_time > span.first
    ), '{}')) * tstzmultirange(tstzrange(
        null, (least(p.leave_date, p.credential_expire_date) + 1)::timestamp at time zone c.time_zone)) as periods
    from span, worked w join place c using (clinic_id) join practitioner p using (organization_id, practitioner_id)
    where p.supervision_ratio > 0 and :protocol_code = any (p.protocol_codes)
),
lapsed as materialized (
    select session_id from asked, session where state = 'held' and live and hold_expire_time <= after
),
at_ratio as materialized (
    select p.practitioner_id, case
        when not exists (
            select from supervision v
            where v.organization_id = p.organization_id and v.practitioner_id = p.practitioner_id and v.live
              and v.lane > p.supervision_ratio and v.start_time > span.first and v.start_time < span.last)
        then (
            select range_intersect_agg(lane.taken)
            from generate_series(1, p.supervision_ratio) as number, lateral (
                select coalesce(range_agg(tstzrange(v.start_time, v.end_time)), '{}') as taken from supervision v
                where v.organization_id = p.organization_id and v.practitioner_id = p.practitioner_id and v.live
                  and v.lane = number and v.start_time > span.first and v.start_time < span.last
                  and v.session_id not in (select session_id from lapsed)
            ) as lane)
        else (
            select range_agg(tstzrange(at, until)) filter (where sessions >= p.supervision_ratio)
            from (
                select at, lead(at) over (order by at) as until, sum(sum(change)) over (order by at) as sessions
                from supervision v, lateral (values (v.start_time, 1), (v.end_time, -1)) as e (at, change)
                where v.organization_id = p.organization_id and v.practitioner_id = p.practitioner_id and v.live
                  and v.start_time > span.first and v.start_time < span.last
                  and v.session_id not in (select session_id from lapsed)
                group by at
            ) as step)
        end as periods
    from span, (select distinct organization_id, practitioner_id, supervision_ratio from on_duty) as p
),
supervised as materialized (
    select o.clinic_id, o.practitioner_id, attended.arrivals as attended, attended.arrivals - (
        select coalesce(range_agg(tstzrange(lower(taken) - attendance, upper(taken), '()')), '{}')
        from unnest(r.periods) as taken
    ) as arrivals
    from asked, on_duty o join ahead a using (clinic_id) join at_ratio r using (practitioner_id), lateral (
        select a.arrivals * coalesce(range_agg(tstzrange(lower(period), upper(period) - attendance, '[]')), '{}')
                   as arrivals
        from unnest(o.periods) as period where lower(period) + attendance <= upper(period)
    ) as attended
),
"""

# Those of the clinic's free arrivals at which a slot can start: `room` in any room, `attended` by anybody on shift,
# `supervised` by anybody below their ratio, and these together; `preferred` are those of the preferred supervisor.
_TOGETHER = """
free as materialized (
    select p.clinic_id, with_quarter(r.arrivals) as room, with_quarter(s.attended) as attended,
           with_quarter(s.arrivals) as supervised, with_quarter(s.attended * r.arrivals) as attended_in_room,
           with_quarter(s.arrivals * r.arrivals) as arrivals, s.preferred
    from place p, lateral (
        select coalesce(range_agg(f.arrivals), '{}') as arrivals from room_free f where f.clinic_id = p.clinic_id
    ) as r, lateral (
        select coalesce(range_agg(v.attended), '{}') as attended, coalesce(range_agg(v.arrivals), '{}') as arrivals,
               coalesce(range_agg(v.arrivals) filter (where v.practitioner_id = cast(:preferred as uuid)), '{}')
                   as preferred
        from supervised v where v.clinic_id = p.clinic_id
    ) as s
),
"""

# Slots are taken from stretches of arrivals until there are enough: `before` is how many there surely are before one.
_SLOTS = """
stretch as materialized (
    select p.clinic_id, p.clinic_rank, p.time_zone, c.preferred, unbroken, first
    from asked, free f join place p using (clinic_id),
         lateral (values (true, f.arrivals * f.preferred), (false, f.arrivals - f.preferred)) as c (preferred, every),
         unnest(c.every) as unbroken,
         lateral (select case when c.preferred = last_preferred then greatest(first_quarter(unbroken), last_start)
                              else first_quarter(unbroken) end as first) as s
    where first <@ unbroken and (first at time zone p.time_zone)::date <> all (excluded_dates)
      and (last_preferred is null or c.preferred <= last_preferred)
),
counted as (
    select s.*, sum(quarters) over (partition by clinic_id, preferred order by first) - quarters as before
    from stretch s, lateral (
        select greatest(1, floor(extract(epoch from upper(unbroken) - first) / 900)) as quarters) as q
),
start as materialized (
    select clinic_id, clinic_rank, time_zone, preferred, at
    from asked, counted c, generate_series(first, upper(unbroken), '15 minutes') as at
    where c.before <= :limit and at <@ unbroken
      and (last_preferred is null
           or (not preferred, at, clinic_rank) > (not last_preferred, last_start, last_rank))
    order by not preferred, at, clinic_rank
    limit :limit
),
offered as (
    select distinct p.clinic_id, (lower(unbroken) at time zone p.time_zone)::date as day
    from place p join free f using (clinic_id), unnest(f.arrivals) as unbroken
)
"""

_ANSWER = """
select s.at, s.preferred, s.clinic_rank, s.clinic_id, s.time_zone, (
           select v.practitioner_id from supervised v
           where v.clinic_id = s.clinic_id and v.arrivals @> s.at
             and (not s.preferred or v.practitioner_id = cast(:preferred as uuid))
           order by v.practitioner_id limit 1
       ) as supervisor_id, (
           select r.room_id from room_free r where r.clinic_id = s.clinic_id and r.arrivals @> s.at
           order by r.title, r.room_id limit 1
       ) as room_id,
       null::date as day, null::boolean as closed, null::boolean as outside_hours, null::boolean as past,
       null::boolean as no_room, null::boolean as no_supervisor, null::boolean as at_ratio,
       null::boolean as no_supervisor_with_room
from start s
union all
select null, null, d.clinic_rank, d.clinic_id, null, null, null, d.day, d.closed,
       isempty(with_quarter(d.wanted)), isempty(with_quarter(d.wanted * a.arrivals)),
       isempty(f.room * d.wanted), isempty(f.attended * d.wanted), isempty(f.supervised * d.wanted),
       isempty(f.attended_in_room * d.wanted)
from day d join ahead a using (clinic_id) join free f using (clinic_id)
where (d.clinic_id, d.day) not in (select clinic_id, day from offered)
union all
select null, null, null, unknown, null, null, null, null, null, null, null, null, null, null, null
from asked, unnest(clinic_ids) as unknown
where unknown not in (select clinic_id from place)
order by 2 desc nulls last, 1, 3, 8
"""

FIND_FREE_TIME = text(_HOURS + _ROOMS + _SUPERVISORS + _TOGETHER + _SLOTS + _ANSWER)
"""Rows with `at` are slots in their order, at most :limit; rows with `day` are dates without one, with what they lack.

A row with neither is a clinic that is not known.
"""
