"""Sessions that could not be booked as they stand, or go on so, computed by PostgreSQL from the roster as it is."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Text, Uuid, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.stranded import NeededHandOver, StrandedSession
from services.scheduler.ports.availability import StrandedFilter
from services.scheduler.ports.paging import Listing, Page
from services.scheduler.storage.statements import listing
from services.scheduler.storage.tables.base import INSTANT

# What a booking of the session as it stands would meet today, but for what sessions take from each other: the
# constraints keep that. When somebody is on shift is computed once for each date, not for each session. A supervisor's
# lane is looked at only where it is past their ratio. Of a session that has begun the supervision alone matters that is
# still to come: it is where it is, and no closure sends the patient away.
_STRANDED = (
    text(
        """
    with due as materialized (
        select s.*, s.state in ('checked_in', 'in_progress') as begun from session s
        where s.live and s.state in ('booked', 'held', 'checked_in', 'in_progress') and s.end_time > :now
          and s.start_time > cast(:now as timestamptz) - interval '1 day'
          and (cast(:clinic_id as uuid) is null or s.clinic_id = :clinic_id)
          and (cast(:practitioner_id as uuid) is null or s.session_id in (
              select v.session_id from supervision v where v.practitioner_id = :practitioner_id and v.live))
          and (cast(:closure_id as uuid) is null or s.state in ('booked', 'held') and exists (
              select from closure k
              where k.closure_id = :closure_id and k.clinic_id = s.clinic_id and k.end_time > s.start_time
                and (k.room_id is null and k.start_time < s.end_time
                     or k.room_id = s.room_id and k.start_time < s.release_time)))
    ),
    supervised as materialized (
        select v.*, s.clinic_id, s.local_date, s.protocol_id,
               greatest(v.start_time, case when s.begun then cast(:now as timestamptz) end) as since
        from due s join supervision v using (organization_id, session_id)
        where v.live and (v.end_time > :now or not s.begun)
    ),
    duty as materialized (
        select organization_id, practitioner_id, protocol_id, clinic_id, local_date,
               on_shift(organization_id, practitioner_id, clinic_id, local_date) as periods,
               array_agg(session_id) as sessions, array_agg(since) as starts, array_agg(end_time) as ends
        from supervised group by organization_id, practitioner_id, protocol_id, clinic_id, local_date
    ),
    unsupervised as materialized (
        select v.session_id, min(
            case when w.credential_expire_date < d.local_date or p.code <> all (w.protocol_codes) then v.since
                 else lower(tstzmultirange(tstzrange(v.since, v.end_time)) - d.periods) end) as since
        from duty d join practitioner w using (organization_id, practitioner_id)
             join protocol p using (organization_id, protocol_id),
             unnest(d.sessions, d.starts, d.ends) as v (session_id, since, end_time)
        where w.credential_expire_date < d.local_date or p.code <> all (w.protocol_codes)
           or not d.periods @> tstzrange(v.since, v.end_time)
        group by v.session_id
    ),
    over_ratio as materialized (
        select v.session_id from supervised v join practitioner w using (organization_id, practitioner_id)
        where v.lane > w.supervision_ratio and w.supervision_ratio < (
            select count(*) from supervision u
            where u.organization_id = v.organization_id and u.practitioner_id = v.practitioner_id and u.live
              and u.start_time < v.end_time and u.end_time > v.start_time
              and u.start_time > v.start_time - interval '1 day')
    )
    select s.session_id, s.patient_id, s.clinic_id, s.room_id, s.time_zone, s.start_time, s.end_time, r.reasons,
           case when s.begun then u.since end as hand_over_time
    from due s left join unsupervised u using (session_id) cross join lateral (
        select coalesce(bool_or(true), false) as has_hours,
               coalesce(bool_or(local_range(s.local_date, o.open_time, o.close_time, s.time_zone)
                                @> tstzrange(s.start_time, s.end_time)), false) as within_hours
        from opening_hours o
        where o.organization_id = s.organization_id and o.clinic_id = s.clinic_id
          and o.weekday = extract(isodow from s.local_date)
    ) h cross join lateral (
        select coalesce(bool_or(k.room_id is null and k.start_time < s.end_time), false) as clinic,
               coalesce(bool_or(k.room_id = s.room_id), false) as room
        from closure k
        where k.organization_id = s.organization_id and k.clinic_id = s.clinic_id
          and k.start_time < s.release_time and k.end_time > s.start_time
    ) c join course e using (organization_id, course_id)
    join patient a on (a.organization_id, a.patient_id) = (s.organization_id, s.patient_id)
    join protocol q on (q.organization_id, q.protocol_id) = (s.organization_id, s.protocol_id)
    cross join lateral (
        select array_remove(array[
            case when not s.begun and e.consent_expire_date < s.local_date then 'CONSENT_MISSING' end,
            case when not s.begun
                  and extract(year from age(cast(s.local_date as timestamp), cast(a.birth_date as timestamp)))
                      < cast(q.limits -> 'age.minimum' ->> 'value' as numeric) then 'UNDER_AGE' end,
            case when not s.begun and (c.clinic or not h.has_hours) then 'CLINIC_CLOSED' end,
            case when not s.begun and h.has_hours and not h.within_hours then 'OUTSIDE_HOURS' end,
            case when not s.begun and c.room then 'ROOM_BUSY' end,
            case when u.since is not null then 'NO_SUPERVISOR' end,
            case when not s.begun and s.session_id in (select session_id from over_ratio) then 'SUPERVISION_RATIO' end,
            case when not s.begun and s.too_early then 'CADENCE' end], null) as reasons
    ) r
    """
    )
    .columns(
        session_id=Uuid,
        patient_id=Uuid,
        clinic_id=Uuid,
        room_id=Uuid,
        time_zone=Text,
        start_time=INSTANT,
        end_time=INSTANT,
        reasons=ARRAY(Text),
        hand_over_time=INSTANT,
    )
    .subquery("stranded")
)
_KEY: Any = (_STRANDED.c.start_time, _STRANDED.c.session_id)


class PostgresStrandedSessions:
    """`StrandedSessions` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def page(self, page: Page, wanted: StrandedFilter, now: datetime) -> Listing[StrandedSession]:
        """See the port."""
        return await listing(self._connection, _asked(wanted, now), _KEY, page, _stranded)

    async def every(self, wanted: StrandedFilter, now: datetime) -> tuple[StrandedSession, ...]:
        """See the port."""
        found = await self._connection.execute(_asked(wanted, now).order_by(*_KEY))
        return tuple(_stranded(row) for row in found)


def _asked(wanted: StrandedFilter, now: datetime) -> Select[Any]:
    return (
        select(_STRANDED)
        .where(_STRANDED.c.reasons != [])
        .params(
            now=now,
            clinic_id=wanted.clinic_id,
            practitioner_id=wanted.practitioner_id,
            closure_id=wanted.closure_id,
        )
    )


def _stranded(row: Row[Any]) -> StrandedSession:
    return StrandedSession(
        session_id=row.session_id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        room_id=row.room_id,
        time_zone=row.time_zone,
        interval=Interval(row.start_time, row.end_time),
        reasons=tuple(BlockerCode(code) for code in row.reasons),
        hand_over=NeededHandOver(row.hand_over_time) if row.hand_over_time else None,
    )
