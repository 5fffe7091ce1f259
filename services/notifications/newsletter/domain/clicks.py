"""Clicks as totals: where a link of a mail leads over a counter, and where it does not.

Invariant: an address names an issue and a link and nobody, so all recipients get the same; and it
leads where that issue led when it went out, never to what somebody has put into an address.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote, urlsplit

from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK
from services.notifications.newsletter.domain.calendar import Number

Lead: TypeAlias = Callable[[str, str], str]
"""From where a link is to lead and the words that it has to the address in the mail."""

# Words that are an address: mail programs warn of them where the link has another one.
_ADDRESS: Final = re.compile(
    r"\s*(?:[a-z][a-z0-9+.-]*://|www\.|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?:/\S*)?\s*$)", re.IGNORECASE
)
_PERSONAL: Final = (OWN_LINK, UNSUBSCRIBE_LINK)
# What may stand in an address (RFC 3986, 2.2 and 2.3), and what is encoded already.
_AS_IT_IS: Final = ":/?#[]@!$&'()*+,;=-._~%"


@dataclass(frozen=True, slots=True)
class Clicked:
    """A link of an issue's mails and how often it was followed. `no` counts from 1."""

    no: int
    url: str
    clicks: int


def straight(url: str, words: str) -> str:
    """The link itself: nothing is counted."""
    return url


class Counted:
    """A Lead that numbers the links of an issue from 1 on, the same address once, and knows them
    afterwards.

    Links straight all the same: what is not of the web, the newsletter's own pages, a person's own
    links, and a link whose words are an address themselves. `site`: the public address without a
    slash at its end.
    """

    def __init__(self, site: str, number: Number) -> None:
        self._own = f"{site}/newsletter"
        self._path = f"{self._own}/l/{number.year}/{number.number}"
        self._numbers: dict[str, int] = {}

    @property
    def urls(self) -> list[str]:
        """Where the links lead, in the order of their numbers."""
        return list(self._numbers)

    def __call__(self, url: str, words: str) -> str:
        if not self._counts(url) or _ADDRESS.match(words):
            return url
        return f"{self._path}/{self._numbers.setdefault(url, len(self._numbers) + 1)}"

    def _counts(self, url: str) -> bool:
        try:
            scheme = urlsplit(url).scheme
        except ValueError:
            return False
        ours = url.startswith(self._own) and url[len(self._own) :][:1] in ("", "/", "?", "#")
        return scheme in ("http", "https") and not ours and not url.startswith(_PERSONAL)


def location(url: str) -> str:
    """An address as the header Location takes it (RFC 9110, 10.2.2)."""
    return quote(url, safe=_AS_IT_IS)
