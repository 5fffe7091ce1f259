"""The demo programme: events and sign-ups, put in through the same API that everybody uses.

An event that is there already is left alone, with whatever has become of it, so that loading twice
changes nothing. The texts are in ``programme/``, one file an event; dates there are relative to the
day of loading, so that the programme always shows one event of each kind.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from deploy.local.plan import StackError

PROGRAMME: Final = Path(__file__).parent / "programme"
ZONE: Final = ZoneInfo("Europe/Berlin")

_WEEKDAYS: Final = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
_FENCE: Final = "+++\n"
_PATIENCE: Final = 90.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of the programme.

    Attributes:
        event: as the admin API takes it, published.
        parties: the number of places of each sign-up, in order.
        called_off: why it does not take place; ``None``: it does.
    """

    event: dict[str, Any]
    parties: tuple[int, ...]
    called_off: str | None

    @property
    def slug(self) -> str:
        slug: str = self.event["slug"]
        return slug


def programme(today: date, directory: Path = PROGRAMME) -> list[Entry]:
    """Read all events, in the order of their files' names, with dates counted from ``today``."""
    return [_entry(path, today) for path in sorted(directory.glob("*.md"))]


def load(base_url: str, token: str, log: Callable[[str], None]) -> list[str]:
    """Put in what is not there yet, and return the slugs of that.

    Args:
        base_url: the gateway.
        token: an operator's API token with the role admin or editor.
        log: gets a line for each event.

    Raises:
        StackError: the site refused something, with its answer.
    """
    operator = {"Authorization": f"Bearer {token}"}
    loaded = []
    # Never through a proxy: the site is on this machine.
    with httpx.Client(base_url=base_url, timeout=15, trust_env=False) as client:
        for entry in programme(datetime.now(ZONE).date()):
            found = client.get(f"/api/v1/events/{entry.slug}")
            if found.status_code == httpx.codes.OK:
                continue
            _send(client, "POST", "/api/v1/admin/events", json=entry.event, headers=operator)
            for number, request in enumerate(_sign_ups(entry), start=1):
                _send(
                    client,
                    "POST",
                    f"/api/v1/events/{entry.slug}/registrations",
                    json=request,
                    headers={"Idempotency-Key": f"demo-{entry.slug}-{number}"},
                )
            if entry.called_off is not None:
                change = {"status": "called_off", "reason": entry.called_off}
                path = f"/api/v1/admin/events/{entry.slug}"
                _send(client, "PATCH", path, json=change, headers=operator)
            loaded.append(entry.slug)
            log(f"  put in: {entry.event['title']}")
    return loaded


def _entry(path: Path, today: date) -> Entry:
    head, text = _split(path)
    dates, window = head.pop("dates"), head.pop("registration", {})
    parties = tuple(head.pop("guests", {}).get("parties", ()))
    called_off = head.pop("called_off", None)
    first = _first_day(dates, today)
    days = [
        {"date": (first + timedelta(days=number)).isoformat()}
        | {name: value.isoformat("minutes") for name, value in day.items()}
        for number, day in enumerate(dates["days"])
    ]
    event = {
        "slug": path.stem.partition("-")[2],
        **head,
        "description": text,
        "days": days,
        "registration": _window(window, first, today),
        "waitlist": {"enabled": True, "promotion": "automatic"},
        "status": "published",
    }
    return Entry(event, parties, called_off)


def _split(path: Path) -> tuple[dict[str, Any], str]:
    """The TOML between the two fences, and the Markdown after them."""
    before, head, text = path.read_text(encoding="utf-8").split(_FENCE, 2)
    if before:
        raise ValueError(f"{path.name} does not begin with {_FENCE.strip()}")
    return tomllib.loads(head), text.strip() + "\n"


def _first_day(dates: dict[str, Any], today: date) -> date:
    """A fixed day, or the first such weekday at least so many days ahead."""
    if "first" in dates:
        fixed: date = dates["first"]
        return fixed
    earliest = today + timedelta(days=dates["in_days"])
    ahead = (_WEEKDAYS.index(dates["weekday"]) - earliest.weekday()) % 7
    return earliest + timedelta(days=ahead)


def _window(window: dict[str, int], first: date, today: date) -> dict[str, str]:
    """When sign-up opens and closes, and until when one may cancel by oneself."""
    moments = {}
    if "opens_in_days" in window:
        opening = today + timedelta(days=window["opens_in_days"])
        moments["opens_at"] = datetime.combine(opening, clock_time(9), ZONE)
    for name, field in (
        ("closes_days_before", "closes_at"),
        ("cancel_days_before", "cancel_until"),
    ):
        if name in window:
            last = first - timedelta(days=window[name])
            moments[field] = datetime.combine(last, clock_time(18), ZONE)
    return {name: moment.isoformat() for name, moment in moments.items()}


def _sign_ups(entry: Entry) -> Iterator[dict[str, Any]]:
    for number, seats in enumerate(entry.parties, start=1):
        yield {
            "name": f"Gast {number}",
            "email": f"gast-{number}@example.org",
            "seats": seats,
            "terms_accepted": True,
            "locale": "de",
        }


def _send(client: httpx.Client, method: str, path: str, **request: Any) -> None:
    """Send, and again when the site asks for patience."""
    until = time.monotonic() + _PATIENCE
    while True:
        answer = client.request(method, path, **request)
        if answer.is_success:
            return
        asks = answer.status_code in (
            httpx.codes.TOO_MANY_REQUESTS,
            httpx.codes.SERVICE_UNAVAILABLE,
        )
        if not asks or time.monotonic() > until:
            raise StackError(
                f"The demo programme could not be loaded: {method} {path} was answered with "
                f"{answer.status_code}: {answer.text[:500]}"
            )
        time.sleep(min(float(answer.headers.get("Retry-After", "1")), 10.0))
