"""What the public pages show, worked out from events: pure, with the time passed in.

Invariant: nothing here knows a number of seats, so no page can show one. Words come from the
templates; dates from `kit.dates`.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from babel.dates import get_day_names
from markupsafe import Markup, escape

from services.contracts.envelope import Locale
from services.kit import dates
from services.kit.ical import Entry
from services.registration.board import PublicEvent
from services.registration.domain.event import Day, Event
from services.registration.domain.light import Light, State
from services.registration.markup import html_of, script_json

Form = Literal["join", "wait", "none"]
"""What the form of an event means: a place, a place in line, or that there is no form."""

MAX_SEARCH: Final = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the programme is wished for: a word, past or upcoming, only with a free place."""

    q: str = ""
    when: Literal["upcoming", "past"] = "upcoming"
    free: bool = False

    @classmethod
    def of(cls, params: Mapping[str, str]) -> "Filter":
        """From the address's query. What does not fit is left out, never an error."""
        return cls(
            q=" ".join(params.get("q", "").split())[:MAX_SEARCH],
            when="past" if params.get("when") == "past" else "upcoming",
            free=params.get("free") == "1" and params.get("when") != "past",
        )

    @classmethod
    def of_query(cls, query: str) -> "Filter":
        """From a query in one string, such as `q=stadt&free=1`."""
        try:
            return cls.of(dict(parse_qsl(query, max_num_fields=20)))
        except ValueError:
            return cls()

    @property
    def query(self) -> str:
        """As a query; empty where nothing is filtered."""
        said = {"q": self.q}
        if self.when == "past":
            said["when"] = "past"
        if self.free:
            said["free"] = "1"
        return urlencode({key: value for key, value in said.items() if value})

    @property
    def address(self) -> str:
        """The overview with this filter."""
        return f"/events?{self.query}" if self.query else "/events"

    @property
    def upcoming(self) -> "Filter":
        """The same word in all that is to come."""
        return replace(self, when="upcoming", free=False)

    @property
    def open(self) -> "Filter":
        """The same word in what is to come and has a free place."""
        return replace(self, when="upcoming", free=True)

    @property
    def past(self) -> "Filter":
        """The same word in what is over."""
        return replace(self, when="past", free=False)

    def carried(self, slug: str) -> str:
        """The event's page, which carries the filter along for the way back."""
        suffix = f"?from={quote(self.query, safe='')}" if self.query else ""
        return f"/events/{quote(slug, safe='')}{suffix}"

    def wants(self, public: PublicEvent, now: datetime, locale: Locale) -> bool:
        """Whether an event is among those wished for."""
        if (public.event.ends <= now) != (self.when == "past"):
            return False
        if self.free and public.light not in ("green", "yellow"):
            return False
        words = _folded(self.q).split()
        text = _searchable(public.event, locale) if words else ""
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Row:
    """One event in the overview. `weekday` and `day` make its date block, `when` says the dates
    in full; `opens` is when sign-up opens, where it has not."""

    slug: str
    address: str
    title: str
    summary: str
    place: str
    weekday: str
    day: int
    when: str
    light: Light | None
    state: State
    opens: str
    over: bool


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the overview and its events."""

    name: str
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Page:
    """An event's own page. `when` has a line or more; `opens`, `closes` and `cancels` are moments
    as people say them, empty where they are not set; `text` is safe HTML."""

    slug: str
    title: str
    summary: str
    when: list[str]
    place: str
    contact: str
    text: Markup
    light: Light | None
    state: State
    form: Form
    opens: str
    closes: str
    cancels: str


def form_of(public: PublicEvent) -> Form:
    """What the event's form means now."""
    if public.state != "open":
        return "none"
    return "wait" if public.light == "red" else "join"


def overview(
    events: Iterable[PublicEvent], wish: Filter, now: datetime, locale: Locale
) -> list[Month]:
    """The events wished for, by month: the next one first, or of past ones the last."""
    found = [public for public in events if wish.wants(public, now, locale)]
    found.sort(key=lambda public: (public.event.begins, public.event.slug))
    if wish.when == "past":
        found.reverse()
    rows = [(_first(public.event), _row(public, wish, now, locale)) for public in found]
    return [
        Month(name, [row for _, row in of_month])
        for name, of_month in groupby(rows, key=lambda pair: dates.month(pair[0], locale))
    ]


def page(public: PublicEvent, locale: Locale) -> Page:
    """All that an event's page shows."""
    event = public.event
    return Page(
        slug=event.slug,
        title=event.title,
        summary=event.summary,
        when=dates.schedule(event.days, locale, times_apart=True),
        place=event.place or "",
        contact=event.contact or "",
        text=html_of(event.description),
        light=public.light,
        state=public.state,
        form=form_of(public),
        opens=moment(event, event.opens_at, locale),
        closes=moment(event, event.closes_at, locale),
        cancels=moment(event, event.cancel_until, locale),
    )


def structured(event: Event, public_url: str, organisation: str) -> Markup:
    """The event for search engines (schema.org Event, as JSON-LD), without any number."""
    first, last = min(event.days, key=_begin), max(event.days, key=_begin)
    status = "EventCancelled" if event.status == "called_off" else "EventScheduled"
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Event",
        "name": event.title,
        "url": f"{public_url}/events/{event.slug}",
        "startDate": _iso(event, first, first.starts_at),
        "endDate": _iso(event, last, last.ends_at),
        "eventStatus": f"https://schema.org/{status}",
        "organizer": {"@type": "Organization", "name": organisation, "url": public_url},
    }
    if event.summary:
        data["description"] = event.summary
    if event.place:
        data["location"] = {"@type": "Place", "name": event.place, "address": event.place}
    return script_json(data)


def calendar(event: Event, public_url: str, uid: str, sequence: int, now: datetime) -> Entry:
    """The event as a calendar entry, for a download. Together with the host of `public_url`,
    `uid` is unique in the world."""
    host = urlsplit(public_url).hostname or "localhost"
    return Entry(
        uid=uid,
        host=host.encode("idna").decode(),
        sequence=sequence,
        stamp=now,
        summary=event.title,
        days=event.days,
        zone=event.zone,
        description=event.summary,
        location=event.place or "",
        url=f"{public_url}/events/{event.slug}",
        cancelled=event.status == "called_off",
    )


def sitemap(events: Iterable[PublicEvent], public_url: str) -> str:
    """The site map (sitemaps.org) of the overview and all events."""
    paths = ["/events", *(f"/events/{quote(public.event.slug)}" for public in events)]
    places = "".join(f"<url><loc>{escape(public_url + path)}</loc></url>" for path in paths)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>'
    )


def moment(event: Event, at: datetime | None, locale: Locale) -> str:
    """A moment as people say it where the event takes place; empty where there is none."""
    return dates.moment(at, event.zone, locale) if at is not None else ""


def _row(public: PublicEvent, wish: Filter, now: datetime, locale: Locale) -> Row:
    event, first = public.event, _first(public.event)
    return Row(
        slug=event.slug,
        address=wish.carried(event.slug),
        title=event.title,
        summary=event.summary,
        place=event.place or "",
        weekday=_short_weekday(first, locale),
        day=first.day,
        when=" · ".join(dates.schedule(event.days, locale)),
        light=public.light,
        state=public.state,
        opens=moment(event, event.opens_at, locale) if public.state == "not_open" else "",
        over=event.ends <= now,
    )


def _first(event: Event) -> date:
    return min(day.date for day in event.days)


def _begin(day: Day) -> tuple[date, str]:
    return day.date, str(day.starts_at or "")


def _iso(event: Event, day: Day, at: Any) -> str:
    """ISO 8601: with time and offset, or the date alone where no time is known."""
    if at is None:
        return day.date.isoformat()
    return datetime.combine(day.date, at, event.zone).isoformat()


def _short_weekday(day: date, locale: Locale) -> str:
    return str(get_day_names("abbreviated", "stand-alone", locale)[day.weekday()])


@lru_cache(maxsize=4096)
def _haystack(parts: Sequence[str]) -> str:
    text = " ".join(parts)
    return f"{_folded(text)} {_folded(_spelled_out(text))}"


def _searchable(event: Event, locale: Locale) -> str:
    """What a search looks through: all that the reader can see of an event."""
    when = dates.schedule(event.days, locale)
    month = dates.month(_first(event), locale)
    shown = (event.title, event.summary, event.place or "", event.description, month, *when)
    return _haystack(shown)


def _folded(text: str) -> str:
    """Without case and accents, so that "munster" finds "Münster"."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _spelled_out(text: str) -> str:
    """Umlauts as two letters, so that "Muenster" finds "Münster" too."""
    composed = unicodedata.normalize("NFC", text.lower())
    return composed.translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue"})
