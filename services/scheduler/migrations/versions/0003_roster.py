"""Closures, exceptions of shifts, practitioners who leave."""

from services.runtime.migration_steps import execute, grant, row_level_security

revision = "0003"
down_revision = "0002"

_TABLES = """
alter table practitioner add column leave_date date;
create table closure (
    organization_id uuid not null, closure_id uuid not null, clinic_id uuid not null, room_id uuid,
    start_time timestamptz not null, end_time timestamptz not null, reason text not null,
    create_time timestamptz not null,
    primary key (organization_id, closure_id),
    foreign key (organization_id, clinic_id) references clinic,
    foreign key (organization_id, room_id, clinic_id) references room (organization_id, room_id, clinic_id),
    constraint closure_order check (start_time < end_time));
create index closure_by_clinic on closure (organization_id, clinic_id, start_time);
create table shift_exception (
    organization_id uuid not null, shift_exception_id uuid not null, practitioner_id uuid not null, clinic_id uuid,
    kind text not null, time_zone text not null, start_time timestamptz not null, end_time timestamptz not null,
    create_time timestamptz not null,
    primary key (organization_id, shift_exception_id),
    foreign key (organization_id, practitioner_id) references practitioner,
    foreign key (organization_id, clinic_id) references clinic,
    constraint shift_exception_order check (start_time < end_time),
    constraint shift_exception_kind check (kind in ('absence', 'extra')),
    -- Whoever works works somewhere; only an absence can be everywhere.
    constraint shift_exception_place check (kind = 'absence' or clinic_id is not null));
create index shift_exception_by_practitioner on shift_exception (organization_id, practitioner_id, start_time);
"""

# Weekly shifts and extra ones, less absences, and nothing after the last date on which the practitioner works.
_ON_SHIFT = """
create or replace function on_shift(organization uuid, whom uuid, at_clinic uuid, day date) returns tstzmultirange
    language sql stable parallel safe
    return coalesce((
        select (coalesce((select range_agg(local_range(day, s.start_time, s.end_time, c.time_zone))
                          from shift s
                          where s.organization_id = organization and s.practitioner_id = whom
                            and s.clinic_id = at_clinic and s.weekday = extract(isodow from day)
                            and day between coalesce(s.effective_start_date, day)
                                        and coalesce(s.effective_end_date, day)), '{}')
                + coalesce((select range_agg(tstzrange(e.start_time, e.end_time))
                            from shift_exception e
                            where e.organization_id = organization and e.practitioner_id = whom
                              and e.kind = 'extra' and e.clinic_id = at_clinic
                              and e.start_time < (day + 1)::timestamp at time zone c.time_zone
                              and e.end_time > day::timestamp at time zone c.time_zone), '{}')
                - coalesce((select range_agg(tstzrange(a.start_time, a.end_time))
                            from shift_exception a
                            where a.organization_id = organization and a.practitioner_id = whom
                              and a.kind = 'absence' and coalesce(a.clinic_id, at_clinic) = at_clinic
                              and a.start_time < (day + 2)::timestamp at time zone c.time_zone
                              and a.end_time > day::timestamp at time zone c.time_zone), '{}'))
               * tstzmultirange(tstzrange(null, (p.leave_date + 1)::timestamp at time zone c.time_zone))
        from clinic c join practitioner p on p.organization_id = c.organization_id
        where c.organization_id = organization and c.clinic_id = at_clinic and p.practitioner_id = whom), '{}');
"""

# A booking looks at closures under a lock that whoever closes the clinic waits for: none can miss the other.
_CLOSURE_TRIGGERS = """
create function refuse_closed() returns trigger language plpgsql as $$
begin
    perform from clinic c
        where c.organization_id = new.organization_id and c.clinic_id = new.clinic_id for share;
    if exists (
        select from closure k
        where k.organization_id = new.organization_id and k.clinic_id = new.clinic_id
          and (k.room_id is null and k.start_time < new.end_time or k.room_id = new.room_id
               and k.start_time < new.release_time)
          and k.end_time > new.start_time) then
        raise exception 'closed at that time' using errcode = 'check_violation', constraint = 'session_closure';
    end if;
    return null;
end $$;
create trigger not_closed after insert on session
    for each row when (new.live) execute function refuse_closed();
-- A session that runs over is a fact: only where it begins, and in which room, is looked at.
create trigger not_closed_moved after update on session
    for each row when (new.live and (new.start_time <> old.start_time or new.clinic_id <> old.clinic_id
                       or new.room_id <> old.room_id or not old.live))
    execute function refuse_closed();
"""


def upgrade() -> None:
    """Let a clinic or a room be closed, and a practitioner be absent, work more, or leave."""
    for script in (_TABLES, _ON_SHIFT, _CLOSURE_TRIGGERS):
        execute(script)
    for table in ("closure", "shift_exception"):
        row_level_security(table)
        grant(table, "select, insert, delete")
    grant("shift", "update")
