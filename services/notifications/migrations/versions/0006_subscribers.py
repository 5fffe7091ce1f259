"""Who gets the newsletter: requests, subscribers, consent, suppression."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_REQUEST = (
    """
    CREATE TABLE subscription_request (
        id bigint GENERATED ALWAYS AS IDENTITY,
        subscriber_id uuid,
        email text NOT NULL,
        locale text NOT NULL,
        source text NOT NULL,
        wording_version text NOT NULL,
        asked_at timestamptz NOT NULL,
        CONSTRAINT pk_subscription_request PRIMARY KEY (id)
    )
    """,
    """
    COMMENT ON TABLE subscription_request IS
        'Who asked for the newsletter and has no answer yet. subscriber_id: who wants it at '
        'another address.'
    """,
)

_SUBSCRIBER = (
    """
    CREATE TABLE subscriber (
        id uuid NOT NULL,
        email text NOT NULL,
        email_key text NOT NULL,
        address_hash bytea NOT NULL,
        locale text NOT NULL,
        status text NOT NULL,
        generation integer NOT NULL DEFAULT '1',
        version integer NOT NULL DEFAULT '0',
        source text NOT NULL,
        created_at timestamptz NOT NULL,
        confirmed_at timestamptz,
        paused_until timestamptz,
        ended_at timestamptz,
        CONSTRAINT pk_subscriber PRIMARY KEY (id),
        CONSTRAINT uq_subscriber_email_key UNIQUE (email_key),
        CONSTRAINT uq_subscriber_address_hash UNIQUE (address_hash),
        CONSTRAINT ck_subscriber_status
            CHECK (status IN ('asked', 'active', 'paused', 'left', 'suppressed')),
        CONSTRAINT ck_subscriber_confirmed
            CHECK (status NOT IN ('active', 'paused') OR confirmed_at IS NOT NULL),
        CONSTRAINT ck_subscriber_paused
            CHECK ((status = 'paused') = (paused_until IS NOT NULL)),
        CONSTRAINT ck_subscriber_ended
            CHECK ((status IN ('left', 'suppressed')) = (ended_at IS NOT NULL))
    )
    """,
    """
    CREATE INDEX ix_subscriber_paused ON subscriber (paused_until) WHERE status = 'paused'
    """,
    """
    CREATE INDEX ix_subscriber_asked ON subscriber (created_at) WHERE status = 'asked'
    """,
    """
    COMMENT ON TABLE subscriber IS
        'Who gets the newsletter, or did. Only the active get issues. email_key: the address '
        'as it is compared. version: of the last asking. generation: of the links.'
    """,
)

_ASKING = (
    """
    CREATE TABLE asking (
        subscriber_id uuid NOT NULL,
        version integer NOT NULL,
        purpose text NOT NULL,
        email text NOT NULL,
        locale text NOT NULL,
        source text NOT NULL,
        wording_version text NOT NULL,
        wording text NOT NULL,
        asked_at timestamptz NOT NULL,
        valid_until timestamptz NOT NULL,
        confirmed_at timestamptz,
        CONSTRAINT pk_asking PRIMARY KEY (subscriber_id, version),
        CONSTRAINT fk_asking_subscriber_id_subscriber
            FOREIGN KEY (subscriber_id) REFERENCES subscriber (id) ON DELETE CASCADE,
        CONSTRAINT ck_asking_purpose CHECK (purpose IN ('subscribe', 'address'))
    )
    """,
    "CREATE INDEX ix_asking_valid_until ON asking (valid_until)",
    """
    COMMENT ON TABLE asking IS
        'Mails that ask to confirm an address, each with a link of its own.'
    """,
    """
    CREATE TABLE asked_address (
        address_hash bytea NOT NULL,
        mailed_at timestamptz NOT NULL,
        CONSTRAINT pk_asked_address PRIMARY KEY (address_hash)
    )
    """,
    "CREATE INDEX ix_asked_address_mailed_at ON asked_address (mailed_at)",
    "COMMENT ON TABLE asked_address IS 'When an address was last asked to confirm.'",
)

_CONSENT = (
    """
    CREATE TABLE consent (
        id bigint GENERATED ALWAYS AS IDENTITY,
        subscriber_id uuid NOT NULL,
        email text NOT NULL,
        locale text NOT NULL,
        source text NOT NULL,
        wording_version text,
        wording text,
        asked_at timestamptz,
        confirmed_at timestamptz NOT NULL,
        by text,
        CONSTRAINT pk_consent PRIMARY KEY (id),
        CONSTRAINT fk_consent_subscriber_id_subscriber
            FOREIGN KEY (subscriber_id) REFERENCES subscriber (id) ON DELETE CASCADE,
        CONSTRAINT ck_consent_wording CHECK ((wording IS NULL) = (wording_version IS NULL))
    )
    """,
    "CREATE INDEX ix_consent_subscriber_id ON consent (subscriber_id)",
    """
    COMMENT ON TABLE consent IS
        'Evidence of consent; rows never change. by: the operator who vouches for an import.'
    """,
    """
    CREATE TABLE subscriber_journal (
        id bigint GENERATED ALWAYS AS IDENTITY,
        subscriber_id uuid,
        address_hash bytea NOT NULL,
        at timestamptz NOT NULL,
        kind text NOT NULL,
        by text,
        why text,
        details jsonb,
        CONSTRAINT pk_subscriber_journal PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_subscriber_journal_who ON subscriber_journal (subscriber_id, id)",
    "CREATE INDEX ix_subscriber_journal_address ON subscriber_journal (address_hash, id)",
    """
    COMMENT ON TABLE subscriber_journal IS
        'What happened to a subscriber or a suppressed address; rows never change.'
    """,
    # Whoever is erased as a person takes their rows along; nothing else changes one.
    """
    CREATE FUNCTION evidence_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'evidence never changes' USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER consent_never_changes BEFORE UPDATE ON consent
        FOR EACH STATEMENT EXECUTE FUNCTION evidence_never_changes()
    """,
    """
    CREATE TRIGGER journal_never_changes BEFORE UPDATE ON subscriber_journal
        FOR EACH STATEMENT EXECUTE FUNCTION evidence_never_changes()
    """,
)

_SUPPRESSION = (
    """
    CREATE TABLE suppression (
        address_hash bytea NOT NULL,
        id bigint GENERATED ALWAYS AS IDENTITY,
        reason text NOT NULL,
        at timestamptz NOT NULL,
        by text,
        why text,
        CONSTRAINT pk_suppression PRIMARY KEY (address_hash),
        CONSTRAINT uq_suppression_id UNIQUE (id),
        CONSTRAINT ck_suppression_reason
            CHECK (reason IN ('left', 'bounced', 'complained', 'operator'))
    )
    """,
    """
    COMMENT ON TABLE suppression IS
        'Addresses that no import brings back, by SHA-256 of the address as it is compared. '
        'Of those that left, the person''s own confirmation does.'
    """,
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in (*_REQUEST, *_SUBSCRIBER, *_ASKING, *_CONSENT, *_SUPPRESSION):
        op.execute(statement)


def downgrade() -> None:
    """Drops them."""
    for table in (
        "suppression",
        "subscriber_journal",
        "consent",
        "asked_address",
        "asking",
        "subscriber",
        "subscription_request",
    ):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION evidence_never_changes")
