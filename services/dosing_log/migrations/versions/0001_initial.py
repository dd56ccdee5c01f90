"""Records, signatures, stock, access records, the projection of sessions, and the ledger."""

from alembic import op

from services.dosing_log.ledger.ddl import ledger_ddl_v1
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
create table ledger_opening (
    organization_id uuid not null, event_id uuid primary key, record bytea not null,
    salt bytea not null check (octet_length(salt) = 32),
    commitment bytea not null check (octet_length(commitment) = 32),
    signatures bytea[] not null);
create table record_version (
    organization_id uuid not null, record_id uuid not null, version integer not null check (version >= 1),
    event_id uuid not null unique references ledger_opening (event_id), kind text not null,
    session_id uuid not null, patient_id uuid not null,
    event_time timestamptz not null, record_time timestamptz not null,
    primary key (organization_id, record_id, version));
create index record_version_session on record_version (organization_id, session_id);
create index record_version_patient on record_version (organization_id, patient_id);
create table signature (
    organization_id uuid not null, record_id uuid not null, version integer not null, signer_subject text not null,
    meaning text not null, event_id uuid not null unique references ledger_opening (event_id), token_id text not null,
    components_used integer not null check (components_used in (1, 2)),
    sign_time timestamptz not null, session_time timestamptz not null,
    primary key (organization_id, record_id, version, signer_subject, meaning),
    foreign key (organization_id, record_id, version) references record_version);
create index signature_session on signature (organization_id, signer_subject, token_id, session_time);
create table signing_pin (
    organization_id uuid not null, subject text not null, pin_hash text not null, attempts integer not null,
    last_attempt_time timestamptz, primary key (organization_id, subject));
create table lot (
    organization_id uuid not null, lot_id uuid not null,
    event_id uuid not null unique references ledger_opening (event_id),
    clinic_id uuid not null, product text not null, lot_number text not null,
    primary key (organization_id, lot_id),
    constraint lot_once unique (organization_id, clinic_id, product, lot_number));
create table movement (
    organization_id uuid not null, lot_id uuid not null, sequence_number integer not null check (sequence_number >= 1),
    event_id uuid not null unique references ledger_opening (event_id),
    amount_mg numeric not null, balance_after_mg numeric not null,
    record_id uuid,
    primary key (organization_id, lot_id, sequence_number),
    foreign key (organization_id, lot_id) references lot,
    constraint movement_balance check (balance_after_mg >= 0));
create index movement_record on movement (organization_id, record_id);
create table access_record (
    organization_id uuid not null, access_id uuid not null,
    event_id uuid not null unique references ledger_opening (event_id), patient_id uuid,
    primary key (organization_id, access_id));
create index access_record_patient on access_record (organization_id, patient_id, access_id);
create table session_projection (
    organization_id uuid not null, session_id uuid not null, patient_id uuid not null, course_id uuid not null,
    protocol_id uuid not null, clinic_id uuid not null, revision integer not null, ordinal integer not null,
    start_time timestamptz not null, end_time timestamptz not null, time_zone text not null,
    supervisor_subjects text[] not null, cancelled boolean not null default false,
    primary key (organization_id, session_id));
create table course_projection (
    organization_id uuid not null, course_id uuid not null, patient_id uuid not null, protocol_id uuid not null,
    adult_date date not null, consent_expire_date date not null, contraindications text[] not null,
    primary key (organization_id, course_id));
create table protocol_projection (
    organization_id uuid not null, protocol_id uuid not null, content jsonb not null,
    primary key (organization_id, protocol_id));
"""

# The chain of balances: a movement follows the one before it without a gap, and says what that leaves.
_BALANCES_CHAIN = """
create function hold_balance_chain() returns trigger language plpgsql as $$
declare
    balance_before numeric := 0;
begin
    if new.sequence_number > 1 then
        select balance_after_mg into strict balance_before from movement
        where organization_id = new.organization_id and lot_id = new.lot_id
            and sequence_number = new.sequence_number - 1;
    end if;
    if new.balance_after_mg <> balance_before + new.amount_mg then
        raise exception 'the balance does not follow from the movement before' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger balance_chain before insert on movement for each row execute function hold_balance_chain();
"""

# A version follows the one before it without a gap and stays with its session, patient and kind.
_VERSIONS_CHAIN = """
create function hold_version_chain() returns trigger language plpgsql as $$
begin
    if new.version > 1 and not exists (
        select from record_version before
        where before.organization_id = new.organization_id and before.record_id = new.record_id
            and before.version = new.version - 1 and before.kind = new.kind
            and before.session_id = new.session_id and before.patient_id = new.patient_id) then
        raise exception 'the version does not follow from one before' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger version_chain before insert on record_version for each row execute function hold_version_chain();
"""

_NEVER_CHANGED = ("ledger_opening", "record_version", "signature", "lot", "movement", "access_record")
_PROJECTED = ("session_projection", "course_projection", "protocol_projection")


def upgrade() -> None:
    create_runtime_tables_v1()
    for statement in ledger_ddl_v1():
        op.execute(statement)
    for script in (_TABLES, _BALANCES_CHAIN, _VERSIONS_CHAIN):
        execute(script)
    for table in _NEVER_CHANGED:
        append_only(table)
        row_level_security(table)
        grant(table, "select, insert")
    for table in _PROJECTED:
        row_level_security(table)
        grant(table, "select, insert, update")
    row_level_security("signing_pin")
    grant("signing_pin", "select, insert, update")
    _open_ledger()


def _open_ledger() -> None:
    # One sequencer and one signer serve the logs of all organizations, in transactions of a worker.
    for table in ("ledger_log", "ledger_state", "ledger_pending", "ledger_entry", "ledger_checkpoint"):
        row_level_security(table, workers=True)
    grant("ledger_log", "select, insert")
    grant("ledger_pending", "select, insert, delete")
    grant("ledger_entry", "select, insert")
    grant("ledger_checkpoint", "select, insert")
    grant("ledger_state", "select, insert, update")
