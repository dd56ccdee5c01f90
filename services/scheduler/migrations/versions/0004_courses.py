"""Reviews, extension, pausing and ending of courses, assessments, moves between versions of a protocol."""

from alembic import op

from services.runtime.migration_steps import append_only, execute, grant, row_level_security

revision = "0004"
down_revision = "0003"

# The owner is held to the policies too, and must see every row to fill in a column and to check a key.
_SEEN_WHOLE = ("clinic", "protocol", "course", "session")

# The present cap is the course's own; its maximum is pinned to the protocol. A session pins its protocol by a key of
# its own, so that sessions that took place keep their version when the course is moved to another.
_COURSES = """
alter table protocol
    add constraint protocol_interval unique (organization_id, protocol_id, interval_days);
alter table session
    drop constraint session_organization_id_course_id_patient_id_protocol_id_i_fkey;
alter table course
    drop constraint course_organization_id_protocol_id_protocol_code_interval__fkey,
    drop constraint course_pinned,
    drop constraint course_state,
    add column session_maximum integer,
    add column review_base integer not null default 0,
    add column review_told boolean not null default false,
    add column hold_reason text not null default '',
    add column screening_checks text[] not null default '{}',
    add column induction_documented boolean not null default false;
update course set session_maximum = session_cap;
alter table course
    alter column session_maximum set not null,
    add constraint course_protocol foreign key
        (organization_id, protocol_id, protocol_code, interval_days, session_maximum)
        references protocol (organization_id, protocol_id, code, interval_days, session_cap),
    add constraint course_pinned unique (organization_id, course_id, patient_id, session_cap),
    add constraint course_session_cap check (session_cap between 1 and session_maximum),
    add constraint course_review_base check (review_base >= 0),
    add constraint course_state check (state in ('draft', 'active', 'on_hold', 'completed', 'revoked')),
    add constraint course_hold_reason check ((state = 'on_hold') = (hold_reason <> ''));
drop index course_open;
create unique index course_open on course (organization_id, patient_id, protocol_code)
    where state in ('draft', 'active', 'on_hold');
create index course_untold on course (organization_id, course_id)
    where not review_told and state in ('active', 'on_hold');
alter table session
    add constraint session_of_course foreign key (organization_id, course_id, patient_id, session_cap)
        references course (organization_id, course_id, patient_id, session_cap) on update cascade,
    add constraint session_of_protocol foreign key (organization_id, protocol_id, interval_days)
        references protocol (organization_id, protocol_id, interval_days);

-- The code before this release gives no maximum: its cap is the protocol's.
create function fill_session_maximum() returns trigger language plpgsql as $$
begin
    new.session_maximum := coalesce(new.session_maximum, new.session_cap);
    return new;
end $$;
create trigger session_maximum before insert on course for each row execute function fill_session_maximum();
"""

_RECORDS = """
create table course_review (
    organization_id uuid not null, review_id uuid not null, course_id uuid not null, number integer not null,
    decision text not null, reason text not null, reviewer jsonb not null, meaning text not null,
    sign_time timestamptz not null, auth_time timestamptz not null, session_count integer not null,
    scores jsonb not null,
    primary key (organization_id, review_id),
    foreign key (organization_id, course_id) references course,
    constraint course_review_number unique (organization_id, course_id, number),
    constraint course_review_decision check (decision in ('continue', 'stop')),
    constraint course_review_meaning check (meaning = 'reviewed'),
    constraint course_review_reason check (decision = 'continue' or reason <> ''),
    constraint course_review_count check (number >= 1 and session_count >= 0));
create table course_change (
    organization_id uuid not null, change_id uuid not null, course_id uuid not null, number integer not null,
    kind text not null, actor jsonb not null, reason text not null, change_time timestamptz not null,
    protocol_id uuid not null, session_cap integer not null, review_id uuid,
    primary key (organization_id, change_id),
    foreign key (organization_id, course_id) references course,
    foreign key (organization_id, protocol_id) references protocol,
    foreign key (organization_id, review_id) references course_review,
    constraint course_change_number unique (organization_id, course_id, number),
    constraint course_change_kind check (kind in ('paused', 'resumed', 'extended', 'completed', 'protocol_moved')),
    constraint course_change_review check (kind <> 'extended' or review_id is not null));
create table assessment (
    organization_id uuid not null, assessment_id uuid not null, session_id uuid not null, patient_id uuid not null,
    course_id uuid not null, instrument text not null, total integer not null, version integer not null,
    observe_time timestamptz not null,
    primary key (organization_id, assessment_id),
    foreign key (organization_id, session_id, patient_id)
        references session (organization_id, session_id, patient_id),
    foreign key (organization_id, course_id) references course,
    constraint assessment_version check (version >= 1));
create index assessment_by_course on assessment (organization_id, course_id);
"""

# Facts that the dose log reports are never refused: only what people arrange is.
_COURSE_TRIGGERS = """
create function require_course_of_session() returns trigger language plpgsql as $$
declare
    its course;
begin
    select * into its from course c
        where c.organization_id = new.organization_id and c.course_id = new.course_id for share;
    if its.protocol_id <> new.protocol_id
        and (tg_op = 'INSERT' or new.protocol_id <> old.protocol_id or new.course_id <> old.course_id) then
        raise exception 'not the protocol of the course'
            using errcode = 'check_violation', constraint = 'session_course_protocol';
    end if;
    if its.state <> 'active' and new.live
        and (tg_op = 'INSERT' or new.state <> old.state or new.course_id <> old.course_id) then
        raise exception 'the course is not active'
            using errcode = 'check_violation', constraint = 'session_course_active';
    end if;
    return null;
end $$;
create trigger course_of_session after insert on session
    for each row execute function require_course_of_session();
create trigger course_of_session_changed after update on session
    for each row when (
        new.course_id <> old.course_id or new.protocol_id <> old.protocol_id
        or (new.state <> old.state and (
            (new.state in ('held', 'booked') and old.state not in ('booked', 'checked_in'))
            or new.state = 'checked_in')))
    execute function require_course_of_session();
-- Reviews are append-only: what they allow is read off them, whoever writes.
create function require_reviewed() returns trigger language plpgsql as $$
declare
    newest course_review;
begin
    select * into newest from course_review r
        where r.organization_id = new.organization_id and r.course_id = new.course_id
        order by r.review_id desc limit 1;
    if new.session_cap > old.session_cap and new.protocol_id = old.protocol_id
        and newest.decision is distinct from 'continue' then
        raise exception 'no review extends the course'
            using errcode = 'check_violation', constraint = 'course_extension_reviewed';
    end if;
    if new.review_base <> old.review_base
        and (newest.decision is distinct from 'continue' or newest.session_count <> new.review_base) then
        raise exception 'no review of so many sessions'
            using errcode = 'check_violation', constraint = 'course_review_signed';
    end if;
    return null;
end $$;
create trigger reviewed after update of session_cap, review_base on course
    for each row when (new.session_cap > old.session_cap or new.review_base <> old.review_base)
    execute function require_reviewed();
create function require_review() returns trigger language plpgsql as $$
declare
    hold_from integer;
    ordinal integer;
begin
    select c.review_base + cast(p.limits -> 'course.hold_before' ->> 'value' as numeric) into hold_from
        from course c join protocol p using (organization_id, protocol_id)
        where c.organization_id = new.organization_id and c.course_id = new.course_id for share of c;
    select count(*) + 1 into ordinal from session s
        where s.organization_id = new.organization_id and s.course_id = new.course_id
          and s.live and s.start_time < new.start_time;
    if ordinal >= hold_from then
        raise exception 'a review is due' using errcode = 'check_violation', constraint = 'session_review_gate';
    end if;
    return null;
end $$;
create trigger review_gate after insert on session
    for each row when (new.state = 'checked_in') execute function require_review();
create trigger review_gate_reached after update of state on session
    for each row when (new.state = 'checked_in' and old.state <> 'checked_in') execute function require_review();
"""

# Jobs look for work organization by organization, each in its own scope: this is all that they see of the others.
_ORGANIZATIONS = """
create table organization (organization_id uuid not null primary key);
insert into organization select distinct organization_id from clinic;
create function note_organization() returns trigger language plpgsql as $$
begin
    insert into organization values (new.organization_id) on conflict do nothing;
    return null;
end $$;
create trigger organization_noted after insert on clinic for each row execute function note_organization();
"""

_GRANTS = {
    "course_review": "select, insert",
    "course_change": "select, insert",
    "assessment": "select, insert, update",
    "organization": "select, insert",
}


def upgrade() -> None:
    """Let courses be reviewed, extended, paused, ended and moved."""
    for table in _SEEN_WHOLE:
        op.execute(f"alter table {table} no force row level security")
    for script in (_COURSES, _RECORDS, _COURSE_TRIGGERS, _ORGANIZATIONS):
        execute(script)
    for table in _SEEN_WHOLE:
        op.execute(f"alter table {table} force row level security")
    for table, privileges in _GRANTS.items():
        row_level_security(table)
        grant(table, privileges)
    op.execute("create policy jobs on organization for select using (current_setting('kat.scope', true) = 'worker')")
    append_only("course_review")
    append_only("course_change")
