"""Public pages as they were last written, for whoever asks next.

Invariant: a page is given again only while the board shows the same as when it was written; what
is a person's own is never kept, and nothing in a kept page is meant for one reader.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from services.contracts.envelope import Locale
from services.kit import etag
from services.registration.board import Board

MOST: Final = 500
# A browser asks each time, since its reader was just told of a change; a cache that many share may
# give the same for a second.
HEADERS: Final = {
    "Cache-Control": "public, max-age=0, s-maxage=1, must-revalidate",
    "Vary": "Accept-Language, Cookie",
}

Key = tuple[str, bytes, Locale]


@dataclass(frozen=True, slots=True)
class Kept:
    """A page and its strong ETag."""

    body: bytes
    etag: str
    generation: int


@dataclass(slots=True)
class KeptPages:
    """The pages of one api process."""

    board: Board
    _pages: OrderedDict[Key, Kept] = field(default_factory=OrderedDict)

    def find(self, key: Key) -> Kept | None:
        """The page of a path, a query and a language."""
        found = self._pages.get(key)
        if found is None:
            return None
        if found.generation != self.board.generation:
            del self._pages[key]
            return None
        return found

    def keep(self, key: Key, body: bytes) -> Kept:
        """Keeps a page that was written just now."""
        made = self._pages[key] = Kept(body, etag.of(body), self.board.generation)
        while len(self._pages) > MOST:
            self._pages.popitem(last=False)
        return made
