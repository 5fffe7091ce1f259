"""The tables of notifications.

Invariants, held by the database: a mail is in the ledger once per (kind, registration, version)
or (kind, subscriber, version), and goes to one of the two; a mail has a lease exactly while it is
being sent; a sent mail says when; who is offered a place has an offer; people are reminded of an
event once for each distance to its first day.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

from services.notifications.metadata import metadata

_UUID: Final = UUID(as_uuid=True)
_TIME: Final = sa.DateTime(timezone=True)

event: Final = sa.Table(
    "event",
    metadata,
    sa.Column("id", _UUID, primary_key=True),
    sa.Column("slug", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("details", JSONB, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False, server_default="0"),
    # registration tells the days in order
    sa.Column(
        "first_day", sa.Text, sa.Computed("details #>> '{days,0,date}'", persisted=True), index=True
    ),
    sa.Column("dated_at", _TIME),
    comment="What registration told of an event; seq counts its messages on notifications.v1. "
    "dated_at: since when it has its first day.",
)

participant: Final = sa.Table(
    "participant",
    metadata,
    sa.Column("registration_id", _UUID, primary_key=True),
    sa.Column("event_id", _UUID, sa.ForeignKey("event.id"), nullable=False, index=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("seats", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("manage_url", sa.Text, nullable=False),
    sa.Column("offer", JSONB),
    sa.Column("quiet_revision", sa.Integer),
    sa.Column("confirmed_at", _TIME),
    sa.CheckConstraint("status IN ('confirmed', 'waitlisted', 'offered', 'cancelled')", "status"),
    sa.CheckConstraint("status <> 'offered' OR offer IS NOT NULL", "offer"),
    comment="Who is signed up for an event, to be told of its changes. quiet_revision: that of the "
    "last change that no mail tells of. confirmed_at: since when they have a place.",
)

broadcast: Final = sa.Table(
    "broadcast",
    metadata,
    sa.Column("id", _UUID, primary_key=True),
    sa.Column("number", sa.Integer, sa.Identity(always=True), nullable=False),
    sa.Column("event_id", _UUID, sa.ForeignKey("event.id"), nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    sa.Column("texts", JSONB, nullable=False),
    sa.Column("recipients", sa.Integer, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_at", _TIME, nullable=False, server_default=sa.text("now()")),
    sa.Column("reason", sa.Text),
    sa.Column("key_digest", BYTEA),
    sa.Column("request_digest", BYTEA, nullable=False),
    sa.Column("cancelled_by", sa.Text),
    sa.Column("cancelled_at", _TIME),
    sa.Column("cancel_reason", sa.Text),
    sa.CheckConstraint("audience IN ('confirmed', 'waiting', 'all')", "audience"),
    sa.CheckConstraint("recipients > 0", "recipients"),
    sa.CheckConstraint("(cancelled_at IS NULL) = (cancelled_by IS NULL)", "cancelled"),
    comment="What operators wrote to all of an event. number: the version of its mails.",
)
sa.Index("ix_broadcast_event", broadcast.c.event_id, broadcast.c.id)
sa.Index(
    "uq_broadcast_key",
    broadcast.c.asked_by,
    broadcast.c.key_digest,
    unique=True,
    postgresql_where=sa.text("key_digest IS NOT NULL"),
)

reminder: Final = sa.Table(
    "reminder",
    metadata,
    sa.Column("event_id", _UUID, sa.ForeignKey("event.id"), primary_key=True),
    sa.Column("first_day", sa.Text, primary_key=True),
    sa.Column("days", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, sa.Identity(always=True), nullable=False),
    sa.Column("recipients", sa.Integer, nullable=False),
    sa.Column("written_at", _TIME, nullable=False, server_default=sa.text("now()")),
    comment="Of which events people were reminded, so many days before the first one. number: the "
    "version of its mails.",
)

mail: Final = sa.Table(
    "mail",
    metadata,
    sa.Column("id", _UUID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("registration_id", _UUID),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("event_id", _UUID, sa.ForeignKey("event.id")),
    sa.Column("subscriber_id", _UUID),
    sa.Column("broadcast_id", _UUID, sa.ForeignKey("broadcast.id")),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="pending"),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", _TIME, nullable=False, server_default=sa.text("now()")),
    sa.Column("lease_token", _UUID),
    sa.Column("smtp_code", sa.SmallInteger),
    sa.Column("last_error", sa.Text),
    sa.Column("message_id", sa.Text),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.text("now()")),
    sa.Column("sent_at", _TIME),
    sa.Column("content", JSONB),
    sa.UniqueConstraint("kind", "registration_id", "version"),
    sa.CheckConstraint("num_nonnulls(registration_id, subscriber_id) = 1", "recipient"),
    sa.CheckConstraint("(registration_id IS NULL) = (event_id IS NULL)", "event"),
    sa.CheckConstraint("status IN ('pending', 'sending', 'sent', 'failed', 'withdrawn')", "status"),
    sa.CheckConstraint("(status = 'sending') = (lease_token IS NOT NULL)", "lease"),
    sa.CheckConstraint("status <> 'sent' OR sent_at IS NOT NULL", "sent_at"),
    sa.CheckConstraint("status NOT IN ('pending', 'sending') OR content IS NOT NULL", "content"),
    comment="The ledger: one row a mail. due_at: when to try it, when its lease ends, or when it "
    "came to its end.",
)

_OPEN: Final = sa.text("status IN ('pending', 'sending')")
sa.Index("ix_mail_due", mail.c.priority, mail.c.due_at, postgresql_where=_OPEN)
sa.Index("ix_mail_open", mail.c.registration_id, mail.c.sequence, postgresql_where=_OPEN)
sa.Index("ix_mail_event", mail.c.event_id, mail.c.id)
sa.Index("ix_mail_failed", mail.c.id, postgresql_where=sa.text("status = 'failed'"))
sa.Index(
    "ix_mail_forget",
    mail.c.due_at,
    postgresql_where=sa.text("status IN ('sent', 'failed') AND content IS NOT NULL"),
)
sa.Index(
    "ix_mail_broadcast",
    mail.c.broadcast_id,
    postgresql_where=sa.text("broadcast_id IS NOT NULL"),
)
sa.Index(
    "uq_mail_kind_subscriber_id_version",
    mail.c.kind,
    mail.c.subscriber_id,
    mail.c.version,
    unique=True,
    postgresql_where=sa.text("subscriber_id IS NOT NULL"),
)
