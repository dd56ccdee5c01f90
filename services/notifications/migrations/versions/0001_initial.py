"""Recipients, sessions, notifications, attempts and staff tasks."""

from services.runtime.migration_steps import (
    append_only,
    create_runtime_tables_v1,
    execute,
    grant,
    row_level_security,
)

revision = "0001"
down_revision = None

_TABLES = """
create table recipient (
    organization_id uuid not null, patient_id uuid not null,
    display_name bytea not null, language text not null check (language in ('en', 'es', 'de', 'fr')),
    time_zone text not null, quiet_end time not null, quiet_start time not null,
    revision integer not null check (revision > 0),
    primary key (organization_id, patient_id));
create table contact_point (
    organization_id uuid not null, contact_point_id uuid not null, patient_id uuid not null,
    channel text not null check (channel in ('email', 'sms')),
    value bytea not null, value_hash bytea not null check (octet_length(value_hash) = 32),
    verify_time timestamptz, verify_source text check (verify_source in ('staff', 'import')), verified_by text,
    primary key (organization_id, contact_point_id),
    foreign key (organization_id, patient_id) references recipient,
    constraint contact_point_once unique (organization_id, patient_id, channel, value_hash),
    constraint contact_point_verified_by_somebody
        check (num_nulls(verify_time, verify_source, verified_by) in (0, 3)));
create table consent (
    organization_id uuid not null, consent_id uuid not null, patient_id uuid not null,
    channel text not null check (channel in ('email', 'sms')),
    purpose text not null check (purpose in ('appointments', 'aftercare')),
    granted boolean not null, source text not null, decision_time timestamptz not null, recorded_by text not null,
    primary key (organization_id, consent_id),
    foreign key (organization_id, patient_id) references recipient,
    constraint consent_once unique (organization_id, patient_id, channel, purpose, decision_time, granted));
create table sender_profile (
    organization_id uuid not null, clinic_id uuid not null, short_name text not null, phone text not null,
    primary key (organization_id, clinic_id));
create table session (
    organization_id uuid not null, session_id uuid not null, patient_id uuid not null, clinic_id uuid not null,
    revision integer not null check (revision > 0), state text not null check (state in ('booked', 'cancelled')),
    start_time timestamptz not null, end_time timestamptz not null, time_zone text not null,
    calendar_uid text not null,
    primary key (organization_id, session_id));
create table notification (
    organization_id uuid not null, notification_id uuid not null, patient_id uuid not null, session_id uuid not null,
    session_revision integer not null check (session_revision >= 0), clinic_id uuid not null,
    template_code text not null, template_version integer not null, rule text not null,
    channel text not null check (channel in ('email', 'sms')),
    state text not null check (state in
        ('planned', 'sending', 'accepted', 'failed', 'expired', 'cancelled', 'suppressed', 'ambiguous')),
    state_reason text not null, ideal_time timestamptz not null, due_time timestamptz not null,
    expire_time timestamptz not null, create_time timestamptz not null,
    message_id text not null, may_have_been_sent boolean not null, send_time timestamptz, steps text[] not null,
    lease_until timestamptz, fence bigint not null, attempts integer not null, parked_reason text,
    primary key (organization_id, notification_id),
    constraint notification_once
        unique (organization_id, patient_id, session_id, session_revision, template_code, rule, channel),
    constraint notification_sent_under_a_message_id
        check (message_id <> '' or state not in ('sending', 'accepted', 'ambiguous')))
    with (fillfactor = 70, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0);
create index notification_open on notification (organization_id, due_time) where state in ('planned', 'sending');
create index notification_by_due_time on notification (organization_id, due_time, notification_id);
create index notification_of_session on notification (organization_id, session_id);
create table attempt (
    organization_id uuid not null, attempt_id uuid not null, notification_id uuid not null,
    start_time timestamptz not null, message_id text not null,
    primary key (organization_id, attempt_id),
    foreign key (organization_id, notification_id) references notification);
create index attempt_of_notification on attempt (organization_id, notification_id);
create table attempt_outcome (
    organization_id uuid not null, attempt_id uuid not null, outcome text not null, end_time timestamptz,
    primary key (organization_id, attempt_id),
    foreign key (organization_id, attempt_id) references attempt);
create table staff_task (
    organization_id uuid not null, task_id uuid not null,
    code text not null check (code in ('UNREACHABLE', 'UNDELIVERABLE', 'AMBIGUOUS_SEND')),
    patient_id uuid not null, notification_id uuid, create_time timestamptz not null,
    resolve_time timestamptz, resolution text not null, resolved_by text not null,
    primary key (organization_id, task_id),
    foreign key (organization_id, notification_id) references notification,
    constraint staff_task_once unique (organization_id, notification_id, code));
create unique index staff_task_unreachable_once on staff_task (organization_id, patient_id)
    where code = 'UNREACHABLE' and resolve_time is null;
create index staff_task_by_age on staff_task (organization_id, create_time, task_id);
"""

_CHANGING = ("recipient", "contact_point", "sender_profile", "session", "notification", "staff_task")
_APPEND_ONLY = ("consent", "attempt", "attempt_outcome")


def upgrade() -> None:
    create_runtime_tables_v1()
    execute(_TABLES)
    for table in (*_CHANGING, *_APPEND_ONLY):
        row_level_security(table, workers=table == "notification")
    for table in _CHANGING:
        grant(table, "select, insert, update")
    for table in _APPEND_ONLY:
        append_only(table)
        grant(table, "select, insert")
