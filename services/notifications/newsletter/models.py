"""The tables of the issues.

Invariants, held by the database: of a year and a number there is one issue; an issue has its
number exactly from the beginning of its sending on; a planned issue has its date; an issue that
goes out is not deleted; each editor is reminded of a quarter once for each distance; of a click
there is nothing but a sum.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

from services.notifications.metadata import metadata

_UUID: Final = UUID(as_uuid=True)
_TIME: Final = sa.DateTime(timezone=True)

issue: Final = sa.Table(
    "issue",
    metadata,
    sa.Column("id", _UUID, primary_key=True),
    sa.Column("year", sa.SmallInteger),
    sa.Column("number", sa.SmallInteger),
    sa.Column("status", sa.Text, nullable=False, server_default="draft"),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("words", JSONB, nullable=False),
    sa.Column("planned_at", _TIME),
    sa.Column("second", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("begun_at", _TIME),
    sa.Column("sent_at", _TIME),
    sa.Column("deleted_at", _TIME),
    sa.Column("trouble", sa.Text),
    sa.UniqueConstraint("year", "number"),
    sa.CheckConstraint("status IN ('draft', 'planned', 'sending', 'stopped', 'sent')", "status"),
    sa.CheckConstraint("status <> 'planned' OR planned_at IS NOT NULL", "planned_at"),
    sa.CheckConstraint(
        "num_nulls(year, number, begun_at)"
        " = CASE WHEN status IN ('draft', 'planned') THEN 3 ELSE 0 END",
        "begun",
    ),
    sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", "sent_at"),
    sa.CheckConstraint("deleted_at IS NULL OR status = 'draft'", "deleted_at"),
    comment="An issue. words: its texts by language. trouble: why a sending that is due has not "
    "begun.",
)
sa.Index("ix_issue_due", issue.c.planned_at, postgresql_where=sa.text("status = 'planned'"))

rendering: Final = sa.Table(
    "issue_rendering",
    metadata,
    sa.Column("issue_id", _UUID, sa.ForeignKey("issue.id"), primary_key=True),
    sa.Column("locale", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("preview", sa.Text, nullable=False),
    sa.Column("html", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("web", sa.Text, nullable=False),
    comment="An issue as it went out, by language; never changed.",
)

link: Final = sa.Table(
    "issue_link",
    metadata,
    sa.Column("issue_id", _UUID, sa.ForeignKey("issue.id"), primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("clicks", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.CheckConstraint("no > 0", "no"),
    sa.CheckConstraint("clicks >= 0", "clicks"),
    comment="Links of an issue's mails that are counted. clicks: how often each was followed, by "
    "whomever.",
    postgresql_with={"fillfactor": "50"},
)

picture: Final = sa.Table(
    "issue_picture",
    metadata,
    sa.Column("issue_id", _UUID, sa.ForeignKey("issue.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("ending", sa.Text, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("data", BYTEA, nullable=False),
    sa.Column("uploaded_at", _TIME, nullable=False),
    sa.Column("uploaded_by", sa.Text, nullable=False),
    comment="Pictures, by the name that an issue's text knows them by.",
)

log: Final = sa.Table(
    "issue_log",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("issue_id", _UUID, sa.ForeignKey("issue.id")),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("by", sa.Text),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("details", JSONB),
    comment="Who did what, for good; without a name it was the scheduler.",
)
sa.Index("ix_issue_log_issue", log.c.issue_id, log.c.id)

quarter: Final = sa.Table(
    "issue_quarter",
    metadata,
    sa.Column("year", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("quarter", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("time", sa.Time, nullable=False),
    sa.CheckConstraint("quarter BETWEEN 1 AND 4", "quarter"),
    comment="When a quarter's issue is to appear, in the place's own time, where it is not the "
    "usual date.",
)

reminder: Final = sa.Table(
    "issue_reminder",
    metadata,
    sa.Column("year", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("quarter", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("days", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.Text, primary_key=True),
    sa.Column("sent_at", _TIME, nullable=False),
    comment="Which editors were reminded of a quarter, so many days before its date.",
)
