"""Roster, protocols, courses, sessions, supervision and doses, with the promises of the scheduler as constraints."""

from services.runtime.migration_steps import (
    append_only,
    create_runtime_tables_v1,
    execute,
    grant,
    row_level_security,
)

revision = "0001"
down_revision = None

# No extension: an exclusion over a uuid needs a range type of our own.
_TYPES_AND_FUNCTIONS = """
create type uuidrange as range (subtype = uuid);

-- Hours of one date on a zone's clock as instants. Where the clock jumps over them, the range is empty.
create function local_range(day date, first time, last time, zone text) returns tstzrange
    language sql immutable parallel safe
    return tstzrange((day + first) at time zone zone,
                     greatest((day + first) at time zone zone, (day + last) at time zone zone));
"""

_ROSTER = """
create table clinic (
    organization_id uuid not null, clinic_id uuid not null,
    identifier_system text not null, identifier_value text not null,
    title text not null, time_zone text not null,
    create_time timestamptz not null,
    primary key (organization_id, clinic_id),
    constraint clinic_identifier unique (organization_id, identifier_system, identifier_value),
    constraint clinic_zone unique (organization_id, clinic_id, time_zone));
create table opening_hours (
    organization_id uuid not null, clinic_id uuid not null, weekday smallint not null,
    open_time time not null, close_time time not null,
    primary key (organization_id, clinic_id, weekday, open_time),
    foreign key (organization_id, clinic_id) references clinic,
    constraint opening_hours_order check (open_time < close_time and weekday between 1 and 7));
create table room (
    organization_id uuid not null, room_id uuid not null,
    identifier_system text not null, identifier_value text not null,
    clinic_id uuid not null, title text not null,
    create_time timestamptz not null,
    primary key (organization_id, room_id),
    foreign key (organization_id, clinic_id) references clinic,
    constraint room_identifier unique (organization_id, identifier_system, identifier_value),
    constraint room_of_clinic unique (organization_id, room_id, clinic_id));
create index room_by_clinic on room (organization_id, clinic_id, title, room_id);
create table practitioner (
    organization_id uuid not null, practitioner_id uuid not null,
    identifier_system text not null, identifier_value text not null,
    printed_name text not null, credential text not null, credential_expire_date date,
    supervision_ratio integer not null, protocol_codes text[] not null, subject text,
    create_time timestamptz not null,
    primary key (organization_id, practitioner_id),
    constraint practitioner_identifier unique (organization_id, identifier_system, identifier_value),
    -- Checked when the statement ends, so that an import can exchange subjects.
    constraint practitioner_subject unique (organization_id, subject) deferrable initially immediate,
    constraint practitioner_ratio check (supervision_ratio >= 0));
create table shift (
    organization_id uuid not null, shift_id uuid not null, practitioner_id uuid not null, clinic_id uuid not null,
    weekday smallint not null, start_time time not null, end_time time not null,
    effective_start_date date, effective_end_date date,
    primary key (organization_id, shift_id),
    foreign key (organization_id, practitioner_id) references practitioner,
    foreign key (organization_id, clinic_id) references clinic,
    constraint shift_order check (start_time < end_time and weekday between 1 and 7));
create index shift_by_practitioner on shift (organization_id, practitioner_id, weekday, start_time, shift_id);
create index shift_by_clinic on shift (organization_id, clinic_id, weekday);
create table patient (
    organization_id uuid not null, patient_id uuid not null,
    identifier_system text not null, identifier_value text not null,
    time_zone text not null, birth_date date not null, clinic_id uuid,
    create_time timestamptz not null,
    primary key (organization_id, patient_id),
    foreign key (organization_id, clinic_id) references clinic,
    constraint patient_identifier unique (organization_id, identifier_system, identifier_value));
create index patient_by_clinic on patient (organization_id, clinic_id, patient_id);

-- When a practitioner is on shift at a clinic on one date; shifts that touch are one.
create function on_shift(organization uuid, whom uuid, at_clinic uuid, day date) returns tstzmultirange
    language sql stable parallel safe
    return (select coalesce(range_agg(local_range(day, s.start_time, s.end_time, c.time_zone)), '{}')
            from shift s join clinic c using (organization_id, clinic_id)
            where s.organization_id = organization and s.practitioner_id = whom and s.clinic_id = at_clinic
              and s.weekday = extract(isodow from day)
              and day between coalesce(s.effective_start_date, day) and coalesce(s.effective_end_date, day));
"""

# The composite keys carry what a promise rests on down to the session, so that no statement can claim otherwise.
_COURSES = """
create table protocol (
    organization_id uuid not null, protocol_id uuid not null, code text not null, version integer not null,
    title text not null, substance text not null, route text not null, limits jsonb not null,
    no_show_counts boolean not null, interval_days integer not null, session_cap integer not null,
    create_time timestamptz not null,
    primary key (organization_id, protocol_id),
    constraint protocol_version unique (organization_id, code, version),
    constraint protocol_pinned unique (organization_id, protocol_id, code, interval_days, session_cap),
    constraint protocol_minimum_interval check (interval_days >= 7),
    constraint protocol_session_cap check (session_cap >= 1));
create table course (
    organization_id uuid not null, course_id uuid not null, patient_id uuid not null, protocol_id uuid not null,
    protocol_code text not null, interval_days integer not null, session_cap integer not null, state text not null,
    contraindications text[] not null, prior_treatment_trials integer not null,
    consent_reference text not null, consent_expire_date date not null,
    enroller jsonb not null, reviewer jsonb, review_reason text not null,
    revision integer not null default 1, create_time timestamptz not null,
    primary key (organization_id, course_id),
    foreign key (organization_id, patient_id) references patient,
    foreign key (organization_id, protocol_id, protocol_code, interval_days, session_cap)
        references protocol (organization_id, protocol_id, code, interval_days, session_cap),
    constraint course_pinned unique
        (organization_id, course_id, patient_id, protocol_id, interval_days, session_cap),
    constraint course_state check (state in ('draft', 'active', 'revoked')),
    constraint course_reviewed check ((state = 'draft') = (reviewer is null)));
create unique index course_open on course (organization_id, patient_id, protocol_code)
    where state in ('draft', 'active');
create index course_by_patient on course (organization_id, patient_id, course_id);
"""

_SESSIONS = """
create table session (
    organization_id uuid not null, session_id uuid not null, course_id uuid not null, patient_id uuid not null,
    protocol_id uuid not null, interval_days integer not null, session_cap integer not null,
    clinic_id uuid not null, room_id uuid not null, time_zone text not null,
    start_time timestamptz not null, dose_time timestamptz not null,
    end_time timestamptz not null, release_time timestamptz not null,
    local_date date not null generated always as ((start_time at time zone time_zone)::date) stored,
    place integer not null, state text not null,
    live boolean not null generated always as (state <> 'cancelled') stored,
    too_early boolean not null default false, revision integer not null default 1, version integer not null default 1,
    confirm_time timestamptz, check_in_time timestamptz, cancel_reason text not null default '',
    create_time timestamptz not null, update_time timestamptz not null,
    primary key (organization_id, session_id),
    foreign key (organization_id, course_id, patient_id, protocol_id, interval_days, session_cap)
        references course (organization_id, course_id, patient_id, protocol_id, interval_days, session_cap),
    foreign key (organization_id, room_id, clinic_id) references room (organization_id, room_id, clinic_id),
    foreign key (organization_id, clinic_id, time_zone) references clinic (organization_id, clinic_id, time_zone),
    constraint session_live unique (organization_id, session_id, live),
    constraint session_of_patient unique (organization_id, session_id, patient_id),
    constraint session_state check (state in ('booked', 'checked_in', 'in_progress', 'fulfilled', 'cancelled')),
    constraint session_phases check
        (start_time <= dose_time and dose_time < end_time and end_time <= release_time),
    constraint session_course_cap check (place between 1 and session_cap),
    constraint session_cadence exclude using gist (
        uuidrange(patient_id, patient_id, '[]') with &&,
        daterange(local_date, local_date + interval_days) with &&) where (live),
    constraint session_patient exclude using gist (
        uuidrange(patient_id, patient_id, '[]') with &&,
        tstzrange(start_time, end_time) with &&) where (live),
    constraint session_room exclude using gist (
        uuidrange(room_id, room_id, '[]') with &&,
        tstzrange(start_time, release_time) with &&) where (live));
create unique index session_place on session (organization_id, course_id, place) where live;
create index session_by_start on session (organization_id, start_time, session_id);
create index session_by_clinic on session (organization_id, clinic_id, start_time, session_id);
create index session_by_patient on session (organization_id, patient_id, start_time, session_id);
create table supervision (
    organization_id uuid not null, session_id uuid not null, start_time timestamptz not null,
    end_time timestamptz not null, practitioner_id uuid not null, lane integer not null, live boolean not null,
    primary key (organization_id, session_id, start_time),
    -- Cancelling a session frees its supervisors.
    foreign key (organization_id, session_id, live)
        references session (organization_id, session_id, live) on update cascade,
    foreign key (organization_id, practitioner_id) references practitioner,
    constraint supervision_lane check (lane >= 1),
    -- Checked when the statement ends, so that one statement can deal lanes out anew.
    constraint supervision_ratio exclude using gist (
        uuidrange(practitioner_id, practitioner_id, '[]') with &&,
        int4range(lane, lane, '[]') with &&,
        tstzrange(start_time, end_time) with &&) where (live) deferrable initially immediate);
create index supervision_by_practitioner on supervision (organization_id, practitioner_id, start_time);
create table dose (
    organization_id uuid not null, administration_id uuid not null, session_id uuid not null, patient_id uuid not null,
    dose_time timestamptz not null, dose_date date not null, interval_days integer not null,
    primary key (organization_id, administration_id),
    foreign key (organization_id, session_id, patient_id)
        references session (organization_id, session_id, patient_id),
    constraint dose_minimum_interval check (interval_days >= 7));
create index dose_by_patient on dose (organization_id, patient_id, dose_date);
"""

# A supervisor is looked at under a lock that an import of their shifts waits for.
_SUPERVISION_TRIGGERS = """
create function require_qualified_supervisor() returns trigger language plpgsql as $$
declare
    whom practitioner;
    supervised session;
begin
    select * into whom from practitioner p
        where p.organization_id = new.organization_id and p.practitioner_id = new.practitioner_id for share;
    if new.lane > whom.supervision_ratio then
        raise exception 'over the ratio' using errcode = 'check_violation', constraint = 'supervision_ratio';
    end if;
    if tg_op = 'UPDATE' and (new.practitioner_id, new.start_time, new.end_time)
            = (old.practitioner_id, old.start_time, old.end_time) then
        return null;
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
create trigger qualified_supervisor
    after insert or update of practitioner_id, start_time, end_time, lane on supervision
    for each row execute function require_qualified_supervisor();
create function require_supervision() returns trigger language plpgsql as $$
declare
    whole tstzmultirange;
    supervised tstzmultirange;
begin
    select tstzmultirange(tstzrange(s.start_time, s.end_time)) into whole from session s
        where s.organization_id = new.organization_id and s.session_id = new.session_id and s.live;
    select range_agg(tstzrange(v.start_time, v.end_time)) into supervised from supervision v
        where v.organization_id = new.organization_id and v.session_id = new.session_id and v.live;
    if whole is distinct from supervised then
        raise exception 'not supervised from arrival to discharge'
            using errcode = 'check_violation', constraint = 'session_supervised';
    end if;
    return null;
end $$;
create constraint trigger supervised after insert or update of start_time, end_time, state on session
    deferrable initially deferred for each row execute function require_supervision();
create constraint trigger supervised after insert or update of start_time, end_time, session_id on supervision
    deferrable initially deferred for each row execute function require_supervision();
"""

# A booking and a dose of one patient wait for each other at the patient's row: none can miss the other.
_DOSE_TRIGGERS = """
create function require_dose_interval() returns trigger language plpgsql as $$
begin
    perform from patient p
        where p.organization_id = new.organization_id and p.patient_id = new.patient_id for no key update;
    if new.too_early or exists (
        select from dose d
        where d.organization_id = new.organization_id and d.patient_id = new.patient_id
          and d.session_id <> new.session_id
          and new.local_date >= d.dose_date and new.local_date < d.dose_date + d.interval_days) then
        raise exception 'too early after a dose'
            using errcode = 'exclusion_violation', constraint = 'session_dose_anchor';
    end if;
    return null;
end $$;
create trigger dose_interval after insert on session
    for each row when (new.live) execute function require_dose_interval();
create trigger dose_interval_moved after update on session
    for each row when (new.live and (new.local_date <> old.local_date or new.patient_id <> old.patient_id
                       or not old.live or (old.too_early and not new.too_early)))
    execute function require_dose_interval();
create function flag_early_sessions() returns trigger language plpgsql as $$
begin
    perform from patient p
        where p.organization_id = new.organization_id and p.patient_id = new.patient_id for no key update;
    with judged as (
        select s.session_id, exists (
            select from dose d
            where d.organization_id = s.organization_id and d.patient_id = s.patient_id
              and d.session_id <> s.session_id
              and s.local_date >= d.dose_date and s.local_date < d.dose_date + d.interval_days) as too_early
        from session s
        where s.organization_id = new.organization_id and s.patient_id = new.patient_id
          and s.session_id <> new.session_id and s.state in ('booked', 'checked_in'))
    update session s set too_early = judged.too_early, version = s.version + 1
        from judged
        where s.organization_id = new.organization_id and s.session_id = judged.session_id
          and s.too_early <> judged.too_early;
    return null;
end $$;
create trigger early_sessions after insert or update on dose for each row execute function flag_early_sessions();
"""

_GRANTS = {
    "clinic": "select, insert, update",
    "opening_hours": "select, insert, delete",
    "room": "select, insert, update",
    "practitioner": "select, insert, update",
    "shift": "select, insert, delete",
    "patient": "select, insert, update",
    "protocol": "select, insert",
    "course": "select, insert, update",
    "session": "select, insert, update",
    "supervision": "select, insert, update",
    "dose": "select, insert, update",
}


def upgrade() -> None:
    """Create the first schema."""
    create_runtime_tables_v1()
    for script in (_TYPES_AND_FUNCTIONS, _ROSTER, _COURSES, _SESSIONS, _SUPERVISION_TRIGGERS, _DOSE_TRIGGERS):
        execute(script)
    for table, privileges in _GRANTS.items():
        row_level_security(table)
        grant(table, privileges)
    append_only("protocol")
