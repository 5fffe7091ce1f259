"""A mail may go to a subscriber of the newsletter instead of a registration."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_UP = (
    """
    ALTER TABLE mail
        ALTER COLUMN registration_id DROP NOT NULL,
        ALTER COLUMN event_id DROP NOT NULL,
        ADD COLUMN subscriber_id uuid,
        ADD CONSTRAINT ck_mail_recipient
            CHECK (num_nonnulls(registration_id, subscriber_id) = 1),
        ADD CONSTRAINT ck_mail_event CHECK ((registration_id IS NULL) = (event_id IS NULL))
    """,
    """
    CREATE UNIQUE INDEX uq_mail_kind_subscriber_id_version ON mail (kind, subscriber_id, version)
        WHERE subscriber_id IS NOT NULL
    """,
)
_DOWN = (
    "DELETE FROM mail WHERE subscriber_id IS NOT NULL",
    """
    ALTER TABLE mail
        DROP CONSTRAINT ck_mail_recipient,
        DROP CONSTRAINT ck_mail_event,
        DROP COLUMN subscriber_id,
        ALTER COLUMN event_id SET NOT NULL,
        ALTER COLUMN registration_id SET NOT NULL
    """,
)


def upgrade() -> None:
    """Makes room for such mails."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Takes it away, with these mails."""
    for statement in _DOWN:
        op.execute(statement)
