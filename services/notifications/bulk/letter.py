"""What is sent to very many: one letter in each language, with places for the personal links.

Invariant: both constants stand in `html` and in `text` where a person's own links go, and nothing
else of a letter differs from one recipient to the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OWN_LINK: Final = "https://own.link.invalid/"
UNSUBSCRIBE_LINK: Final = "https://unsubscribe.link.invalid/"


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter in one language. `html` is a whole document, `text` the plain part."""

    subject: str
    html: str
    text: str

    def stored(self) -> dict[str, str]:
        """As it is kept in the database."""
        return {"subject": self.subject, "html": self.html, "text": self.text}

    @classmethod
    def of(cls, stored: Mapping[str, str]) -> "Letter":
        """From how it is kept. Raises KeyError."""
        return cls(stored["subject"], stored["html"], stored["text"])
