"""Subscribers in CSV files (RFC 4180, UTF-8): ours, and those of listmonk.

Invariants:
- Whoever is not known to have agreed is not made a subscriber by a file.
- No cell of ours is a formula to a spreadsheet: one that would begin like one begins with an
  apostrophe (OWASP, CSV Injection), which reading takes off again.

Ours has the columns of COLUMNS, of which `email` alone is needed. listmonk's export has `uuid,
email, name, attributes, status, created_at, updated_at` (listmonk, cmd/subscribers.go); its
status is enabled, disabled or blocklisted, and a language may stand in its attributes.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from services.contracts.envelope import Locale
from services.kit.i18n import LOCALES
from services.kit.text import can_be_kept
from services.notifications.subscribers.domain.address import Address, look
from services.notifications.subscribers.domain.errors import NotACsvFile
from services.notifications.subscribers.domain.model import Reason, Subscriber

COLUMNS: Final = (
    "email",
    "locale",
    "status",
    "source",
    "created_at",
    "confirmed_at",
    "paused_until",
    "ended_at",
    "reason",
)
Why = Literal[
    "invalid", "double", "known", "suppressed", "left", "not_confirmed", "disabled", "unreadable"
]
"""Why a line was not taken: no address, an address that stood further up, who gets the newsletter
already, an address on the suppression list or that left, who never confirmed, who is disabled at
listmonk, or a status or a time that cannot be read."""
Wish = Literal["active", "paused", "left", "suppressed"]

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
_REASONS: Final[tuple[Reason, ...]] = ("bounced", "complained", "operator")
_SUBSCRIBED: Final = frozenset({"", "active", "enabled", "confirmed", "subscribed"})


@dataclass(frozen=True, slots=True)
class Line:
    """What a line of a file asks for. `confirmed_at`: None where the file does not say.
    `paused_until` is set for a pause, `reason` for a suppression."""

    number: int
    address: Address
    wish: Wish
    locale: Locale
    confirmed_at: datetime | None = None
    paused_until: datetime | None = None
    reason: Reason = "operator"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that is not taken. `number`: in the file, 1 is the heading."""

    number: int
    why: Why


def read(text: str, default: Locale) -> Iterator[Line | Skipped]:
    """The lines of a file, in order. Who has no language of ours gets `default`.

    Raises NotACsvFile where there is no heading with `email` in it, at the first line that is
    wanted.
    """
    sample = text[:4096].partition("\n")[0]
    delimiter = ";" if sample.count(";") > sample.count(",") else ","
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
    try:
        heading = [cell.strip().casefold() for cell in next(rows, [])]
        if "email" not in heading:
            raise NotACsvFile
        seen: set[bytes] = set()
        for row in rows:
            if any(cell.strip() for cell in row):
                cells = dict(zip(heading, map(_plain, row), strict=False))
                found = _line(rows.line_num, cells, default)
                if isinstance(found, Line):
                    if found.address.digest in seen:
                        found = Skipped(found.number, "double")
                    else:
                        seen.add(found.address.digest)
                yield found
    except csv.Error:
        raise NotACsvFile from None


def _line(number: int, cells: Mapping[str, str], default: Locale) -> Line | Skipped:
    address = look(cells["email"]) if can_be_kept(cells.get("email", "\0")) else None
    if address is None:
        return Skipped(number, "invalid")
    try:
        return _wish(number, address, cells, _locale(cells, default))
    except ValueError:
        return Skipped(number, "unreadable")


def _wish(
    number: int, address: Address, cells: Mapping[str, str], locale: Locale
) -> Line | Skipped:
    """Raises ValueError for what cannot be read."""
    status = cells.get("status", "").casefold()
    ours = "uuid" not in cells
    if status in _SUBSCRIBED:
        told = cells.get("confirmed_at", "") if ours else cells.get("created_at", "")
        return Line(number, address, "active", locale, _time(told))
    if status == "paused":
        until = _time(cells.get("paused_until", ""))
        if until is None:
            raise ValueError("a pause without an end")
        confirmed = _time(cells.get("confirmed_at", ""))
        return Line(number, address, "paused", locale, confirmed, until)
    if status in ("left", "unsubscribed"):
        return Line(number, address, "left", locale, reason="left")
    if status in ("suppressed", "blocklisted"):
        said = cells.get("reason", "")
        reason: Reason = next((one for one in _REASONS if one == said), "operator")
        return Line(number, address, "suppressed", locale, reason=reason)
    if status in ("asked", "unconfirmed"):
        return Skipped(number, "not_confirmed")
    if status == "disabled":
        return Skipped(number, "disabled")
    raise ValueError(status)


def _locale(cells: Mapping[str, str], default: Locale) -> Locale:
    """The language in `locale`, or in listmonk's attributes, or `default`."""
    said = cells.get("locale", "") or _attribute(cells.get("attributes", ""))
    return next((one for one in LOCALES if said.casefold().split("-")[0] == one), default)


def _attribute(text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    said = (found.get(name) for name in ("locale", "language", "lang"))
    return next((one for one in said if isinstance(one, str)), "")


def _time(text: str) -> datetime | None:
    """A time in ISO 8601, or as listmonk writes it. UTC where it does not say. Raises
    ValueError."""
    if not text:
        return None
    plain = text.removesuffix(" UTC").replace(" +0000", "+00:00")
    found = datetime.fromisoformat(plain)
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return aware.astimezone(UTC)


def _plain(cell: str) -> str:
    """A cell without what keeps a spreadsheet from taking it for a formula."""
    text = cell.strip()
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULAS else text


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


def heading() -> str:
    """The first line of our files."""
    return written([COLUMNS])


def lines(found: Iterable[tuple[Subscriber, Reason | None]]) -> str:
    """The lines of subscribers in our files."""
    return written(
        (
            one.email,
            one.locale,
            one.status,
            one.source,
            _said(one.created_at),
            _said(one.confirmed_at),
            _said(one.paused_until),
            _said(one.ended_at),
            reason or "",
        )
        for one, reason in found
    )


def written(rows: Iterable[Iterable[str]]) -> str:
    """Rows as CSV."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue()


def _said(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else ""
