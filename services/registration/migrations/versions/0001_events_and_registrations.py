"""Events, seats, registrations, operators, and the tables of the messages."""

from alembic import op

from services.kit.migrations import MESSAGE_TABLES_1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE event (
        id UUID NOT NULL,
        slug TEXT NOT NULL,
        status TEXT NOT NULL,
        version INTEGER NOT NULL,
        title TEXT NOT NULL,
        summary TEXT NOT NULL,
        description TEXT NOT NULL,
        days JSONB NOT NULL,
        timezone TEXT NOT NULL,
        place TEXT,
        contact TEXT,
        few_left JSONB NOT NULL,
        max_party INTEGER NOT NULL,
        opens_at TIMESTAMP WITH TIME ZONE,
        closes_at TIMESTAMP WITH TIME ZONE,
        cancel_until TIMESTAMP WITH TIME ZONE,
        waitlist_enabled BOOLEAN NOT NULL,
        waitlist_limit INTEGER,
        questions JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_event PRIMARY KEY (id),
        CONSTRAINT ck_event_status CHECK (status IN ('draft', 'published', 'called_off')),
        CONSTRAINT uq_event_slug UNIQUE (slug)
    )
    """,
    """
    CREATE TABLE operator (
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        token_digest BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_operator PRIMARY KEY (name),
        CONSTRAINT ck_operator_role CHECK (role IN ('viewer', 'editor', 'admin')),
        CONSTRAINT uq_operator_token_digest UNIQUE (token_digest)
    )
    """,
    """
    CREATE TABLE registration (
        id UUID NOT NULL,
        event_id UUID NOT NULL,
        seq BIGINT NOT NULL,
        status TEXT NOT NULL,
        via TEXT,
        seats INTEGER NOT NULL,
        name TEXT NOT NULL,
        email TEXT NOT NULL,
        email_key TEXT NOT NULL,
        locale TEXT NOT NULL,
        answers JSONB NOT NULL,
        terms_version TEXT NOT NULL,
        terms_agreed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        token_digest BYTEA NOT NULL,
        token_sealed BYTEA NOT NULL,
        idempotency_digest BYTEA,
        request_digest BYTEA NOT NULL,
        first_status TEXT NOT NULL,
        first_position INTEGER,
        revision INTEGER DEFAULT '1' NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_registration PRIMARY KEY (id),
        CONSTRAINT ck_registration_status
            CHECK (status IN ('confirmed', 'waitlisted', 'cancelled')),
        CONSTRAINT ck_registration_seats CHECK (seats >= 1),
        CONSTRAINT uq_registration_event_id_seq UNIQUE (event_id, seq)
    )
    """,
    """
    CREATE INDEX ix_registration_line ON registration (event_id, seq) WHERE status = 'waitlisted'
    """,
    """
    CREATE UNIQUE INDEX uq_registration_active_address ON registration (event_id, email_key)
    WHERE status IN ('confirmed', 'waitlisted')
    """,
    """
    CREATE UNIQUE INDEX uq_registration_idempotency ON registration (event_id, idempotency_digest)
    WHERE idempotency_digest IS NOT NULL
    """,
    """
    CREATE TABLE seats (
        event_id UUID NOT NULL,
        capacity INTEGER NOT NULL,
        confirmed INTEGER DEFAULT '0' NOT NULL,
        held INTEGER DEFAULT '0' NOT NULL,
        waiting INTEGER DEFAULT '0' NOT NULL,
        line INTEGER DEFAULT '0' NOT NULL,
        seq BIGINT DEFAULT '0' NOT NULL,
        light TEXT,
        light_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_seats PRIMARY KEY (event_id),
        CONSTRAINT ck_seats_never_oversold CHECK (confirmed + held <= capacity),
        CONSTRAINT ck_seats_not_negative
            CHECK (confirmed >= 0 AND held >= 0 AND waiting >= 0 AND line >= 0),
        CONSTRAINT ck_seats_light CHECK (light IN ('green', 'yellow', 'red')),
        CONSTRAINT fk_seats_event_id_event FOREIGN KEY(event_id) REFERENCES event (id)
    )
     WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    """Creates everything."""
    for statement in (*_TABLES, *MESSAGE_TABLES_1):
        op.execute(statement)


def downgrade() -> None:
    """There is nothing before the first version."""
    raise NotImplementedError("the first version is not taken back; drop the database instead")
