"""The tables of the subscribers.

Invariants, held by the database: an address is there once; whoever is active has confirmed or was
imported; a pause has an end; whoever left or is suppressed has an end. Rows of `consent` and
`subscriber_journal` never change.

Held by the rules (service.py): no suppressed address is active. What makes somebody active holds
their row and looks for a suppression after that; what suppresses an address takes the row first.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

from services.notifications.metadata import metadata

_UUID: Final = UUID(as_uuid=True)
_TIME: Final = sa.DateTime(timezone=True)

subscription_request: Final = sa.Table(
    "subscription_request",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("subscriber_id", _UUID),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("wording_version", sa.Text, nullable=False),
    sa.Column("asked_at", _TIME, nullable=False),
    comment="Who asked for the newsletter and has no answer yet. subscriber_id: who wants it at "
    "another address.",
)

subscriber: Final = sa.Table(
    "subscriber",
    metadata,
    sa.Column("id", _UUID, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False, unique=True),
    sa.Column("address_hash", BYTEA, nullable=False, unique=True),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, server_default="1"),
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("confirmed_at", _TIME),
    sa.Column("paused_until", _TIME),
    sa.Column("ended_at", _TIME),
    sa.CheckConstraint("status IN ('asked', 'active', 'paused', 'left', 'suppressed')", "status"),
    sa.CheckConstraint(
        "status NOT IN ('active', 'paused') OR confirmed_at IS NOT NULL", "confirmed"
    ),
    sa.CheckConstraint("(status = 'paused') = (paused_until IS NOT NULL)", "paused"),
    sa.CheckConstraint("(status IN ('left', 'suppressed')) = (ended_at IS NOT NULL)", "ended"),
    comment="Who gets the newsletter, or did. Only the active get issues. email_key: the address "
    "as it is compared. version: of the last asking. generation: of the links.",
)
sa.Index(
    "ix_subscriber_paused",
    subscriber.c.paused_until,
    postgresql_where=sa.text("status = 'paused'"),
)
sa.Index(
    "ix_subscriber_asked",
    subscriber.c.created_at,
    postgresql_where=sa.text("status = 'asked'"),
)

asking: Final = sa.Table(
    "asking",
    metadata,
    sa.Column(
        "subscriber_id",
        _UUID,
        sa.ForeignKey("subscriber.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("wording_version", sa.Text, nullable=False),
    sa.Column("wording", sa.Text, nullable=False),
    sa.Column("asked_at", _TIME, nullable=False),
    sa.Column("valid_until", _TIME, nullable=False, index=True),
    sa.Column("confirmed_at", _TIME),
    sa.CheckConstraint("purpose IN ('subscribe', 'address')", "purpose"),
    comment="Mails that ask to confirm an address, each with a link of its own.",
)

asked_address: Final = sa.Table(
    "asked_address",
    metadata,
    sa.Column("address_hash", BYTEA, primary_key=True),
    sa.Column("mailed_at", _TIME, nullable=False, index=True),
    comment="When an address was last asked to confirm.",
)

consent: Final = sa.Table(
    "consent",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column(
        "subscriber_id",
        _UUID,
        sa.ForeignKey("subscriber.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("wording_version", sa.Text),
    sa.Column("wording", sa.Text),
    sa.Column("asked_at", _TIME),
    sa.Column("confirmed_at", _TIME, nullable=False),
    sa.Column("by", sa.Text),
    sa.CheckConstraint("(wording IS NULL) = (wording_version IS NULL)", "wording"),
    comment="Evidence of consent; rows never change. by: the operator who vouches for an import.",
)

subscriber_journal: Final = sa.Table(
    "subscriber_journal",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("subscriber_id", _UUID),
    sa.Column("address_hash", BYTEA, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("by", sa.Text),
    sa.Column("why", sa.Text),
    sa.Column("details", JSONB),
    comment="What happened to a subscriber or a suppressed address; rows never change.",
)
sa.Index("ix_subscriber_journal_who", subscriber_journal.c.subscriber_id, subscriber_journal.c.id)
sa.Index(
    "ix_subscriber_journal_address", subscriber_journal.c.address_hash, subscriber_journal.c.id
)

suppression: Final = sa.Table(
    "suppression",
    metadata,
    sa.Column("address_hash", BYTEA, primary_key=True),
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("by", sa.Text),
    sa.Column("why", sa.Text),
    sa.CheckConstraint("reason IN ('left', 'bounced', 'complained', 'operator')", "reason"),
    comment="Addresses that no import brings back, by SHA-256 of the address as it is compared. "
    "Of those that left, the person's own confirmation does.",
)
