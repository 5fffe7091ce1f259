"""Mails to try, of every kind and in both languages."""

from datetime import UTC, date, datetime, time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any, Final, get_args
from uuid import UUID

from services.contracts.envelope import Locale, Person
from services.contracts.notifications import MailKind
from services.contracts.registration import Day, EventDetails
from services.notifications.domain.broadcast import Words
from services.notifications.domain.mail import Mail, MailContent, Offer
from services.notifications.mailer import Identity, Mailer
from services.notifications.mime import Envelope, Mailbox

KINDS: Final[tuple[MailKind, ...]] = get_args(MailKind)
LOCALES: Final[tuple[Locale, ...]] = get_args(Locale)
REGISTRATION: Final = UUID("019234ab-7c1d-7def-8123-456789abcdef")
LINK: Final = f"https://einlass.test/registrations/{REGISTRATION}/Zk3vQ0yX8n1pWc5rT2uBfg"
IDENTITY: Final = Identity(
    organisation="Stiftung Lebendige Stadt",
    sender=Mailbox("Stiftung Lebendige Stadt", "anmeldung@einlass.test"),
    reply_to=None,
    host="einlass.test",
    accent="#0b5563",
)
MAILER: Final = Mailer(IDENTITY)


def event(**changes: Any) -> EventDetails:
    """The seminar."""
    return EventDetails(
        **{
            "slug": "stadt",
            "title": "Die digitale Stadt gemeinsam mit den Bürger/innen entwickeln",
            "summary": "Ein Seminar.",
            "days": (
                Day(date=date(2023, 8, 25), starts_at=time(9), ends_at=time(17)),
                Day(date=date(2023, 8, 26), starts_at=time(9), ends_at=time(17)),
            ),
            "timezone": "Europe/Berlin",
            "place": "Stadthaus, Münster",
            "contact": None,
            "cancel_until": datetime(2023, 8, 23, 16, tzinfo=UTC),
            "status": "published",
            "version": 3,
            "url": "https://einlass.test/events/stadt",
            **changes,
        }
    )


def person(locale: Locale = "de", **changes: Any) -> Person:
    """Somebody who has signed up."""
    return Person(
        **{
            "name": "Ayşe Öztürk",
            "email": "ayse@example.org",
            "locale": locale,
            "manage_url": LINK,
            **changes,
        }
    )


def offer(**changes: Any) -> Offer:
    """A place that is held until the evening of 24 August."""
    until = datetime(2023, 8, 24, 16, tzinfo=UTC)
    return Offer(**{"seats": 1, "party": 1, "until": until, **changes})


def texts(**of_language: str) -> dict[str, Words]:
    """What an operator wrote, in two languages; `of_language` are the subjects of others."""
    subjects = of_language or {"de": "Der Saal ist ein anderer", "en": "The hall is another one"}
    said = {
        "de": "Wir sind im Kleinen Saal.\n\nBitte nehmen Sie den Eingang am Hof.",
        "en": "We are in the small hall.\n\nPlease use the entrance in the yard.",
    }
    return {one: Words(subject=subject, text=said[one]) for one, subject in subjects.items()}


def letter(kind: MailKind, locale: Locale = "de", **content: Any) -> Mail:
    """A mail of the ledger, as such a mail usually is."""
    usual: dict[str, Any] = {"event": event(), "person": person(locale), "seats": 1}
    usual["holds_place"] = kind not in ("waitlisted", "offered", "offer_ended")
    if kind == "waitlisted":
        usual["position"] = 3
    if kind == "offered":
        usual["offer"] = offer()
    if kind == "offer_ended":
        usual["offer"] = offer(end="expired", place="lost")
    if kind == "event_changed":
        usual |= {"changes": ("place",), "former_days": event().days}
    if kind == "event_called_off":
        usual["reason"] = "Der Saal steht unter Wasser."
    if kind == "message":
        usual["texts"] = texts()
    return Mail(
        id=UUID(int=1),
        kind=kind,
        registration_id=REGISTRATION,
        version=2,
        sequence=4,
        created_at=datetime(2023, 7, 1, 12, tzinfo=UTC),
        content=MailContent(**{**usual, **content}),
    )


def read(envelope: Envelope) -> EmailMessage:
    """The mail as a mail program reads it."""
    message = message_from_bytes(envelope.message, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def text_of(message: EmailMessage) -> str:
    """The plain-text part."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def html_of(message: EmailMessage) -> str:
    """The HTML part."""
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def calendars_of(message: EmailMessage) -> list[tuple[str, bytes]]:
    """The calendar objects: the method that MIME names, and the object."""
    return [
        (part["Content-Type"].params["method"], part.get_content().encode())
        for part in message.walk()
        if part.get_content_type() == "text/calendar"
    ]


class Text(HTMLParser):
    """Collects the text and the addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.links: list[str] = []
        self._skip = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skip += tag in ("style", "title")
        if tag in ("p", "br", "td", "div"):
            self.said.append(" ")
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self._skip -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.said.append(data)


def shown(html: str) -> tuple[str, list[str]]:
    """The words of a page in one line, and its addresses."""
    page = Text()
    page.feed(html)
    return " ".join("".join(page.said).split()), page.links
