"""The waiting list and its offers."""

from services.runtime.migration_steps import execute, grant, row_level_security

revision = "0005"
down_revision = "0004"

_TABLES = """
create table waitlist_entry (
    organization_id uuid not null, waitlist_entry_id uuid not null, course_id uuid not null, patient_id uuid not null,
    clinic_ids uuid[] not null, start_date date not null, end_date date not null,
    weekdays smallint[] not null, earliest_time time, latest_time time, preferred_supervisor_id uuid,
    notice_minutes integer not null, state text not null, offered_session_id uuid, offer_expire_time timestamptz,
    version integer not null default 1, create_time timestamptz not null, update_time timestamptz not null,
    primary key (organization_id, waitlist_entry_id),
    foreign key (organization_id, course_id) references course,
    foreign key (organization_id, patient_id) references patient,
    foreign key (organization_id, offered_session_id) references session,
    constraint waitlist_entry_state check (state in ('waiting', 'offered', 'booked', 'left', 'expired')),
    constraint waitlist_entry_offer check
        ((state = 'offered') = (offer_expire_time is not null)
         and (state not in ('offered', 'booked') or offered_session_id is not null)),
    constraint waitlist_entry_dates check (start_date <= end_date));
create unique index waitlist_entry_open on waitlist_entry (organization_id, course_id)
    where state in ('waiting', 'offered');
create index waitlist_entry_by_wait on waitlist_entry (organization_id, create_time, waitlist_entry_id);
create index waitlist_entry_waiting on waitlist_entry (create_time) where state = 'waiting';
create index waitlist_entry_offered on waitlist_entry (offer_expire_time) where state = 'offered';
create table waitlist_refusal (
    organization_id uuid not null, waitlist_entry_id uuid not null, clinic_id uuid not null,
    start_time timestamptz not null,
    primary key (organization_id, waitlist_entry_id, clinic_id, start_time),
    foreign key (organization_id, waitlist_entry_id) references waitlist_entry);
create table vacancy (
    organization_id uuid not null, vacancy_id uuid not null, clinic_id uuid not null, start_time timestamptz not null,
    primary key (organization_id, vacancy_id),
    foreign key (organization_id, clinic_id) references clinic);
create index vacancy_by_clinic on vacancy (organization_id, clinic_id);
"""

# At the end of the transaction: a session that was only lifted to be put back leaves no vacancy.
_VACANCIES = """
create function note_vacancy() returns trigger language plpgsql as $$
begin
    if not exists (select from session s
                   where s.organization_id = old.organization_id and s.session_id = old.session_id and s.live
                     and s.room_id = old.room_id and s.start_time = old.start_time)
       and exists (select from waitlist_entry w
                   where w.organization_id = old.organization_id and w.state = 'waiting'
                     and old.clinic_id = any (w.clinic_ids)) then
        insert into vacancy values (old.organization_id, gen_random_uuid(), old.clinic_id, old.start_time);
    end if;
    return null;
end $$;
create constraint trigger vacated after update on session deferrable initially deferred
    for each row when (old.live and (not new.live or old.start_time <> new.start_time or old.room_id <> new.room_id))
    execute function note_vacancy();
"""

# The jobs look for what is due in every organization; they change it in a transaction of its organization alone.
_DUE_WORK = """
create policy due_work on waitlist_entry for select
    using (current_setting('kat.scope', true) = 'worker' and state in ('waiting', 'offered'));
create policy due_work on vacancy for select using (current_setting('kat.scope', true) = 'worker');
"""


def upgrade() -> None:
    """Add the waiting list, what was refused of it, and the slots that became free."""
    for script in (_TABLES, _VACANCIES):
        execute(script)
    for table in ("waitlist_entry", "waitlist_refusal", "vacancy"):
        row_level_security(table)
    execute(_DUE_WORK)
    grant("waitlist_entry", "select, insert, update")
    grant("waitlist_refusal", "select, insert")
    grant("vacancy", "select, insert, delete")
