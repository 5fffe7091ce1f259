"""People are offered places, and some changes are told by no mail."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Both columns may be empty, so processes of the version before go on writing while this is
# rolled out.
_UP = (
    """
    ALTER TABLE participant
        ADD COLUMN offer jsonb,
        ADD COLUMN quiet_revision integer,
        DROP CONSTRAINT ck_participant_status,
        ADD CONSTRAINT ck_participant_status
            CHECK (status IN ('confirmed', 'waitlisted', 'offered', 'cancelled')),
        ADD CONSTRAINT ck_participant_offer CHECK (status <> 'offered' OR offer IS NOT NULL)
    """,
    """
    COMMENT ON TABLE participant IS
        'Who is signed up for an event, to be told of its changes. quiet_revision: that of the '
        'last change that no mail tells of.'
    """,
)
# Who is offered a place has none yet: the version before knows them as waiting.
_DOWN = (
    "UPDATE participant SET status = 'waitlisted' WHERE status = 'offered'",
    """
    ALTER TABLE participant
        DROP CONSTRAINT ck_participant_offer,
        DROP CONSTRAINT ck_participant_status,
        ADD CONSTRAINT ck_participant_status
            CHECK (status IN ('confirmed', 'waitlisted', 'cancelled')),
        DROP COLUMN quiet_revision,
        DROP COLUMN offer
    """,
    """
    COMMENT ON TABLE participant IS
        'Who is signed up for an event, to be told of its changes.'
    """,
)


def upgrade() -> None:
    """Makes room for offers."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Takes it away."""
    for statement in _DOWN:
        op.execute(statement)
