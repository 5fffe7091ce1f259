"""What people agree to, word by word.

Invariant: a version never changes. Other words are another version; the older ones stay, since
pages may be in a cache, and what somebody agreed to is kept with their consent.
"""

from typing import Final

from services.contracts.envelope import Locale

WORDING_VERSION: Final = "2026-11"
"""What forms show now."""

_WORDINGS: Final[dict[str, dict[Locale, str]]] = {
    "2026-11": {
        "en": "I agree that {organisation} sends me its newsletter by e-mail, about four times a "
        "year. I can unsubscribe at any time, with a link in every issue.",
        "de": "Ich bin einverstanden, etwa viermal im Jahr den Newsletter per E-Mail zu bekommen "
        "(Absender: {organisation}). Ich kann ihn jederzeit abbestellen, mit einem Link in jeder "
        "Ausgabe.",
    },
}


def known(version: str) -> str:
    """`version`, or the present one where it never was one of ours."""
    return version if version in _WORDINGS else WORDING_VERSION


def wording(version: str, locale: Locale, organisation: str) -> str:
    """The words of a version. Raises KeyError."""
    return _WORDINGS[version][locale].format(organisation=organisation)
