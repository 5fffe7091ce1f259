"""The letters of the sends that a process works on, prepared once each."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from services.kit.db import Database
from services.notifications.bulk.dkim import Signer
from services.notifications.bulk.prepared import Prepared, Sending
from services.notifications.bulk.repository import sends
from services.notifications.bulk.verp import ReturnPaths
from services.notifications.mailer import Identity
from services.notifications.subscribers.links import Links

_KEPT: Final = 4


@dataclass(frozen=True, slots=True)
class Letters:
    """All letters of one send; who reads a language without one gets the fallback's."""

    by_locale: dict[str, Prepared]
    fallback: str

    def for_locale(self, locale: str) -> Prepared:
        """The letter for a reader of `locale`."""
        return self.by_locale.get(locale) or self.by_locale[self.fallback]


@dataclass(slots=True)
class Library:
    """Prepares letters when they are first asked for, and keeps those of the last few sends."""

    identity: Identity
    links: Links
    returns: ReturnPaths | None = None
    signers: tuple[Signer, ...] = ()
    _kept: dict[UUID, Letters] = field(default_factory=dict)

    async def of(self, db: Database, issue_id: UUID) -> Letters:
        """The letters of a send that was begun."""
        found = self._kept.get(issue_id)
        if found is None:
            async with db.at_once() as conn:
                number, letters, fallback = await sends.letters(conn, issue_id)
            sending = Sending(
                issue_id, number, self.identity, self.links, self.returns, self.signers
            )
            found = Letters(
                {locale: Prepared(letter, locale, sending) for locale, letter in letters.items()},
                fallback,
            )
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[issue_id] = found
        return found
