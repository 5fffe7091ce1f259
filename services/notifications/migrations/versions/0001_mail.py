"""The event and participant projections, the mail ledger, and the tables of the messages."""

from alembic import op

from services.kit.migrations import MESSAGE_TABLES_1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_EVENT = (
    """
    CREATE TABLE event (
        id uuid NOT NULL,
        slug text NOT NULL,
        version integer NOT NULL,
        details jsonb NOT NULL,
        seq bigint NOT NULL DEFAULT '0',
        CONSTRAINT pk_event PRIMARY KEY (id)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX ix_event_slug ON event (slug)",
    """
    COMMENT ON TABLE event IS
        'What registration told of an event; seq counts its messages on notifications.v1.'
    """,
)

_PARTICIPANT = (
    """
    CREATE TABLE participant (
        registration_id uuid NOT NULL,
        event_id uuid NOT NULL,
        status text NOT NULL,
        revision integer NOT NULL,
        seats integer NOT NULL,
        name text NOT NULL,
        email text NOT NULL,
        locale text NOT NULL,
        manage_url text NOT NULL,
        CONSTRAINT pk_participant PRIMARY KEY (registration_id),
        CONSTRAINT fk_participant_event_id_event FOREIGN KEY (event_id) REFERENCES event (id),
        CONSTRAINT ck_participant_status
            CHECK (status IN ('confirmed', 'waitlisted', 'cancelled'))
    )
    """,
    "CREATE INDEX ix_participant_event_id ON participant (event_id)",
    """
    COMMENT ON TABLE participant IS
        'Who is signed up for an event, to be told of its changes.'
    """,
)

# Every mail's row changes twice while it is among the open ones; an early vacuum keeps the way
# to the next due mail short.
_MAIL = (
    """
    CREATE TABLE mail (
        id uuid NOT NULL,
        kind text NOT NULL,
        registration_id uuid NOT NULL,
        version integer NOT NULL,
        event_id uuid NOT NULL,
        sequence integer NOT NULL,
        status text NOT NULL DEFAULT 'pending',
        attempts integer NOT NULL DEFAULT '0',
        due_at timestamptz NOT NULL DEFAULT now(),
        lease_token uuid,
        smtp_code smallint,
        last_error text,
        message_id text,
        created_at timestamptz NOT NULL DEFAULT now(),
        sent_at timestamptz,
        content jsonb,
        CONSTRAINT pk_mail PRIMARY KEY (id),
        CONSTRAINT uq_mail_kind_registration_id_version
            UNIQUE (kind, registration_id, version),
        CONSTRAINT fk_mail_event_id_event FOREIGN KEY (event_id) REFERENCES event (id),
        CONSTRAINT ck_mail_status CHECK (status IN ('pending', 'sending', 'sent', 'failed')),
        CONSTRAINT ck_mail_lease CHECK ((status = 'sending') = (lease_token IS NOT NULL)),
        CONSTRAINT ck_mail_sent_at CHECK (status <> 'sent' OR sent_at IS NOT NULL),
        CONSTRAINT ck_mail_content
            CHECK (status NOT IN ('pending', 'sending') OR content IS NOT NULL)
    ) WITH (autovacuum_vacuum_scale_factor = 0.02)
    """,
    """
    CREATE INDEX ix_mail_due ON mail (due_at) WHERE status IN ('pending', 'sending')
    """,
    """
    CREATE INDEX ix_mail_open ON mail (registration_id, sequence)
        WHERE status IN ('pending', 'sending')
    """,
    "CREATE INDEX ix_mail_event ON mail (event_id, id)",
    "CREATE INDEX ix_mail_failed ON mail (id) WHERE status = 'failed'",
    """
    CREATE INDEX ix_mail_forget ON mail (due_at)
        WHERE status IN ('sent', 'failed') AND content IS NOT NULL
    """,
    """
    COMMENT ON TABLE mail IS
        'The ledger: one row a mail. due_at: when to try it, when its lease ends, or when it '
        'came to its end.'
    """,
)


def upgrade() -> None:
    """Makes all tables."""
    for statement in (*MESSAGE_TABLES_1, *_EVENT, *_PARTICIPANT, *_MAIL):
        op.execute(statement)


def downgrade() -> None:
    """Drops all tables."""
    for table in ("mail", "participant", "event"):
        op.execute(f"DROP TABLE {table}")
    for table in ("dead_letter", "inbox_seq", "inbox", "relay", "outbox_shard", "outbox"):
        op.execute(f"DROP TABLE {table}")
