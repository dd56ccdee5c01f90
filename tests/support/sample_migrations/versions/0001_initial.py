"""The runtime's tables, and one table of each kind that services build on it."""

from services.runtime.migration_steps import append_only, create_runtime_tables_v1, execute, grant, row_level_security

revision = "0001"
down_revision = None

_TABLES = """
create table effect (
    organization_id uuid not null, position bigint generated always as identity,
    event_id uuid not null, producer text not null, aggregate text not null, aggregate_version bigint not null,
    primary key (organization_id, position));
create table job (
    organization_id uuid not null, job_id uuid not null,
    due_time timestamptz not null, lease_until timestamptz, fence bigint not null default 0,
    attempts integer not null default 0, parked_reason text, done_by text, open boolean not null default true,
    primary key (organization_id, job_id));
create index job_open on job (due_time) where open;
create table note (
    organization_id uuid not null, note_id uuid not null, content text not null unique,
    primary key (organization_id, note_id));
"""


def upgrade() -> None:
    create_runtime_tables_v1()
    execute(_TABLES)
    row_level_security("effect")
    row_level_security("job", workers=True)
    row_level_security("note")
    append_only("note")
    grant("effect", "select, insert")
    grant("job", "select, insert, update, delete")
    # More than a service would grant: the trigger must refuse by itself.
    grant("note", "select, insert, update, delete, truncate")
