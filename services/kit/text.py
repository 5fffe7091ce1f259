"""Text that can be kept.

Invariant: what passes here goes into PostgreSQL, Kafka and a mail unchanged. JSON and Python
know two things that UTF-8 text in PostgreSQL does not: the character NUL, and halves of
surrogate pairs that stand alone (RFC 8259, 8.2).
"""

import re
from typing import Any, Final

_BROKEN: Final = re.compile("[\0\ud800-\udfff]")


def kept(text: str) -> str:
    """`text`, for the validation of a field. Raises ValueError where it cannot be kept."""
    if _BROKEN.search(text):
        raise ValueError("a character in it cannot be kept")
    return text


def can_be_kept(value: Any) -> bool:
    """Whether all text in JSON data, the names of members too, can be kept."""
    todo = [value]
    while todo:
        match todo.pop():
            case str() as text if _BROKEN.search(text):
                return False
            case dict() as members:
                todo += [*members.keys(), *members.values()]
            case list() as items:
                todo += items
            case _:
                pass
    return True
