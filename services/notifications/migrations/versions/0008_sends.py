"""Issues are sent to their recipients, chunk by chunk."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE TABLE send (
        issue_id uuid NOT NULL,
        number integer GENERATED ALWAYS AS IDENTITY,
        state text NOT NULL DEFAULT 'running',
        letters jsonb NOT NULL,
        fallback text NOT NULL,
        total integer NOT NULL,
        bounced integer NOT NULL DEFAULT 0,
        complained integer NOT NULL DEFAULT 0,
        begun_at timestamptz NOT NULL,
        ended_at timestamptz,
        CONSTRAINT pk_send PRIMARY KEY (issue_id),
        CONSTRAINT uq_send_number UNIQUE (number),
        CONSTRAINT ck_send_state CHECK (state IN ('running', 'stopped', 'done'))
    )
    """,
    "CREATE INDEX ix_send_running ON send (begun_at) WHERE state = 'running'",
    """
    COMMENT ON TABLE send IS
        'An issue on its way to its recipients. letters: frozen, for each language. number: '
        'its short name in return paths.'
    """,
    """
    CREATE TABLE send_chunk (
        issue_id uuid NOT NULL,
        no integer NOT NULL,
        first integer NOT NULL,
        last integer NOT NULL,
        state text NOT NULL DEFAULT 'pending',
        due_at timestamptz NOT NULL DEFAULT now(),
        lease_token uuid,
        in_flight integer[] NOT NULL DEFAULT '{}',
        sent integer NOT NULL DEFAULT 0,
        failed integer NOT NULL DEFAULT 0,
        unknown integer NOT NULL DEFAULT 0,
        suppressed integer NOT NULL DEFAULT 0,
        CONSTRAINT pk_send_chunk PRIMARY KEY (issue_id, no),
        CONSTRAINT fk_send_chunk_issue_id_send FOREIGN KEY (issue_id) REFERENCES send (issue_id),
        CONSTRAINT ck_send_chunk_state CHECK (state IN ('pending', 'leased', 'done')),
        CONSTRAINT ck_send_chunk_lease
            CHECK ((state = 'leased') = (lease_token IS NOT NULL)),
        CONSTRAINT ck_send_chunk_in_flight CHECK (state = 'leased' OR in_flight = '{}'),
        CONSTRAINT ck_send_chunk_counts
            CHECK (sent + failed + unknown + suppressed <= last - first + 1)
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX ix_send_chunk_open ON send_chunk (issue_id, no) WHERE state <> 'done'",
    """
    COMMENT ON TABLE send_chunk IS
        'Some recipients of a send, worked on by one process at a time. due_at: when to begin '
        'or go on, or when the lease ends. in_flight: recipients whose mail may be on the line.'
    """,
    """
    CREATE TABLE delivery (
        issue_id uuid NOT NULL,
        n integer NOT NULL,
        subscriber_id uuid NOT NULL,
        status text NOT NULL DEFAULT 'pending',
        attempts smallint NOT NULL DEFAULT '0',
        smtp_code smallint,
        error text,
        due_at timestamptz,
        settled_at timestamptz,
        bounce text,
        bounced_at timestamptz,
        CONSTRAINT pk_delivery PRIMARY KEY (issue_id, n),
        CONSTRAINT ck_delivery_status
            CHECK (status IN ('pending', 'sent', 'failed', 'unknown', 'suppressed')),
        CONSTRAINT ck_delivery_settled CHECK ((status = 'pending') = (settled_at IS NULL)),
        CONSTRAINT ck_delivery_bounce CHECK (bounce IN ('hard', 'soft', 'complaint'))
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX ix_delivery_subscriber ON delivery (subscriber_id)",
    """
    COMMENT ON TABLE delivery IS
        'A recipient of an issue and what became of the mail. due_at: not to be tried before.'
    """,
    """
    CREATE TABLE send_pace (
        name text NOT NULL,
        free_at timestamptz NOT NULL,
        CONSTRAINT pk_send_pace PRIMARY KEY (name)
    )
    """,
    """
    COMMENT ON TABLE send_pace IS
        'How fast may be sent, shared by all processes: when the next mail may go, for all '
        'mails (the empty name) and for single domains.'
    """,
)
_DOWN = ("DROP TABLE send_pace", "DROP TABLE delivery", "DROP TABLE send_chunk", "DROP TABLE send")


def upgrade() -> None:
    """Makes the tables."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops them."""
    for statement in _DOWN:
        op.execute(statement)
