"""Operators write to all of an event, and people are reminded before it begins."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# What is added may be empty, so processes of the version before go on writing while this is
# rolled out. Whose place is older than that is not known counts as having had it always.
_UP = (
    """
    CREATE TABLE broadcast (
        id uuid NOT NULL,
        number integer GENERATED ALWAYS AS IDENTITY,
        event_id uuid NOT NULL,
        audience text NOT NULL,
        texts jsonb NOT NULL,
        recipients integer NOT NULL,
        asked_by text NOT NULL,
        asked_at timestamptz NOT NULL DEFAULT now(),
        reason text,
        key_digest bytea,
        request_digest bytea NOT NULL,
        cancelled_by text,
        cancelled_at timestamptz,
        cancel_reason text,
        CONSTRAINT pk_broadcast PRIMARY KEY (id),
        CONSTRAINT fk_broadcast_event_id_event FOREIGN KEY (event_id) REFERENCES event (id),
        CONSTRAINT ck_broadcast_audience CHECK (audience IN ('confirmed', 'waiting', 'all')),
        CONSTRAINT ck_broadcast_recipients CHECK (recipients > 0),
        CONSTRAINT ck_broadcast_cancelled
            CHECK ((cancelled_at IS NULL) = (cancelled_by IS NULL))
    )
    """,
    "CREATE INDEX ix_broadcast_event ON broadcast (event_id, id)",
    """
    CREATE UNIQUE INDEX uq_broadcast_key ON broadcast (asked_by, key_digest)
        WHERE key_digest IS NOT NULL
    """,
    """
    COMMENT ON TABLE broadcast IS
        'What operators wrote to all of an event. number: the version of its mails.'
    """,
    """
    CREATE TABLE reminder (
        event_id uuid NOT NULL,
        first_day text NOT NULL,
        days smallint NOT NULL,
        number integer GENERATED ALWAYS AS IDENTITY,
        recipients integer NOT NULL,
        written_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_reminder PRIMARY KEY (event_id, first_day, days),
        CONSTRAINT fk_reminder_event_id_event FOREIGN KEY (event_id) REFERENCES event (id)
    )
    """,
    """
    COMMENT ON TABLE reminder IS
        'Of which events people were reminded, so many days before the first one. number: the '
        'version of its mails.'
    """,
    """
    ALTER TABLE event
        ADD COLUMN first_day text
            GENERATED ALWAYS AS (details #>> '{days,0,date}') STORED,
        ADD COLUMN dated_at timestamptz
    """,
    "CREATE INDEX ix_event_first_day ON event (first_day)",
    """
    COMMENT ON TABLE event IS
        'What registration told of an event; seq counts its messages on notifications.v1. '
        'dated_at: since when it has its first day.'
    """,
    "ALTER TABLE participant ADD COLUMN confirmed_at timestamptz",
    """
    UPDATE participant AS p SET confirmed_at = (
        SELECT max(created_at) FROM mail AS m
        WHERE m.registration_id = p.registration_id AND m.kind IN ('confirmed', 'promoted'))
    WHERE status = 'confirmed'
    """,
    """
    COMMENT ON TABLE participant IS
        'Who is signed up for an event, to be told of its changes. quiet_revision: that of the '
        'last change that no mail tells of. confirmed_at: since when they have a place.'
    """,
    """
    ALTER TABLE mail
        ADD COLUMN broadcast_id uuid,
        ADD CONSTRAINT fk_mail_broadcast_id_broadcast
            FOREIGN KEY (broadcast_id) REFERENCES broadcast (id),
        DROP CONSTRAINT ck_mail_status,
        ADD CONSTRAINT ck_mail_status
            CHECK (status IN ('pending', 'sending', 'sent', 'failed', 'withdrawn'))
    """,
    "CREATE INDEX ix_mail_broadcast ON mail (broadcast_id) WHERE broadcast_id IS NOT NULL",
)
# The version before knows nothing of these mails.
_DOWN = (
    "DELETE FROM mail WHERE kind IN ('message', 'reminder')",
    """
    ALTER TABLE mail
        DROP CONSTRAINT ck_mail_status,
        ADD CONSTRAINT ck_mail_status
            CHECK (status IN ('pending', 'sending', 'sent', 'failed')),
        DROP COLUMN broadcast_id
    """,
    "ALTER TABLE participant DROP COLUMN confirmed_at",
    """
    COMMENT ON TABLE participant IS
        'Who is signed up for an event, to be told of its changes. quiet_revision: that of the '
        'last change that no mail tells of.'
    """,
    "ALTER TABLE event DROP COLUMN dated_at, DROP COLUMN first_day",
    """
    COMMENT ON TABLE event IS
        'What registration told of an event; seq counts its messages on notifications.v1.'
    """,
    "DROP TABLE reminder",
    "DROP TABLE broadcast",
)


def upgrade() -> None:
    """Makes room for both."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Takes it away, with these mails."""
    for statement in _DOWN:
        op.execute(statement)
