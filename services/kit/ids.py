"""Identifiers: UUIDv7 (RFC 9562, 5.7), which sort by time and keep B-tree inserts at one end."""

from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new identifier; those of one process rise."""
    return _uuid7()
