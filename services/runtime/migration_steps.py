"""Steps that migrations are made of. What a published migration called must keep doing what it did then."""

from alembic import context, op

_RUNTIME_TABLES_V1 = """
create sequence claim_fence;
create table outbox (
    organization_id uuid not null, aggregate text not null, aggregate_version bigint not null,
    event_id uuid not null unique, event bytea not null, create_time timestamptz not null default now(),
    primary key (organization_id, aggregate, aggregate_version));
create table outbox_aggregate (
    organization_id uuid not null, aggregate text not null, version bigint not null,
    primary key (organization_id, aggregate));
create table stream (
    organization_id uuid not null, consumer text not null, aggregate text not null,
    next_version bigint not null, last_version bigint not null, due_time timestamptz not null default now(),
    lease_until timestamptz, fence bigint not null default 0, attempts integer not null default 0, parked_reason text,
    primary key (organization_id, consumer, aggregate))
    with (fillfactor = 70, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0);
create index stream_pending on stream (consumer, due_time) where next_version <= last_version and parked_reason is null;
create table inbox (
    organization_id uuid not null, event_id uuid not null, producer text not null, aggregate text not null,
    aggregate_version bigint not null, receive_time timestamptz not null default now(),
    primary key (organization_id, event_id));
create table inbox_aggregate (
    organization_id uuid not null, producer text not null, aggregate text not null, version bigint not null,
    primary key (organization_id, producer, aggregate));
create table request (
    organization_id uuid not null, request_id uuid not null, fingerprint bytea not null, answer bytea,
    create_time timestamptz not null default now(),
    primary key (organization_id, request_id));
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end $$;
"""


def app_role() -> str:
    """Return the restricted role that the service runs as."""
    return str(context.config.attributes["app_role"])


def execute(script: str) -> None:
    """Run plain SQL statements, separated by a semicolon at the end of a line."""
    for statement in _statements(script):
        op.execute(statement)


def _statements(script: str) -> list[str]:
    """Split a script at semicolons that end a line, leaving $$ bodies whole."""
    statements, current, in_body = [], [], False
    for line in script.splitlines():
        in_body ^= line.count("$$") % 2 == 1
        current.append(line)
        if line.rstrip().endswith(";") and not in_body:
            statements.append("\n".join(current))
            current = []
    statements.append("\n".join(current))
    return [statement for statement in statements if statement.strip()]


def create_runtime_tables_v1() -> None:
    """Create the outbox, inbox and request tables with their policies and grants, and the fence of claims."""
    execute(_RUNTIME_TABLES_V1)
    for table in ("outbox", "outbox_aggregate", "stream", "inbox", "inbox_aggregate", "request"):
        row_level_security(table, workers=table in {"outbox", "stream"})
    grant("outbox", "select, insert, delete")
    grant("outbox_aggregate", "select, insert, update")
    grant("stream", "select, insert, update")
    grant("inbox", "select, insert, delete")
    grant("inbox_aggregate", "select, insert, update")
    grant("request", "select, insert, update, delete")
    op.execute(f'grant usage on sequence claim_fence to "{app_role()}"')
    grant("alembic_version", "select")  # a service that finds an older schema than its own is not ready


def row_level_security(table: str, *, workers: bool = False) -> None:
    """Show a transaction only the rows of its organization; with `workers`, show a worker's transaction all rows."""
    own = "organization_id = nullif(current_setting('kat.organization_id', true), '')::uuid"
    visible = f"({own} or current_setting('kat.scope', true) = 'worker')" if workers else own
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy organization on {table} using ({visible}) with check ({visible})")


def append_only(table: str) -> None:
    """Refuse every UPDATE, DELETE and TRUNCATE, whatever was granted."""
    op.execute(
        f"create trigger append_only before update or delete on {table} for each row execute function refuse_change()",
    )
    op.execute(
        f"create trigger append_only_truncate before truncate on {table} "
        "for each statement execute function refuse_change()",
    )


def grant(table: str, privileges: str) -> None:
    """Grant the restricted role these privileges and no others."""
    op.execute(f'grant {privileges} on {table} to "{app_role()}"')
