"""What watchers of sessions are told."""

from uuid import uuid4

from services.runtime.migration_steps import execute, grant, row_level_security

revision = "0007"
down_revision = "0006"

# A transaction's id is taken when it first writes, which says nothing of when it is committed: readers take the rows
# of transactions before the oldest that still runs, which are all there are, and none can come between them any more.
_FEED = """
create table session_change (
    organization_id uuid not null,
    transaction_id bigint not null default (pg_current_xact_id()::text::bigint),
    change_id bigint not null generated always as identity,
    session_id uuid not null, patient_id uuid not null, course_id uuid not null,
    clinic_id uuid not null, previous_clinic_id uuid,
    cut boolean not null default false,
    change_time timestamptz not null default now(),
    primary key (organization_id, transaction_id, change_id));
"""

# By triggers, so that what plain SQL, a cascade or another trigger changes is told as well.
_TRIGGERS = """
create function note_session_change() returns trigger language plpgsql as $$
begin
    insert into session_change (organization_id, session_id, patient_id, course_id, clinic_id, previous_clinic_id)
        values (new.organization_id, new.session_id, new.patient_id, new.course_id, new.clinic_id,
                case when old.clinic_id <> new.clinic_id then old.clinic_id end);
    -- What comes after it in its course has another place there now.
    if (old.live, old.start_time) is distinct from (new.live, new.start_time) then
        insert into session_change (organization_id, session_id, patient_id, course_id, clinic_id)
            select s.organization_id, s.session_id, s.patient_id, s.course_id, s.clinic_id
            from session s
            where s.organization_id = new.organization_id and s.course_id = new.course_id and s.live
              and s.session_id <> new.session_id and s.start_time > least(old.start_time, new.start_time);
    end if;
    return null;
end $$;
create trigger noted after insert on session for each row execute function note_session_change();
create trigger noted_change after update on session
    for each row when (old.* is distinct from new.*) execute function note_session_change();
create function note_supervision_change() returns trigger language plpgsql as $$
begin
    insert into session_change (organization_id, session_id, patient_id, course_id, clinic_id)
        select s.organization_id, s.session_id, s.patient_id, s.course_id, s.clinic_id
        from session s
        where s.organization_id = coalesce(new.organization_id, old.organization_id)
          and s.session_id = coalesce(new.session_id, old.session_id)
          -- Most come with a change of the session in the same transaction, which is noted already.
          and not exists (
              select from session_change c
              where c.organization_id = s.organization_id and c.session_id = s.session_id
                and c.transaction_id = pg_current_xact_id()::text::bigint);
    return null;
end $$;
create trigger noted after insert or delete on supervision
    for each row execute function note_supervision_change();
-- A review settles which sessions of its course are tentative.
create function note_course_change() returns trigger language plpgsql as $$
begin
    insert into session_change (organization_id, session_id, patient_id, course_id, clinic_id)
        select s.organization_id, s.session_id, s.patient_id, s.course_id, s.clinic_id
        from session s
        where s.organization_id = new.organization_id and s.course_id = new.course_id
          and s.state in ('held', 'booked');
    return null;
end $$;
create trigger noted_change after update on course
    for each row when ((old.review_base, old.protocol_id) is distinct from (new.review_base, new.protocol_id))
    execute function note_course_change();
create trigger noted_change after update on supervision
    for each row when ((old.practitioner_id, old.start_time, old.end_time)
                       is distinct from (new.practitioner_id, new.start_time, new.end_time))
    execute function note_supervision_change();
"""


def upgrade() -> None:
    """Note every change of a session from now on."""
    execute(_FEED)
    row_level_security("session_change", workers=True)
    grant("session_change", "select, insert, delete, update (transaction_id, cut)")
    # Tells this database from every other, in the positions that it gives out.
    execute(f"create function session_feed_id() returns uuid language sql immutable return '{uuid4()}'::uuid;")
    execute(_TRIGGERS)
