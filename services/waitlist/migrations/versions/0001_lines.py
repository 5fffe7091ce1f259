"""Lines, entries, the ledger, and the tables of the messages."""

from alembic import op

from services.kit.migrations import MESSAGE_TABLES_1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Counts change with every batch: half-empty pages keep their updates within the page (HOT).
_LINE = (
    """
    CREATE TABLE line (
        event_id uuid NOT NULL,
        slug text,
        title text,
        open boolean NOT NULL,
        free integer NOT NULL,
        waiting integer NOT NULL,
        length integer NOT NULL,
        seq bigint NOT NULL,
        CONSTRAINT pk_line PRIMARY KEY (event_id),
        CONSTRAINT ck_line_free CHECK (free >= 0),
        CONSTRAINT ck_line_waiting CHECK (length >= 0 AND waiting >= length)
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX ix_line_slug ON line (slug)",
    """
    COMMENT ON TABLE line IS
        'One row an event; whoever changes anything of a line holds this row''s lock.'
    """,
)

# Whoever has moved up leaves a dead index row before the head; an early vacuum keeps the way to
# the head short.
_ENTRY = (
    """
    CREATE TABLE entry (
        registration_id uuid NOT NULL,
        event_id uuid NOT NULL,
        seq bigint NOT NULL,
        seats integer NOT NULL,
        state text NOT NULL,
        joined_at timestamptz NOT NULL,
        ended_at timestamptz,
        CONSTRAINT pk_entry PRIMARY KEY (registration_id),
        CONSTRAINT fk_entry_event_id_line FOREIGN KEY (event_id) REFERENCES line (event_id),
        CONSTRAINT ck_entry_seats CHECK (seats >= 1),
        CONSTRAINT ck_entry_state CHECK (state IN ('waiting', 'promoted', 'confirmed', 'left')),
        CONSTRAINT ck_entry_ended_at CHECK ((state = 'waiting') = (ended_at IS NULL))
    ) WITH (autovacuum_vacuum_scale_factor = 0.01)
    """,
    "CREATE INDEX ix_entry_waiting ON entry (event_id, seq) WHERE state = 'waiting'",
    """
    COMMENT ON TABLE entry IS
        'One row a party that ever stood in line; its place is the order of seq.'
    """,
)

_LEDGER = (
    """
    CREATE TABLE ledger (
        id bigint GENERATED ALWAYS AS IDENTITY,
        event_id uuid NOT NULL,
        registration_id uuid,
        kind text NOT NULL,
        seats integer NOT NULL,
        at timestamptz NOT NULL,
        reason text,
        actor text NOT NULL,
        CONSTRAINT pk_ledger PRIMARY KEY (id),
        CONSTRAINT fk_ledger_event_id_line FOREIGN KEY (event_id) REFERENCES line (event_id),
        CONSTRAINT ck_ledger_seats CHECK (seats >= 0)
    )
    """,
    "CREATE INDEX ix_ledger_event_id_id ON ledger (event_id, id)",
    """
    CREATE INDEX ix_ledger_registration_id_id ON ledger (registration_id, id)
        WHERE registration_id IS NOT NULL
    """,
    """
    COMMENT ON TABLE ledger IS
        'What happened in each line and why, in the order in which it became known here.'
    """,
    """
    CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
    """,
)


def upgrade() -> None:
    for statement in (*MESSAGE_TABLES_1, *_LINE, *_ENTRY, *_LEDGER):
        op.execute(statement)


def downgrade() -> None:
    for table in ("ledger", "entry", "line"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION ledger_is_append_only")
    for table in ("dead_letter", "inbox_seq", "inbox", "relay", "outbox_shard", "outbox"):
        op.execute(f"DROP TABLE {table}")
