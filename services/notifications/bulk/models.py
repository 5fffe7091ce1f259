"""The tables of a send.

Invariants, held by the database: an issue is sent once; each recipient of it has one row and a
number from 1 on; a chunk has a lease exactly while a process works on it, and what is on the line
stands in a leased chunk.

Nothing that changes while mails go out is in an index of `delivery`, so that PostgreSQL updates
its rows in place (HOT). `delivery` has no foreign keys. Rows of subscribers may go, and the counts
of an issue stay; and to look for the same send a million times would take longer than all else of
fixing the set, in a transaction that may last for half a minute.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from services.notifications.metadata import metadata

_UUID: Final = UUID(as_uuid=True)
_TIME: Final = sa.DateTime(timezone=True)
_NOW: Final = sa.text("now()")
_STATUSES: Final = "status IN ('pending', 'sent', 'failed', 'unknown', 'suppressed')"

send: Final = sa.Table(
    "send",
    metadata,
    sa.Column("issue_id", _UUID, primary_key=True),
    sa.Column("number", sa.Integer, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False, server_default="running"),
    sa.Column("letters", JSONB, nullable=False),
    sa.Column("fallback", sa.Text, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("bounced", sa.Integer, nullable=False, server_default="0"),
    sa.Column("complained", sa.Integer, nullable=False, server_default="0"),
    sa.Column("begun_at", _TIME, nullable=False),
    sa.Column("ended_at", _TIME),
    sa.CheckConstraint("state IN ('running', 'stopped', 'done')", "state"),
    comment="An issue on its way to its recipients. letters: frozen, for each language. number: "
    "its short name in return paths.",
)
sa.Index("ix_send_running", send.c.begun_at, postgresql_where=sa.text("state = 'running'"))

send_chunk: Final = sa.Table(
    "send_chunk",
    metadata,
    sa.Column("issue_id", _UUID, sa.ForeignKey("send.issue_id"), primary_key=True),
    sa.Column("no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first", sa.Integer, nullable=False),
    sa.Column("last", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("due_at", _TIME, nullable=False, server_default=_NOW),
    sa.Column("lease_token", _UUID),
    sa.Column("in_flight", ARRAY(sa.Integer), nullable=False, server_default="{}"),
    sa.Column("sent", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("unknown", sa.Integer, nullable=False, server_default="0"),
    sa.Column("suppressed", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("state IN ('pending', 'leased', 'done')", "state"),
    sa.CheckConstraint("(state = 'leased') = (lease_token IS NOT NULL)", "lease"),
    sa.CheckConstraint("state = 'leased' OR in_flight = '{}'", "in_flight"),
    sa.CheckConstraint("sent + failed + unknown + suppressed <= last - first + 1", "counts"),
    comment="Some recipients of a send, worked on by one process at a time. due_at: when to begin "
    "or go on, or when the lease ends. in_flight: recipients whose mail may be on the line.",
    postgresql_with={"fillfactor": "50"},
)
sa.Index(
    "ix_send_chunk_open",
    send_chunk.c.issue_id,
    send_chunk.c.no,
    postgresql_where=sa.text("state <> 'done'"),
)

delivery: Final = sa.Table(
    "delivery",
    metadata,
    sa.Column("issue_id", _UUID, primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("subscriber_id", _UUID, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="pending"),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default=sa.text("'0'::smallint")),
    sa.Column("smtp_code", sa.SmallInteger),
    sa.Column("error", sa.Text),
    sa.Column("due_at", _TIME),
    sa.Column("settled_at", _TIME),
    sa.Column("bounce", sa.Text),
    sa.Column("bounced_at", _TIME),
    sa.CheckConstraint(_STATUSES, "status"),
    sa.CheckConstraint("(status = 'pending') = (settled_at IS NULL)", "settled"),
    sa.CheckConstraint("bounce IN ('hard', 'soft', 'complaint')", "bounce"),
    comment="A recipient of an issue and what became of the mail. due_at: not to be tried before.",
    postgresql_with={"fillfactor": "70"},
)
sa.Index("ix_delivery_subscriber", delivery.c.subscriber_id)

send_pace: Final = sa.Table(
    "send_pace",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("free_at", _TIME, nullable=False),
    comment="How fast may be sent, shared by all processes: when the next mail may go, for all "
    "mails (the empty name) and for single domains.",
)
