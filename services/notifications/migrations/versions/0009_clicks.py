"""Where the links of an issue's mails lead, and how often they were followed."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE TABLE issue_link (
        issue_id uuid NOT NULL
            CONSTRAINT fk_issue_link_issue_id_issue REFERENCES issue (id),
        no integer NOT NULL,
        url text NOT NULL,
        clicks bigint NOT NULL DEFAULT 0,
        CONSTRAINT pk_issue_link PRIMARY KEY (issue_id, no),
        CONSTRAINT ck_issue_link_no CHECK (no > 0),
        CONSTRAINT ck_issue_link_clicks CHECK (clicks >= 0)
    ) WITH (fillfactor = 50)
    """,
    """
    COMMENT ON TABLE issue_link IS
        'Links of an issue''s mails that are counted. clicks: how often each was followed, by '
        'whomever.'
    """,
)


def upgrade() -> None:
    """Makes the table."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops it; links of mails that went out with it lead nowhere then."""
    op.execute("DROP TABLE issue_link")
