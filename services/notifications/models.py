"""The tables of notifications.

Invariants, held by the database: a mail is in the ledger once per (kind, registration, version);
a mail has a lease exactly while it is being sent; a sent mail says when; who is offered a place
has an offer.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from services.kit.db import NAMING, add_message_tables

metadata: Final = sa.MetaData(naming_convention=NAMING)
add_message_tables(metadata)

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
    comment="What registration told of an event; seq counts its messages on notifications.v1.",
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
    sa.CheckConstraint("status IN ('confirmed', 'waitlisted', 'offered', 'cancelled')", "status"),
    sa.CheckConstraint("status <> 'offered' OR offer IS NOT NULL", "offer"),
    comment="Who is signed up for an event, to be told of its changes. quiet_revision: that of the "
    "last change that no mail tells of.",
)

mail: Final = sa.Table(
    "mail",
    metadata,
    sa.Column("id", _UUID, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("registration_id", _UUID, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("event_id", _UUID, sa.ForeignKey("event.id"), nullable=False),
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
    sa.CheckConstraint("status IN ('pending', 'sending', 'sent', 'failed')", "status"),
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
