"""Tables of registration's own database.

Invariant: the checks and unique indexes here say again what the rules keep, so that a mistake
in a rule fails the transaction instead of overselling.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

from services.kit.db import NAMING, add_message_tables

metadata = sa.MetaData(naming_convention=NAMING)
_STAMP = sa.DateTime(timezone=True)
_ACTIVE = sa.text("status IN ('confirmed', 'waitlisted', 'offered')")

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("slug", sa.Text, nullable=False, unique=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("days", JSONB, nullable=False),
    sa.Column("timezone", sa.Text, nullable=False),
    sa.Column("place", sa.Text),
    sa.Column("contact", sa.Text),
    sa.Column("few_left", JSONB, nullable=False),
    sa.Column("max_party", sa.Integer, nullable=False),
    sa.Column("opens_at", _STAMP),
    sa.Column("closes_at", _STAMP),
    sa.Column("cancel_until", _STAMP),
    # domain.offer.Rules; what is not in it has its default.
    sa.Column("waitlist", JSONB, nullable=False, server_default=sa.text("'{}'")),
    sa.Column("series", sa.Text, index=True),
    sa.Column("questions", JSONB, nullable=False),
    sa.Column("created_at", _STAMP, nullable=False, server_default=sa.text("now()")),
    sa.Column("updated_at", _STAMP, nullable=False, server_default=sa.text("now()")),
    sa.CheckConstraint("status IN ('draft', 'published', 'called_off')", name="status"),
)

# One narrow row an event, the only one that every sign-up writes: half-empty pages keep its new
# versions on the same page (HOT), so no index grows with the number of sign-ups.
seats = sa.Table(
    "seats",
    metadata,
    sa.Column("event_id", UUID(as_uuid=True), sa.ForeignKey("event.id"), primary_key=True),
    sa.Column("capacity", sa.Integer, nullable=False),
    sa.Column("confirmed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("held", sa.Integer, nullable=False, server_default="0"),
    sa.Column("waiting", sa.Integer, nullable=False, server_default="0"),
    sa.Column("line", sa.Integer, nullable=False, server_default="0"),
    sa.Column("seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("light", sa.Text),
    sa.Column("light_at", _STAMP, nullable=False, server_default=sa.text("clock_timestamp()")),
    sa.CheckConstraint("confirmed + held <= capacity", name="never_oversold"),
    sa.CheckConstraint(
        "confirmed >= 0 AND held >= 0 AND waiting >= 0 AND line >= 0", name="not_negative"
    ),
    sa.CheckConstraint("light IN ('green', 'yellow', 'red')", name="light"),
    postgresql_with={"fillfactor": 50},
)

registration = sa.Table(
    "registration",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    # No foreign key: whoever writes holds the lock of the event's row, events are never deleted,
    # and the check would cost a look-up for each row of a batch.
    sa.Column("event_id", UUID(as_uuid=True), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("via", sa.Text),
    sa.Column("seats", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("answers", JSONB, nullable=False),
    sa.Column("terms_version", sa.Text, nullable=False),
    sa.Column("terms_agreed_at", _STAMP, nullable=False),
    sa.Column("token_digest", BYTEA, nullable=False),
    sa.Column("token_sealed", BYTEA, nullable=False),
    sa.Column("idempotency_digest", BYTEA),
    sa.Column("request_digest", BYTEA, nullable=False),
    sa.Column("first_status", sa.Text, nullable=False),
    sa.Column("first_position", sa.Integer),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    sa.Column("created_at", _STAMP, nullable=False),
    sa.Column("updated_at", _STAMP, nullable=False),
    sa.Column("rank", sa.BigInteger, nullable=False),
    sa.Column("offered_seats", sa.Integer),
    sa.Column("offered_until", _STAMP),
    sa.Column("wanted_at", _STAMP),
    sa.Column("moved_up_at", _STAMP),
    sa.Column("bundle", UUID(as_uuid=True)),
    sa.CheckConstraint(
        "status IN ('confirmed', 'waitlisted', 'offered', 'cancelled', 'expired')", name="status"
    ),
    sa.CheckConstraint(
        "(status = 'offered') = (offered_seats IS NOT NULL) "
        "AND (status = 'offered') = (offered_until IS NOT NULL)",
        name="offer",
    ),
    sa.CheckConstraint("seats >= 1", name="seats"),
    sa.UniqueConstraint("event_id", "seq"),
)
sa.Index(
    "uq_registration_active_address",
    registration.c.event_id,
    registration.c.email_key,
    unique=True,
    postgresql_where=_ACTIVE,
)
sa.Index(
    "uq_registration_idempotency",
    registration.c.event_id,
    registration.c.idempotency_digest,
    unique=True,
    postgresql_where=sa.text("idempotency_digest IS NOT NULL"),
)
sa.Index(
    "ix_registration_line",
    registration.c.event_id,
    registration.c.rank,
    postgresql_where=sa.text("status = 'waitlisted'"),
)
sa.Index(
    "ix_registration_offered",
    registration.c.offered_until,
    postgresql_where=sa.text("status = 'offered'"),
)
sa.Index(
    "ix_registration_moved_up",
    registration.c.event_id,
    registration.c.moved_up_at,
    postgresql_where=sa.text("moved_up_at IS NOT NULL"),
)
sa.Index(
    "ix_registration_bundle",
    registration.c.bundle,
    postgresql_where=sa.text("bundle IS NOT NULL"),
)

operator = sa.Table(
    "operator",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("token_digest", BYTEA, nullable=False, unique=True),
    sa.Column("created_at", _STAMP, nullable=False, server_default=sa.text("now()")),
    sa.CheckConstraint("role IN ('viewer', 'editor', 'admin')", name="role"),
)

add_message_tables(metadata)
