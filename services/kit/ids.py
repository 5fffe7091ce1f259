"""Identifiers: UUIDv7 (RFC 9562, 5.7), which sort by time and keep B-tree inserts at one end."""

from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as FastUUID
from uuid_utils import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new identifier; those of one process rise. Of the kind in which asyncpg gives them, whose
    text and hash cost a tenth of those of the standard library's."""
    made: UUID = FastUUID(_uuid7().bytes)
    return made
