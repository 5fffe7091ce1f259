"""Rules of waiting lists, offers, places in line, and wishes for one of several events."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UP = (
    "ALTER TABLE event ADD COLUMN waitlist jsonb NOT NULL DEFAULT '{}'",
    """
    UPDATE event SET waitlist =
        jsonb_build_object('enabled', waitlist_enabled, 'limit', waitlist_limit)
    """,
    "ALTER TABLE event DROP COLUMN waitlist_enabled, DROP COLUMN waitlist_limit",
    "ALTER TABLE event ADD COLUMN series text",
    "CREATE INDEX ix_event_series ON event (series)",
    """
    ALTER TABLE registration ADD COLUMN rank bigint, ADD COLUMN offered_seats integer,
        ADD COLUMN offered_until timestamptz, ADD COLUMN wanted_at timestamptz,
        ADD COLUMN moved_up_at timestamptz, ADD COLUMN bundle uuid
    """,
    """
    UPDATE registration SET rank = seq,
        moved_up_at = CASE WHEN via = 'waitlist' AND status = 'confirmed' THEN updated_at END
    """,
    "ALTER TABLE registration ALTER COLUMN rank SET NOT NULL",
    """
    ALTER TABLE registration DROP CONSTRAINT ck_registration_status,
        ADD CONSTRAINT ck_registration_status
            CHECK (status IN ('confirmed', 'waitlisted', 'offered', 'cancelled', 'expired')),
        ADD CONSTRAINT ck_registration_offer
            CHECK ((status = 'offered') = (offered_seats IS NOT NULL)
                   AND (status = 'offered') = (offered_until IS NOT NULL))
    """,
    "DROP INDEX uq_registration_active_address",
    """
    CREATE UNIQUE INDEX uq_registration_active_address ON registration (event_id, email_key)
        WHERE status IN ('confirmed', 'waitlisted', 'offered')
    """,
    "DROP INDEX ix_registration_line",
    """
    CREATE INDEX ix_registration_line ON registration (event_id, rank)
        WHERE status = 'waitlisted'
    """,
    """
    CREATE INDEX ix_registration_offered ON registration (offered_until)
        WHERE status = 'offered'
    """,
    """
    CREATE INDEX ix_registration_moved_up ON registration (event_id, moved_up_at)
        WHERE moved_up_at IS NOT NULL
    """,
    """
    CREATE INDEX ix_registration_bundle ON registration (bundle) WHERE bundle IS NOT NULL
    """,
)
_DOWN = (
    "DROP INDEX ix_registration_bundle",
    "DROP INDEX ix_registration_moved_up",
    "DROP INDEX ix_registration_offered",
    "DROP INDEX ix_registration_line",
    """
    CREATE INDEX ix_registration_line ON registration (event_id, seq)
        WHERE status = 'waitlisted'
    """,
    "DROP INDEX uq_registration_active_address",
    """
    CREATE UNIQUE INDEX uq_registration_active_address ON registration (event_id, email_key)
        WHERE status IN ('confirmed', 'waitlisted')
    """,
    """
    ALTER TABLE registration DROP CONSTRAINT ck_registration_offer,
        DROP CONSTRAINT ck_registration_status,
        ADD CONSTRAINT ck_registration_status
            CHECK (status IN ('confirmed', 'waitlisted', 'cancelled'))
    """,
    """
    ALTER TABLE registration DROP COLUMN rank, DROP COLUMN offered_seats,
        DROP COLUMN offered_until, DROP COLUMN wanted_at, DROP COLUMN moved_up_at,
        DROP COLUMN bundle
    """,
    "ALTER TABLE event DROP COLUMN series",
    "ALTER TABLE event ADD COLUMN waitlist_enabled boolean, ADD COLUMN waitlist_limit integer",
    """
    UPDATE event SET waitlist_enabled = coalesce((waitlist ->> 'enabled')::boolean, true),
        waitlist_limit = (waitlist ->> 'limit')::integer
    """,
    "ALTER TABLE event ALTER COLUMN waitlist_enabled SET NOT NULL, DROP COLUMN waitlist",
)


def upgrade() -> None:
    """Adds them."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops them; open offers must have ended."""
    for statement in _DOWN:
        op.execute(statement)
