"""Strong entity tags (RFC 9110, 8.8.3) of what is kept in memory."""

import hashlib


def of(body: bytes) -> str:
    """The tag, with its quotation marks."""
    return f'"{hashlib.sha256(body).hexdigest()[:20]}"'


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Whether who asks has it already (RFC 9110, 13.1.2)."""
    return if_none_match is not None and etag in if_none_match
