"""The issues of the newsletter, their pictures, the plan of the year, and who did what."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE TABLE issue (
        id uuid CONSTRAINT pk_issue PRIMARY KEY,
        year smallint,
        number smallint,
        status text NOT NULL DEFAULT 'draft',
        version integer NOT NULL DEFAULT 1,
        words jsonb NOT NULL,
        planned_at timestamptz,
        second boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        begun_at timestamptz,
        sent_at timestamptz,
        deleted_at timestamptz,
        trouble text,
        CONSTRAINT uq_issue_year_number UNIQUE (year, number),
        CONSTRAINT ck_issue_status
            CHECK (status IN ('draft', 'planned', 'sending', 'stopped', 'sent')),
        CONSTRAINT ck_issue_planned_at CHECK (status <> 'planned' OR planned_at IS NOT NULL),
        CONSTRAINT ck_issue_begun CHECK (num_nulls(year, number, begun_at)
            = CASE WHEN status IN ('draft', 'planned') THEN 3 ELSE 0 END),
        CONSTRAINT ck_issue_sent_at CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
        CONSTRAINT ck_issue_deleted_at CHECK (deleted_at IS NULL OR status = 'draft')
    )
    """,
    "CREATE INDEX ix_issue_due ON issue (planned_at) WHERE status = 'planned'",
    """
    COMMENT ON TABLE issue IS 'An issue. words: its texts by language. trouble: why a sending '
        'that is due has not begun.'
    """,
    """
    CREATE TABLE issue_rendering (
        issue_id uuid NOT NULL
            CONSTRAINT fk_issue_rendering_issue_id_issue REFERENCES issue (id),
        locale text NOT NULL,
        title text NOT NULL,
        subject text NOT NULL,
        preview text NOT NULL,
        html text NOT NULL,
        text text NOT NULL,
        web text NOT NULL,
        CONSTRAINT pk_issue_rendering PRIMARY KEY (issue_id, locale)
    )
    """,
    "COMMENT ON TABLE issue_rendering IS 'An issue as it went out, by language; never changed.'",
    """
    CREATE TABLE issue_picture (
        issue_id uuid NOT NULL
            CONSTRAINT fk_issue_picture_issue_id_issue REFERENCES issue (id),
        name text NOT NULL,
        digest text NOT NULL,
        media_type text NOT NULL,
        ending text NOT NULL,
        width integer NOT NULL,
        height integer NOT NULL,
        data bytea NOT NULL,
        uploaded_at timestamptz NOT NULL,
        uploaded_by text NOT NULL,
        CONSTRAINT pk_issue_picture PRIMARY KEY (issue_id, name)
    )
    """,
    "CREATE INDEX ix_issue_picture_digest ON issue_picture (digest)",
    """
    COMMENT ON TABLE issue_picture IS
        'Pictures, by the name that an issue''s text knows them by.'
    """,
    """
    CREATE TABLE issue_log (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_issue_log PRIMARY KEY,
        issue_id uuid CONSTRAINT fk_issue_log_issue_id_issue REFERENCES issue (id),
        at timestamptz NOT NULL,
        by text,
        act text NOT NULL,
        details jsonb
    )
    """,
    "CREATE INDEX ix_issue_log_issue ON issue_log (issue_id, id)",
    """
    COMMENT ON TABLE issue_log IS
        'Who did what, for good; without a name it was the scheduler.'
    """,
    """
    CREATE TABLE issue_quarter (
        year smallint NOT NULL,
        quarter smallint NOT NULL,
        day date NOT NULL,
        time time NOT NULL,
        CONSTRAINT pk_issue_quarter PRIMARY KEY (year, quarter),
        CONSTRAINT ck_issue_quarter_quarter CHECK (quarter BETWEEN 1 AND 4)
    )
    """,
    """
    COMMENT ON TABLE issue_quarter IS 'When a quarter''s issue is to appear, in the place''s own '
        'time, where it is not the usual date.'
    """,
    """
    CREATE TABLE issue_reminder (
        year smallint NOT NULL,
        quarter smallint NOT NULL,
        days smallint NOT NULL,
        email text NOT NULL,
        sent_at timestamptz NOT NULL,
        CONSTRAINT pk_issue_reminder PRIMARY KEY (year, quarter, days, email)
    )
    """,
    """
    COMMENT ON TABLE issue_reminder IS
        'Which editors were reminded of a quarter, so many days before its date.'
    """,
)
_TABLES = (
    "issue_reminder",
    "issue_quarter",
    "issue_log",
    "issue_picture",
    "issue_rendering",
    "issue",
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Takes them away, with all issues."""
    for table in _TABLES:
        op.execute(f"DROP TABLE {table}")
