"""What the operators' pages show beside what is in the tables."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.envelope import Locale
from services.kit.errors import EinlassError
from services.notifications.newsletter import repository
from services.notifications.newsletter.domain import calendar
from services.notifications.newsletter.domain.calendar import Number
from services.notifications.newsletter.domain.checks import SENTENCES, Finding, said
from services.notifications.newsletter.domain.errors import NotReady
from services.notifications.newsletter.domain.issue import Issue

Gettext = Callable[[str], str]
_OTHER: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LETTERS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding in the reader's language."""

    error: bool
    sentence: str
    locale: Locale | None
    line: int | None


def findings(found: Sequence[Finding], gettext: Gettext) -> list[Shown]:
    """In the reader's language, errors first."""
    shown = [
        Shown(
            each.severity == "error",
            said(gettext(SENTENCES[each.code]), each.word),
            each.locale,
            each.line,
        )
        for each in found
    ]
    return sorted(shown, key=lambda each: not each.error)


def refused(failure: EinlassError | None, gettext: Gettext) -> list[Shown]:
    """What kept an issue from being planned, in the reader's language."""
    if not isinstance(failure, NotReady):
        return []
    documents: Any = failure.extra["findings"]
    shown = []
    for each in documents:
        sentence = SENTENCES[each["code"]]
        shown.append(
            Shown(True, said(gettext(sentence), each["word"]), each["locale"], each["line"])
        )
    return shown


async def numbers(
    conn: AsyncConnection, issues: Sequence[Issue], zone: ZoneInfo
) -> dict[UUID, Number]:
    """The numbers of those that went out, and of those that are planned, by the present plan."""
    begun, planned = await repository.begun(conn), await repository.planned(conn)
    found: dict[UUID, Number] = {}
    for issue in issues:
        if issue.number is not None:
            found[issue.id] = issue.number
        elif issue.status == "planned" and issue.planned_at is not None:
            found[issue.id] = calendar.expected(issue.id, issue.planned_at, begun, planned, zone)
    return found


def file_name(said_name: str) -> str:
    """A picture's name, made of that of its file: as it can stand in a text."""
    plain = unicodedata.normalize("NFKD", said_name.translate(_LETTERS))
    bare = re.split(r"[/\\]", plain.encode("ascii", "ignore").decode())[-1]
    return _OTHER.sub("-", bare).lower().lstrip("._-")[-100:].lstrip("._-") or "picture"
