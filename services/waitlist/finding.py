"""What an operator types to find a registration: its id, the end of it, or a link with it.

Invariant: of a link to a person's own page only the id is kept; the secret at its end is not.
"""

import re
from typing import Final
from uuid import UUID

END: Final = 12
"""How many hexadecimal digits at the end of an id stand for it on our pages: its last group,
which is random (RFC 9562, 5.7)."""

_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE
)
_END: Final = re.compile(rf"[0-9a-f]{{{END}}}", re.IGNORECASE)


def short(registration_id: UUID) -> str:
    """The end of an id."""
    return str(registration_id)[-END:]


def named(typed: str) -> str | None:
    """The id or the end of one in what was typed, in small letters; None where there is none."""
    typed = typed.strip()
    link = _ID.search(typed)
    if link is not None:
        return link[0].lower()
    return typed.lower() if _END.fullmatch(typed) else None
