"""The tables of the waitlist.

Invariants, held by the database: no count is negative; an entry has ended exactly where it
does not wait, and has an offer exactly where it is offered one; the ledger only grows (the
trigger `ledger_is_append_only`, in the first migration, refuses UPDATE, DELETE and TRUNCATE
whoever asks).
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from services.kit.db import NAMING, add_message_tables

metadata: Final = sa.MetaData(naming_convention=NAMING)
add_message_tables(metadata)

_UUID: Final = UUID(as_uuid=True)
_TIME: Final = sa.DateTime(timezone=True)
_RANKS: Final = sa.ARRAY(sa.BigInteger)
_WAITS: Final = sa.text("state = 'waiting'")

line: Final = sa.Table(
    "line",
    metadata,
    sa.Column("event_id", _UUID, primary_key=True),
    # Not unique: two events may exchange a slug, and their messages come in any order.
    sa.Column("slug", sa.Text, index=True),
    sa.Column("title", sa.Text),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("free", sa.Integer, nullable=False),
    sa.Column("waiting", sa.Integer, nullable=False),
    sa.Column("length", sa.Integer, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("promotion", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("passes", sa.Integer, nullable=False),
    sa.Column("ends_at", _TIME),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("passed_by", _RANKS, nullable=False),
    sa.CheckConstraint("free >= 0", "free"),
    sa.CheckConstraint("length >= 0 AND waiting >= length", "waiting"),
    sa.CheckConstraint("promotion IN ('automatic', 'offer')", "promotion"),
    sa.CheckConstraint("policy IN ('strict', 'fill', 'partial')", "policy"),
    sa.CheckConstraint("passes >= 0", "passes"),
    sa.Index("ix_line_ending", "ends_at", postgresql_where=sa.text("open AND free > 0")),
    comment="One row an event; whoever changes anything of a line holds this row's lock.",
)

entry: Final = sa.Table(
    "entry",
    metadata,
    sa.Column("registration_id", _UUID, primary_key=True),
    sa.Column("event_id", _UUID, sa.ForeignKey("line.event_id"), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("seats", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("joined_at", _TIME, nullable=False),
    sa.Column("ended_at", _TIME),
    sa.Column("rank", sa.BigInteger, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("whole", sa.Boolean, nullable=False),
    sa.Column("until", _TIME),
    sa.Column("passed_by", _RANKS, nullable=False),
    sa.CheckConstraint("seats >= 1", "seats"),
    sa.CheckConstraint("state IN ('waiting', 'promoted', 'offered', 'confirmed', 'left')", "state"),
    sa.CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", "ended_at"),
    sa.CheckConstraint("(state = 'offered') = (until IS NOT NULL)", "until"),
    sa.Index("ix_entry_waiting", "event_id", "rank", postgresql_where=_WAITS),
    sa.Index("ix_entry_size", "event_id", "seats", "rank", postgresql_where=_WAITS),
    sa.Index(
        "ix_entry_called_up",
        "event_id",
        "rank",
        postgresql_where=sa.text("state IN ('promoted', 'offered')"),
    ),
    comment="One row a party that ever stood in line; its place is the order of rank.",
)

ledger: Final = sa.Table(
    "ledger",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("event_id", _UUID, sa.ForeignKey("line.event_id"), nullable=False),
    sa.Column("registration_id", _UUID),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("seats", sa.Integer, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("number", sa.Integer),
    sa.Column("by", sa.Text),
    sa.Column("why", sa.Text),
    sa.CheckConstraint("seats >= 0", "seats"),
    sa.CheckConstraint(
        "(actor = 'operator') = (by IS NOT NULL) AND (by IS NULL) = (why IS NULL)", "operator"
    ),
    sa.Index(None, "event_id", "id"),
    sa.Index(
        None,
        "registration_id",
        "id",
        postgresql_where=sa.text("registration_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_ledger_operator", "event_id", "id", postgresql_where=sa.text("actor = 'operator'")
    ),
    comment="What happened in each line and why, in the order in which it became known here.",
)
