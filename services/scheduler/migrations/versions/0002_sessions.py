"""States of sessions, holds, hand-overs."""

from services.runtime.migration_steps import execute, grant

revision = "0002"
down_revision = "0001"

# A generated column's expression cannot be changed, so `live` is made anew under its name, with all that stands on it.
_DROP_LIVE = """
drop trigger dose_interval on session;
drop trigger dose_interval_moved on session;
alter table supervision drop constraint supervision_organization_id_session_id_live_fkey;
alter table session
    drop constraint session_cadence, drop constraint session_patient, drop constraint session_room,
    drop constraint session_live, drop constraint session_state;
drop index session_place;
alter table session drop column live;
"""

# `live` occupies patient, room and supervisor; `counted` occupies a place in the course.
_STATES = """
alter table session
    add column hold_expire_time timestamptz,
    add column no_show_counts boolean not null default false,
    add column live boolean not null generated always as
        (state in ('held', 'booked', 'checked_in', 'in_progress', 'fulfilled')) stored,
    add column counted boolean not null generated always as
        (state in ('held', 'booked', 'checked_in', 'in_progress', 'fulfilled')
         or (state = 'no_show' and no_show_counts)) stored,
    add constraint session_state check (state in ('held', 'booked', 'checked_in', 'in_progress', 'fulfilled',
                                                  'cancelled', 'no_show', 'entered_in_error')),
    add constraint session_hold check (state <> 'held' or hold_expire_time is not null),
    add constraint session_live unique (organization_id, session_id, live),
    add constraint session_cadence exclude using gist (
        uuidrange(patient_id, patient_id, '[]') with &&,
        daterange(local_date, local_date + interval_days) with &&) where (live),
    add constraint session_patient exclude using gist (
        uuidrange(patient_id, patient_id, '[]') with &&,
        tstzrange(start_time, end_time) with &&) where (live),
    add constraint session_room exclude using gist (
        uuidrange(room_id, room_id, '[]') with &&,
        tstzrange(start_time, release_time) with &&) where (live);
create unique index session_place on session (organization_id, course_id, place) where counted;
create index session_held on session (organization_id, hold_expire_time) where state = 'held';
create index session_expected on session (organization_id, start_time) where state = 'booked';
alter table supervision
    add constraint supervision_organization_id_session_id_live_fkey foreign key (organization_id, session_id, live)
        references session (organization_id, session_id, live) on update cascade;
create trigger dose_interval after insert on session
    for each row when (new.live) execute function require_dose_interval();
create trigger dose_interval_moved after update on session
    for each row when (new.live and (new.local_date <> old.local_date or new.patient_id <> old.patient_id
                       or not old.live or (old.too_early and not new.too_early)
                       or (new.state = 'booked' and old.state = 'held')
                       or (new.state = 'checked_in' and old.state <> 'checked_in')))
    execute function require_dose_interval();
"""

# Whether a no-show counts is the protocol's to say, whoever writes the session.
_NO_SHOWS = """
create function take_no_show_counts() returns trigger language plpgsql as $$
begin
    select p.no_show_counts into new.no_show_counts from protocol p
        where p.organization_id = new.organization_id and p.protocol_id = new.protocol_id;
    return new;
end $$;
create trigger no_show_counts before insert or update of protocol_id, no_show_counts on session
    for each row execute function take_no_show_counts();
"""

# A removed period of supervision leaves a gap as much as a changed one does.
_SUPERVISED = """
create or replace function require_supervision() returns trigger language plpgsql as $$
declare
    changed record := case when tg_op = 'DELETE' then old else new end;
    whole tstzmultirange;
    supervised tstzmultirange;
    planned interval;
    attended interval;
begin
    select tstzmultirange(tstzrange(s.start_time, s.end_time)), s.end_time - s.start_time into whole, planned
        from session s
        where s.organization_id = changed.organization_id and s.session_id = changed.session_id and s.live;
    select range_agg(tstzrange(v.start_time, v.end_time)), sum(v.end_time - v.start_time) into supervised, attended
        from supervision v
        where v.organization_id = changed.organization_id and v.session_id = changed.session_id and v.live;
    if whole is distinct from supervised or planned is distinct from attended then
        raise exception 'not supervised by one clinician at a time from arrival to discharge'
            using errcode = 'check_violation', constraint = 'session_supervised';
    end if;
    return null;
end $$;
create constraint trigger supervised_still after delete on supervision
    deferrable initially deferred for each row execute function require_supervision();
alter table supervision add constraint supervision_order check (start_time < end_time);
"""

# Whoever is absent, or over a ratio that was lowered, may still hand over what is left. Lanes within the ratio keep it
# by themselves; where a session stands in a lane beyond it, sessions are counted, one writer after the other.
_CUT_SHORT = """
create or replace function require_qualified_supervisor() returns trigger language plpgsql as $$
declare
    whom practitioner;
    supervised session;
begin
    if tg_op = 'UPDATE' and (new.practitioner_id, new.lane) = (old.practitioner_id, old.lane)
            and new.start_time >= old.start_time and new.end_time <= old.end_time then
        return null;
    end if;
    select * into whom from practitioner p
        where p.organization_id = new.organization_id and p.practitioner_id = new.practitioner_id for share;
    if new.lane > whom.supervision_ratio then
        raise exception 'over the ratio' using errcode = 'check_violation', constraint = 'supervision_ratio';
    end if;
    if tg_op = 'UPDATE' and (new.practitioner_id, new.start_time, new.end_time)
            = (old.practitioner_id, old.start_time, old.end_time) then
        return null;
    end if;
    if exists (
        select from supervision v
        where v.organization_id = new.organization_id and v.practitioner_id = new.practitioner_id and v.live
          and v.lane > whom.supervision_ratio
          and v.start_time < new.end_time and v.end_time > new.start_time) then
        perform from practitioner p
            where p.organization_id = new.organization_id and p.practitioner_id = new.practitioner_id for no key update;
        if exists (
            select from supervision m
            where m.organization_id = new.organization_id and m.practitioner_id = new.practitioner_id and m.live
              and m.start_time < new.end_time and m.end_time > new.start_time
              and whom.supervision_ratio < (
                  select count(*) from supervision v
                  where v.organization_id = new.organization_id and v.practitioner_id = new.practitioner_id and v.live
                    and v.start_time <= greatest(m.start_time, new.start_time)
                    and v.end_time > greatest(m.start_time, new.start_time))) then
            raise exception 'over the ratio' using errcode = 'check_violation', constraint = 'supervision_ratio';
        end if;
    end if;
    select * into supervised from session s
        where s.organization_id = new.organization_id and s.session_id = new.session_id;
    if whom.credential_expire_date < supervised.local_date
        or not exists (select from protocol p where p.organization_id = new.organization_id
                       and p.protocol_id = supervised.protocol_id and p.code = any (whom.protocol_codes))
        or not on_shift(new.organization_id, new.practitioner_id, supervised.clinic_id, supervised.local_date)
               @> tstzrange(new.start_time, new.end_time) then
        raise exception 'not qualified' using errcode = 'check_violation', constraint = 'supervision_qualified';
    end if;
    return null;
end $$;
"""

# Foreign keys are checked as the owner, from whom row-level security hides every row while it is forced.
_SHOW = """
alter table session no force row level security;
alter table supervision no force row level security;
"""
_HIDE = """
alter table session force row level security;
alter table supervision force row level security;
"""


def upgrade() -> None:
    """Add the states held, no_show and entered_in_error, and let supervision be handed over."""
    for script in (_SHOW, _DROP_LIVE, _STATES, _NO_SHOWS, _SUPERVISED, _CUT_SHORT, _HIDE):
        execute(script)
    grant("supervision", "delete")
