"""Mails have a priority, and the open ones are found by it."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The priorities are those of domain.mail.Priority. The default is for processes of the version
# before, which go on writing while this is rolled out.
_UP = (
    "ALTER TABLE mail ADD COLUMN priority smallint NOT NULL DEFAULT '1'",
    """
    UPDATE mail SET priority = CASE
        WHEN kind = 'promoted' THEN 0
        ELSE 2 END
    WHERE kind IN ('promoted', 'event_changed', 'event_called_off')
      AND status IN ('pending', 'sending')
    """,
    "DROP INDEX ix_mail_due",
    """
    CREATE INDEX ix_mail_due ON mail (priority, due_at)
        WHERE status IN ('pending', 'sending')
    """,
)
_DOWN = (
    "DROP INDEX ix_mail_due",
    "CREATE INDEX ix_mail_due ON mail (due_at) WHERE status IN ('pending', 'sending')",
    "ALTER TABLE mail DROP COLUMN priority",
)


def upgrade() -> None:
    """Adds the priority."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops it."""
    for statement in _DOWN:
        op.execute(statement)
