"""The public pages over registration in memory, with a programme that shows every state."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, cast
from uuid import UUID, uuid5

from fastapi import FastAPI
from pydantic import SecretStr

from services.kit import web
from services.kit.clock import FixedClock
from services.registration import api, lean, pages
from services.registration.domain.event import Day, Event
from services.registration.domain.form import SignUp
from services.registration.domain.light import FewLeft
from services.registration.domain.offer import Rules
from services.registration.domain.seats import Seats
from services.registration.fakes import MemoryBoard, MemoryService
from services.registration.kept import KeptPages
from services.registration.service import Service
from services.registration.settings import RegistrationSettings

NOW = datetime(2026, 10, 6, 10, 0, tzinfo=UTC)
_IDS = UUID("7d0f2c1e-0d4b-4c57-9a55-3f0d6a5f7b11")
TEXT = """\
Städte werden digital: Parkhäuser melden freie Plätze, Laternen zählen Schritte, Ämter antworten \
über Nacht. Was davon **nützt den Menschen**, die dort wohnen? Und wie reden sie mit, bevor \
entschieden ist?

## Ablauf

1. Ankommen und Kaffee
2. Drei Beispiele aus Münster, Tampere und Gent
3. Werkstatt in kleinen Gruppen
4. Was nehmen wir mit?

Bitte bringen Sie mit:

- ein Beispiel aus Ihrer Kommune
- etwas zum Schreiben

> Beteiligung heißt, dass sich am Ende etwas ändern kann.

Mehr darüber steht beim [Bundesamt für Beispiele](https://example.org/beteiligung).
"""


@dataclass(frozen=True, slots=True)
class Preview:
    """An application and what stands behind it."""

    app: FastAPI
    service: MemoryService
    board: MemoryBoard
    clock: FixedClock


def event(slug: str, title: str, *days: Day, **changes: Any) -> Event:
    """A published event."""
    return replace(
        Event(
            id=uuid5(_IDS, slug),
            slug=slug,
            title=title,
            days=days or (Day(date(2026, 11, 5), time(18), time(20)),),
            timezone="Europe/Berlin",
            few_left=FewLeft(seats=3, share=None),
            place="Rathaus, Festsaal, Prinzipalmarkt 8, 48143 Münster",
            contact="Dr. Änne Groß, veranstaltungen@stadt.example, 0251 123456",
            description=TEXT,
            status="published",
        ),
        **changes,
    )


def programme() -> list[tuple[Event, Seats]]:
    """Events in every state, with long titles, umlauts and missing facts."""
    return [
        (
            event(
                "digitale-stadt",
                "Die digitale Stadt gemeinsam mit den Bürger/innen entwickeln",
                Day(date(2026, 10, 9)),
                Day(date(2026, 10, 10)),
                summary="Zwei Tage Werkstatt für kommunale Beschäftigte und Engagierte.",
                max_party=4,
            ),
            Seats(capacity=40, confirmed=12),
        ),
        (
            event(
                "kompost",
                "Kompost für Anfänger: vom Küchenabfall zur schwarzen Erde",
                Day(date(2026, 10, 17), time(10), time(13)),
                place="Gemeinschaftsgarten am Kanal",
                contact=None,
                summary="Praktisch, mit den Händen und bei jedem Wetter.",
            ),
            Seats(capacity=12, confirmed=10),
        ),
        (
            event(
                "vorlesen",
                "Vorlesen lernen",
                Day(date(2026, 10, 24), time(9, 30), time(16)),
                Day(date(2026, 10, 31), time(9, 30), time(16)),
                summary="Wie Geschichten Kinder und Erwachsene in den Bann ziehen.",
                place="Stadtbücherei",
                questions={
                    "food": {
                        "type": "string",
                        "title": "Was möchten Sie zu Mittag essen?",
                        "enum": ["mit Fleisch", "vegetarisch", "vegan"],
                        "required": True,
                    },
                    "age": {
                        "type": "integer",
                        "title": "Wie alt sind die Kinder, denen Sie vorlesen?",
                        "minimum": 0,
                        "maximum": 17,
                    },
                    "photo": {"type": "boolean", "title": "Fotos von mir sind in Ordnung."},
                    "note": {
                        "type": "string",
                        "title": "Was sollen wir wissen?",
                        "description": "Zum Beispiel, ob Sie eine Rampe brauchen.",
                        "maxLength": 500,
                    },
                },
                cancel_until=datetime(2026, 10, 20, 16, 0, tzinfo=UTC),
            ),
            Seats(capacity=8, confirmed=8, waiting=2, line=2),
        ),
        (
            event(
                "barrierefreiheit",
                "Donaudampfschifffahrtsgesellschaft und andere "
                "Verwaltungssprachbarrierefreiheitsverbesserungsvorhaben",
                Day(date(2026, 11, 3), time(14)),
                summary="Leichte Sprache im Amt: Übungen an echten Bescheiden.",
                opens_at=datetime(2026, 10, 20, 7, 0, tzinfo=UTC),
            ),
            Seats(capacity=20),
        ),
        (
            event(
                "chor",
                "Offenes Singen im Advent",
                Day(date(2026, 11, 28), time(17), time(18, 30)),
                summary="",
                place=None,
                contact=None,
                description="",
                waitlist=Rules(enabled=False),
            ),
            Seats(capacity=60, confirmed=60),
        ),
        (
            event(
                "haushalt",
                "Wie der städtische Haushalt entsteht",
                Day(date(2026, 12, 1), time(18), time(20)),
                Day(date(2026, 12, 2), time(18), time(20)),
                Day(date(2026, 12, 3), time(18), time(20)),
                summary="Drei Abende mit der Kämmerin.",
                status="called_off",
            ),
            Seats(capacity=20, confirmed=3),
        ),
        (
            event(
                "ehrenamt",
                "Rechte und Pflichten im Ehrenamt",
                Day(date(2026, 12, 8), time(18), time(20)),
                summary="Haftung, Versicherung und Aufwandsentschädigung, verständlich erklärt.",
                closes_at=datetime(2026, 10, 1, 22, 0, tzinfo=UTC),
            ),
            Seats(capacity=20, confirmed=3),
        ),
        (
            event(
                "quartier",
                "Wie wir Quartiere gemeinsam planen",
                Day(date(2027, 1, 15)),
                summary="Vom ersten Gespräch am Gartenzaun bis zum Beschluss im Rat.",
                few_left=FewLeft(seats=1, share=None),
            ),
            Seats(capacity=3),
        ),
        (
            event(
                "digitale-stadt-2023",
                "Die digitale Stadt gemeinsam mit den Bürger/innen entwickeln",
                Day(date(2023, 8, 25)),
                Day(date(2023, 8, 26)),
                summary="Das erste Seminar der Reihe.",
                place="Münster",
                contact=None,
            ),
            Seats(capacity=40, confirmed=40),
        ),
    ]


def person(number: int = 1, **changes: Any) -> SignUp:
    """A sign-up of one person."""
    sent = SignUp(
        name=f"Jörg Müller-Lüdenscheid {number}",
        email=f"gast-{number}@example.org",
        seats=1,
        answers={},
        terms_accepted=True,
        locale="de",
    )
    return replace(sent, **changes)


def settings(**changes: Any) -> RegistrationSettings:
    """Settings that point to no server."""
    return RegistrationSettings.model_validate(
        {
            "redis_url": "redis://127.0.0.1:1",
            "kafka_bootstrap": "127.0.0.1:1",
            "database_url": "postgresql://127.0.0.1:1/none",
            "public_url": "http://localhost",
            "secret_key": SecretStr("A" * 43 + "="),
            "organisation": "Stiftung Stadt und Land",
            **changes,
        }
    )


def preview(**changes: Any) -> Preview:
    """The pages and the API over the programme above, at `NOW`. `changes` are settings."""
    clock = FixedClock(NOW)
    board = MemoryBoard(clock)
    ours = settings(**changes)
    service = MemoryService(board, clock, ours.public_url)
    for item, counters in programme():
        service.put(item, counters)
    kept = KeptPages(board)
    app = web.create_app(
        "Einlass registration",
        version="0",
        public_url=ours.public_url,
        needed={},
        error_page=pages.error_page,
        lean=lean.routes(cast(Service, service), board, kept),
    )
    app.state.settings, app.state.clock, app.state.kept = ours, clock, kept
    app.state.board, app.state.service = board, service
    app.include_router(api.router)
    app.include_router(pages.router)
    return Preview(app, service, board, clock)


@asynccontextmanager
async def started(shown: Preview) -> AsyncIterator[FastAPI]:
    """The application, started as a server would."""
    async with shown.app.router.lifespan_context(shown.app):
        yield shown.app
