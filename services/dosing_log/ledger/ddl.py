"""The SQL that creates the ledger, for migrations; `tables` declares the same for statements."""

from collections.abc import Sequence


def ledger_ddl_v1() -> Sequence[str]:
    """Return the statements, one command each, that create the tables and their triggers in the current schema.

    The text never changes once released: migrations depend on it.

    What the roles need, beside row-level security: whoever records events SELECT and INSERT on ledger_log,
    ledger_state and ledger_pending and SELECT on ledger_entry; sequencer and publisher in addition UPDATE on
    ledger_state, DELETE on ledger_pending, INSERT on ledger_entry, and SELECT and INSERT on ledger_checkpoint.
    """
    append_only = ("ledger_log", "ledger_entry", "ledger_checkpoint")
    return (*_CREATE_TABLES, *_CREATE_FUNCTIONS, _EVENT_ONCE, *(t for name in append_only for t in _append_only(name)))


_CREATE_TABLES = (
    """
    CREATE TABLE ledger_log (
        organization_id uuid PRIMARY KEY,
        origin text NOT NULL UNIQUE,
        opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    """
    CREATE TABLE ledger_pending (
        event_id uuid PRIMARY KEY,
        organization_id uuid NOT NULL REFERENCES ledger_log,
        entry bytea NOT NULL CHECK (octet_length(entry) = 65),
        enqueued_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX ledger_pending_turn ON ledger_pending (organization_id, enqueued_at, event_id)",
    r"""
    CREATE TABLE ledger_entry (
        organization_id uuid NOT NULL REFERENCES ledger_log,
        idx bigint NOT NULL CHECK (idx >= 0),
        event_id uuid NOT NULL,
        entry bytea NOT NULL CHECK (octet_length(entry) = 65),
        leaf_hash bytea GENERATED ALWAYS AS (sha256('\x00'::bytea || entry)) STORED,
        PRIMARY KEY (organization_id, idx),
        UNIQUE (organization_id, event_id)
    )
    """,
    """
    CREATE TABLE ledger_state (
        organization_id uuid PRIMARY KEY REFERENCES ledger_log,
        size bigint NOT NULL CHECK (size >= 0),
        root bytea NOT NULL CHECK (octet_length(root) = 32),
        edge bytea NOT NULL CHECK (octet_length(edge) = 32 * bit_count(size::bit(64)))
    )
    """,
    """
    CREATE TABLE ledger_checkpoint (
        organization_id uuid NOT NULL REFERENCES ledger_log,
        size bigint NOT NULL CHECK (size > 0),
        root bytea NOT NULL CHECK (octet_length(root) = 32),
        edge bytea NOT NULL CHECK (octet_length(edge) = 32 * bit_count(size::bit(64))),
        note bytea NOT NULL,
        signed_at timestamptz NOT NULL,
        PRIMARY KEY (organization_id, size)
    )
    """,
)

_CREATE_FUNCTIONS = (
    """
    CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation',
            MESSAGE = TG_TABLE_NAME || ' is append-only: ' || TG_OP || ' is refused';
    END
    $$
    """,
    # Runs after the insert: only then has a sequencer that was moving the same event committed, and is its entry seen.
    """
    CREATE FUNCTION ledger_refuse_sequenced() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM ledger_entry e
                   WHERE e.organization_id = NEW.organization_id AND e.event_id = NEW.event_id) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'unique_violation',
                MESSAGE = 'event ' || NEW.event_id || ' is in the ledger already';
        END IF;
        RETURN NULL;
    END
    $$
    """,
)

_EVENT_ONCE = """
    CREATE TRIGGER ledger_event_once AFTER INSERT ON ledger_pending
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_sequenced()
    """


def _append_only(table: str) -> tuple[str, str]:
    return (
        f"""
        CREATE TRIGGER {table}_rows_stay BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()
        """,
        f"""
        CREATE TRIGGER {table}_stays BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()
        """,
    )
