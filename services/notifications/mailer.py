"""Writing a mail: from a ledger row to the octets that an SMTP server gets.

Invariant: pure. The same row gives the same octets, whoever renders it and however often, so a
mail sent twice is recognisably one mail. Nothing is looked up and no clock is read.
"""

from dataclasses import dataclass, replace
from datetime import datetime, time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import jinja2
import mrml

from services.contracts.envelope import Locale
from services.contracts.notifications import MailKind
from services.contracts.registration import EventDetails
from services.kit import dates, ical
from services.kit.i18n import Translations
from services.kit.ical import one_line
from services.kit.look import theme
from services.notifications.domain.broadcast import words_for
from services.notifications.domain.mail import AnyKind, Mail, MailContent, SubscriberLetter
from services.notifications.mime import (
    CalendarPart,
    Envelope,
    Mailbox,
    Parts,
    Picture,
    ascii_domain,
    envelope,
)
from services.notifications.plaintext import fact_lines, wrap
from services.notifications.settings import NotificationsSettings

_BERLIN: Final = ZoneInfo("Europe/Berlin")
_HERE: Final = Path(__file__).parent
CHANGES_NOTHING: Final[frozenset[MailKind]] = frozenset({"message", "reminder"})
"""Mails that tell of no change: a calendar has nothing to learn from them."""
_LIGHT: Final = Picture("light-red", (_HERE / "templates" / "mail" / "light-red.png").read_bytes())


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sends: `organisation` signs, `sender` is the From, `host` makes ids unique, `accent`
    (`#rrggbb`) is the colour of links and buttons. `zone`: where it is at home; times that are
    of no event are said in it."""

    organisation: str
    sender: Mailbox
    reply_to: Mailbox | None
    host: str
    accent: str
    zone: ZoneInfo = _BERLIN

    @classmethod
    def of(cls, settings: NotificationsSettings) -> "Identity":
        """The installation's identity. Raises ValueError for an accent that cannot be read."""
        host = urlsplit(settings.public_url).hostname or "localhost"
        answers = settings.mail_reply_to
        return cls(
            organisation=settings.organisation,
            sender=Mailbox(settings.sender_name, settings.mail_from),
            reply_to=Mailbox(settings.sender_name, answers) if answers else None,
            host=ascii_domain(f"x@{host}").removeprefix("x@"),
            accent=theme.check_accent(settings.accent),
            zone=settings.zone,
        )


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of facts: a label, one or more lines, and whether it is new to the reader."""

    label: str
    lines: tuple[str, ...]
    new: bool = False


class Mailer:
    """Renders mails in every language; templates and catalogs are read once."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._colours = {
            "light": theme.light_tones(identity.accent),
            "dark": theme.dark_tones(identity.accent),
            "paper": theme.PAPER,
            "paper_dark": theme.PAPER_DARK,
        }
        self._texts = Translations.load(_HERE)
        self._environments = self._texts.environments(
            jinja2.FileSystemLoader(_HERE / "templates" / "mail"),
            autoescape=jinja2.select_autoescape(("mjml",), default_for_string=False),
            keep_trailing_newline=True,
            auto_reload=False,
        )
        for environment in self._environments.values():
            environment.filters["fact_lines"] = fact_lines

    def message_id(self, kind: AnyKind, recipient_id: UUID, version: int) -> str:
        """The Message-ID of a mail, without angle brackets. `recipient_id`: the registration's,
        or the subscriber's."""
        return f"{kind}.{recipient_id}.{version}@{self._identity.host}"

    def render(self, mail: Mail | SubscriberLetter) -> Envelope:
        """The mail as it goes out. Raises jinja2.TemplateError and ValueError for a bad
        template only, since every content renders."""
        if isinstance(mail, SubscriberLetter):
            return self._render_to_subscriber(mail)
        person = mail.content.person
        parts = self._parts(mail, mail.registration_id, person.locale, self._view(mail))
        return envelope(
            replace(
                parts,
                recipient=Mailbox(person.name, str(person.email)),
                pictures=(_LIGHT,) if mail.kind == "waitlisted" else (),
                calendars=self._calendars(mail),
            )
        )

    def _render_to_subscriber(self, mail: SubscriberLetter) -> Envelope:
        content = mail.content
        until = dates.moment(content.valid_until, self._identity.zone, content.locale)
        view = {"button_url": content.confirm_url, "valid_until": until}
        parts = self._parts(mail, mail.subscriber_id, content.locale, view)
        return envelope(replace(parts, recipient=Mailbox("", content.email)))

    def _parts(
        self,
        mail: Mail | SubscriberLetter,
        recipient_id: UUID,
        locale: Locale,
        view: dict[str, Any],
    ) -> Parts:
        """What every mail has; for nobody yet."""
        view = {
            **self._colours,
            "locale": locale,
            "organisation": one_line(self._identity.organisation),
            **view,
        }
        return Parts(
            sender=self._identity.sender,
            recipient=Mailbox("", ""),
            reply_to=self._identity.reply_to,
            subject=self._fill(locale, mail.kind, "subject.txt", view),
            message_id=self.message_id(mail.kind, recipient_id, mail.version),
            at=mail.created_at,
            locale=locale,
            text=wrap(self._fill(locale, mail.kind, "body.txt", view)),
            html=self._html(locale, mail.kind, view),
        )

    def _fill(self, locale: Locale, kind: str, part: str, view: dict[str, Any]) -> str:
        return self._environments[locale].get_template(f"{kind}/{part}").render(view)

    def _html(self, locale: Locale, kind: str, view: dict[str, Any]) -> str:
        # Without fonts of its own choice: it would have some of them fetched from elsewhere.
        options = mrml.RenderOptions(fonts={})
        return mrml.to_html(self._fill(locale, kind, "body.mjml", view), None, options).content

    def _view(self, mail: Mail) -> dict[str, Any]:
        content, event = mail.content, mail.content.event
        locale = content.person.locale
        zone = ZoneInfo(event.timezone)
        facts = self._facts(content)
        until, offer = event.cancel_until, content.offer
        return {
            "name": one_line(content.person.name),
            "title": one_line(event.title),
            "dates": dates.dates(event.days, locale),
            "facts": facts,
            "news": [fact.label for fact in facts if fact.new],
            "renamed": "title" in content.changes,
            "seats": content.seats,
            "position": content.position,
            "holds_place": content.holds_place,
            "cancel_until": dates.moment(until, zone, locale) if until is not None else "",
            "may_cancel": until is None or mail.created_at < until,
            "offer": offer,
            "offer_stands": offer is not None and offer.end is None,
            "offer_until": dates.moment(offer.until, zone, locale) if offer is not None else "",
            "reason": _lines(content.reason),
            "button_url": content.person.manage_url,
            "give_back_url": f"{content.person.manage_url}/cancel",
            "event_url": event.url,
            "open_again": event.status == "published",
            "over": mail.created_at.astimezone(zone).date() > max(day.date for day in event.days),
            "said": _said(content),
            "begins": _begins(event, locale),
        }

    def _facts(self, content: MailContent) -> list[Fact]:
        event, locale, changes = content.event, content.person.locale, content.changes
        _ = self._texts[locale].gettext
        when = dates.schedule(event.days, locale, times_apart=True)
        facts = [
            Fact(_("When"), tuple(when), "days" in changes),
            Fact(_("Where"), _lines(event.place), "place" in changes),
            Fact(_("Contact"), _lines(event.contact), "contact" in changes),
        ]
        if content.seats > 1:
            facts.append(Fact(_("Places"), (self._places(content),)))
        return [
            fact if fact.lines else Fact(fact.label, (_("not fixed yet"),), True)
            for fact in facts
            if fact.lines or fact.new
        ]

    def _places(self, content: MailContent) -> str:
        offer = content.offer
        if offer is None or offer.end is not None or offer.seats == offer.party:
            return str(content.seats)
        said = self._texts[content.person.locale].gettext("%(seats)s of %(party)s")
        return said % {"seats": offer.seats, "party": offer.party}

    def _calendars(self, mail: Mail) -> list[CalendarPart]:
        """What brings the reader's calendar up to date; nothing for who only waits."""
        content, event = mail.content, mail.content.event
        if not content.holds_place or mail.kind in CHANGES_NOTHING:
            return []
        entry = ical.Entry(
            uid=str(mail.registration_id),
            host=self._identity.host,
            sequence=mail.sequence,
            stamp=mail.created_at,
            summary=event.title,
            days=event.days,
            zone=ZoneInfo(event.timezone),
            description=event.summary,
            location=event.place or "",
            url=event.url,
        )
        organizer = ical.Party(self._identity.sender.name, self._identity.sender.address)
        attendee = ical.Party(content.person.name, ascii_domain(str(content.person.email)))
        if mail.kind in ("cancelled", "event_called_off"):
            gone = ical.cancel(entry, organizer, attendee)
            return [CalendarPart("CANCEL", data) for data in gone]
        standing = ical.request(entry, organizer, attendee)
        former = replace(entry, days=content.former_days)
        gone = ical.cancel(former, organizer, attendee, after=len(standing))
        return [
            *(CalendarPart("REQUEST", data) for data in standing),
            *(CalendarPart("CANCEL", data) for data in gone),
        ]


def _begins(event: EventDetails, locale: Locale) -> str:
    """The first day and, where it is fixed, the time: "Friday, 25 August 2023, 9:00"."""
    first = min(event.days, key=lambda day: (day.date, day.starts_at or time.min))
    if first.starts_at is None:
        return dates.dates([first], locale)
    zone = ZoneInfo(event.timezone)
    return dates.moment(datetime.combine(first.date, first.starts_at, zone), zone, locale)


@dataclass(frozen=True, slots=True)
class Said:
    """What an operator wrote, cleaned: paragraphs of lines, and their language."""

    subject: str
    paragraphs: tuple[tuple[str, ...], ...]
    language: Locale


def _said(content: MailContent) -> Said | None:
    if not content.texts:
        return None
    language, words = words_for(content.texts, content.person.locale)
    return Said(one_line(words.subject), _paragraphs(words.text), language)


def _paragraphs(text: str) -> tuple[tuple[str, ...], ...]:
    """The lines of each paragraph; a line that says nothing ends one."""
    found: list[list[str]] = [[]]
    for line in map(one_line, text.splitlines()):
        if line:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return tuple(tuple(lines) for lines in found if lines)


def _lines(text: str | None) -> tuple[str, ...]:
    """The lines of a text that say something, cleaned."""
    return tuple(filter(None, map(one_line, (text or "").splitlines())))
