"""Rules of a line, ranks and offers of its entries, and operators' names and reasons.

Whoever stood in line keeps the place: a rank is the number of joining at first. Rules are those
of a line that was told none, until registration tells them.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UP = (
    """
    ALTER TABLE line
        ADD COLUMN promotion text NOT NULL DEFAULT 'automatic',
        ADD COLUMN policy text NOT NULL DEFAULT 'strict',
        ADD COLUMN passes integer NOT NULL DEFAULT 3,
        ADD COLUMN ends_at timestamptz,
        ADD COLUMN paused boolean NOT NULL DEFAULT false,
        ADD COLUMN passed_by bigint[] NOT NULL DEFAULT '{}',
        ADD CONSTRAINT ck_line_promotion CHECK (promotion IN ('automatic', 'offer')),
        ADD CONSTRAINT ck_line_policy CHECK (policy IN ('strict', 'fill', 'partial')),
        ADD CONSTRAINT ck_line_passes CHECK (passes >= 0)
    """,
    """
    ALTER TABLE line
        ALTER COLUMN promotion DROP DEFAULT, ALTER COLUMN policy DROP DEFAULT,
        ALTER COLUMN passes DROP DEFAULT, ALTER COLUMN paused DROP DEFAULT,
        ALTER COLUMN passed_by DROP DEFAULT
    """,
    "CREATE INDEX ix_line_ending ON line (ends_at) WHERE open AND free > 0",
    """
    ALTER TABLE entry
        ADD COLUMN rank bigint,
        ADD COLUMN priority integer NOT NULL DEFAULT 0,
        ADD COLUMN whole boolean NOT NULL DEFAULT false,
        ADD COLUMN until timestamptz,
        ADD COLUMN passed_by bigint[] NOT NULL DEFAULT '{}',
        DROP CONSTRAINT ck_entry_state,
        ADD CONSTRAINT ck_entry_state
            CHECK (state IN ('waiting', 'promoted', 'offered', 'confirmed', 'left')),
        ADD CONSTRAINT ck_entry_until CHECK ((state = 'offered') = (until IS NOT NULL))
    """,
    "DROP INDEX ix_entry_waiting",
    "UPDATE entry SET rank = seq",
    """
    ALTER TABLE entry
        ALTER COLUMN rank SET NOT NULL, ALTER COLUMN priority DROP DEFAULT,
        ALTER COLUMN whole DROP DEFAULT, ALTER COLUMN passed_by DROP DEFAULT
    """,
    "CREATE INDEX ix_entry_waiting ON entry (event_id, rank) WHERE state = 'waiting'",
    "CREATE INDEX ix_entry_size ON entry (event_id, seats, rank) WHERE state = 'waiting'",
    """
    CREATE INDEX ix_entry_called_up ON entry (event_id, rank)
        WHERE state IN ('promoted', 'offered')
    """,
    """
    COMMENT ON TABLE entry IS
        'One row a party that ever stood in line; its place is the order of rank.'
    """,
    """
    ALTER TABLE ledger
        ADD COLUMN number integer, ADD COLUMN by text, ADD COLUMN why text,
        ADD CONSTRAINT ck_ledger_operator
            CHECK ((actor = 'operator') = (by IS NOT NULL) AND (by IS NULL) = (why IS NULL))
    """,
    "CREATE INDEX ix_ledger_operator ON ledger (event_id, id) WHERE actor = 'operator'",
)
_DOWN = (
    "DROP INDEX ix_ledger_operator",
    """
    ALTER TABLE ledger DROP CONSTRAINT ck_ledger_operator,
        DROP COLUMN number, DROP COLUMN by, DROP COLUMN why
    """,
    "DROP INDEX ix_entry_called_up",
    "DROP INDEX ix_entry_size",
    "DROP INDEX ix_entry_waiting",
    "ALTER TABLE entry DROP CONSTRAINT ck_entry_until, DROP CONSTRAINT ck_entry_state",
    "UPDATE entry SET state = 'promoted' WHERE state = 'offered'",
    """
    ALTER TABLE entry
        ADD CONSTRAINT ck_entry_state
            CHECK (state IN ('waiting', 'promoted', 'confirmed', 'left')),
        DROP COLUMN rank, DROP COLUMN priority, DROP COLUMN whole, DROP COLUMN until,
        DROP COLUMN passed_by
    """,
    "CREATE INDEX ix_entry_waiting ON entry (event_id, seq) WHERE state = 'waiting'",
    """
    COMMENT ON TABLE entry IS
        'One row a party that ever stood in line; its place is the order of seq.'
    """,
    "DROP INDEX ix_line_ending",
    """
    ALTER TABLE line DROP CONSTRAINT ck_line_promotion, DROP CONSTRAINT ck_line_policy,
        DROP CONSTRAINT ck_line_passes, DROP COLUMN promotion, DROP COLUMN policy,
        DROP COLUMN passes, DROP COLUMN ends_at, DROP COLUMN paused, DROP COLUMN passed_by
    """,
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """An offer stays a promotion without an answer, and whoever had another place in line gets
    the first one back."""
    for statement in _DOWN:
        op.execute(statement)
