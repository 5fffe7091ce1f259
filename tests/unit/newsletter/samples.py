"""An issue to try things on."""

import base64
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from services.notifications.newsletter.domain.calendar import Number
from services.notifications.newsletter.domain.clicks import Lead, straight
from services.notifications.newsletter.domain.issue import Issue, Words
from services.notifications.newsletter.programme import Day, Event
from services.notifications.newsletter.rendering import Scene
from services.notifications.newsletter.repository import StoredPicture
from services.notifications.settings import NotificationsSettings

SITE = "https://einlass.example.org"
NOW = datetime(2027, 3, 2, 9, tzinfo=UTC)

GERMAN = """\
::: lead
Der Frühling kommt, und mit ihm **drei neue Kurse** – und ein Garten, den alle mögen.
:::

::: article Ein Garten für alle
picture: garten.jpg
alt: Zwei Frauen pflanzen einen Apfelbaum
link: https://www.example.com/garten
label: Zum Garten

Im Hof entsteht ein Garten. Wer mag, [kommt vorbei](/events) und hilft:

- samstags von 10 bis 12 Uhr
- mit Handschuhen
:::

Dazwischen steht ein Absatz.

::: events Was als Nächstes kommt
count: 2
:::

::: imprint
Stiftung Stadt und Land, Am Markt 1, 12345 Musterstadt, [post@example.org](mailto:post@example.org)
:::
"""
ENGLISH = GERMAN.replace("Der Frühling kommt", "Spring is coming")

WORDS = Words("Frühling im Hof", "Der Hof wird grün", "Drei neue Kurse und ein Garten", GERMAN)
IN_ENGLISH = Words("Spring in the yard", "The yard turns green", "Three courses", ENGLISH)

PICTURE = StoredPicture("garten.jpg", "0123456789abcdef0123", "image/jpeg", "jpg", 1200, 800, 9)

EVENTS = [
    Event(
        title="Obstbäume schneiden",
        days=[Day(date=date(2027, 3, 12), starts_at=time(18), ends_at=time(20))],
        place="Hof",
        light="green",
        state="open",
        url=f"{SITE}/events/obst",
    ),
    Event(
        title="Bienen <und> Blumen",
        days=[Day(date=date(2027, 4, 2)), Day(date=date(2027, 4, 3))],
        place=None,
        light="red",
        state="booked_up",
        url=f"{SITE}/events/bienen",
    ),
    Event(
        title="Dritte",
        days=[Day(date=date(2027, 5, 2))],
        light=None,
        state="not_open",
        url=f"{SITE}/events/dritte",
    ),
]


def scene(events: Any = EVENTS, lead: Lead = straight) -> Scene:
    return Scene(Number(2027, 1), NOW, {PICTURE.name: PICTURE}, events, lead)


def issue(**changes: Any) -> Issue:
    given: dict[str, Any] = {
        "id": UUID(int=1),
        "status": "draft",
        "version": 1,
        "words": {"de": WORDS, "en": IN_ENGLISH},
        "created_at": NOW,
        "created_by": "edda",
    }
    return Issue(**{**given, **changes})


def settings(**changes: Any) -> NotificationsSettings:
    given: dict[str, Any] = {
        "database_url": "postgresql://nobody@127.0.0.1:1/none",
        "redis_url": "redis://127.0.0.1:1",
        "kafka_bootstrap": "127.0.0.1:1",
        "public_url": SITE,
        "secret_key": base64.urlsafe_b64encode(bytes(32)).decode(),
        "organisation": "Stiftung Stadt & Land",
        "newsletter_title": "mitarbeiten",
        **changes,
    }
    return NotificationsSettings(**given)
