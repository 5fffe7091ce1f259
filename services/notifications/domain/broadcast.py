"""What an operator writes to all of an event, in one language or in several.

Invariant: the words are the operator's own and nobody translates them; who reads a language in
which nothing was written gets what there is.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict

from services.contracts.envelope import Locale

Audience = Literal["confirmed", "waiting", "all"]
"""Whoever has a place; whoever waits or is offered one; both."""

STANDINGS: Final[Mapping[Audience, tuple[str, ...]]] = {
    "confirmed": ("confirmed",),
    "waiting": ("waitlisted", "offered"),
    "all": ("confirmed", "waitlisted", "offered"),
}
"""How somebody of an audience stands (domain.standing)."""


class Words(BaseModel):
    """A mail's subject and its text; a blank line ends a paragraph."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: str
    text: str


def words_for(texts: Mapping[Locale, Words], reader: Locale) -> tuple[Locale, Words]:
    """The words that somebody reads, and in which language. Raises StopIteration where there are
    none at all."""
    language = reader if reader in texts else next(one for one in get_args(Locale) if one in texts)
    return language, texts[language]
