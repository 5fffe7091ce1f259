"""An issue: its texts, its states, and what goes out.

Invariant: draft → planned → sending → sent, with planned → draft as the only way back, and
sending ⇄ stopped. From the moment in which sending begins nothing of an issue changes but its
state: what was rendered then is what everybody reads, in the mail and in the archive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from services.contracts.envelope import Locale
from services.notifications.newsletter.domain.calendar import Number

Status = Literal["draft", "planned", "sending", "stopped", "sent"]
OPEN: Final[tuple[Status, ...]] = ("draft", "planned")
"""States in which an issue can be written."""
PREFERRED: Final[tuple[Locale, ...]] = ("de", "en")
"""Who reads a language that an issue is not written in gets the first of these that it is."""


@dataclass(frozen=True, slots=True)
class Words:
    """An issue in one language. `preview`: what a mailbox shows beside the subject. `source`:
    domain.source."""

    title: str = ""
    subject: str = ""
    preview: str = ""
    source: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing is written."""
        return not any(each.strip() for each in (self.title, self.subject, self.source))


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as it stands. `number` from the beginning of the sending on. `trouble`: why a
    sending that is due has not begun, as a code."""

    id: UUID
    status: Status
    version: int
    words: Mapping[Locale, Words]
    created_at: datetime
    created_by: str
    planned_at: datetime | None = None
    second: bool = False
    number: Number | None = None
    begun_at: datetime | None = None
    sent_at: datetime | None = None
    deleted_at: datetime | None = None
    trouble: str | None = None

    @property
    def open(self) -> bool:
        """Whether it can be written."""
        return self.status in OPEN and self.deleted_at is None

    @property
    def locales(self) -> list[Locale]:
        """The languages that it is written in."""
        return [locale for locale in PREFERRED if not self.words.get(locale, Words()).empty]

    @property
    def fallback(self) -> Locale:
        """The language for those whose own it is not written in."""
        return next(iter(self.locales), PREFERRED[0])

    @property
    def title(self) -> str:
        """A title to call it by, in whatever language there is one; may be empty."""
        titles = (self.words[locale].title for locale in PREFERRED if locale in self.words)
        return next((title for title in titles if title.strip()), "")


@dataclass(frozen=True, slots=True)
class Rendering:
    """What goes out in one language. `html` and `text` are the mail's parts, with the stand-ins
    for the personal links; `web`: the HTML of the page's content."""

    title: str
    subject: str
    preview: str
    html: str
    text: str
    web: str
