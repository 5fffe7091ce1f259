"""From an issue to what goes out: the mail's HTML, its plain text, and the page of the archive.

Invariant: pure. The same issue, events and moment give the same three, and nothing in them
differs from one reader to the next: where a person's own links go stand the stand-ins of `bulk`.
Pictures are fetched from our own site, by an address that is the same for everybody, so that
nobody is seen reading; and so are links where clicks are counted. The page's links are the plain
ones always.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jinja2
import mrml
from markupsafe import Markup

from services.contracts.envelope import Locale
from services.kit import dates
from services.kit.i18n import Translations
from services.kit.ical import one_line
from services.kit.look import theme
from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK, Letter
from services.notifications.newsletter.domain import markdown, source
from services.notifications.newsletter.domain.calendar import Number
from services.notifications.newsletter.domain.clicks import Lead, straight
from services.notifications.newsletter.domain.issue import Issue, Rendering, Words
from services.notifications.newsletter.domain.source import Article, Block, Events
from services.notifications.newsletter.programme import Event
from services.notifications.newsletter.repository import StoredPicture
from services.notifications.plaintext import wrap
from services.notifications.settings import NotificationsSettings

HERE: Final = Path(__file__).parent
LIGHTS: Final = {path.name: path.read_bytes() for path in (HERE / "lights").glob("*.png")}
PICTURE_WIDTH: Final = 552
"""Pixels: the column of 600 without its margins."""

_RULE: Final = "#ddd7ca"
_SOFT: Final = "#566067"


@dataclass(frozen=True, slots=True)
class Scene:
    """What an issue is filled with. `events` is None where the programme did not answer. `lead`
    says where the links of the mail go."""

    number: Number
    at: datetime
    pictures: Mapping[str, StoredPicture]
    events: Sequence[Event] | None
    lead: Lead = straight


@dataclass(frozen=True, slots=True)
class Row:
    """An event in a list. `light`: the lamp, or "" where none is lit; `words` beside it."""

    title: str
    when: str
    place: str
    url: str
    light: str
    words: str


class Press:
    """Renders issues in every language; templates and catalogs are read once."""

    def __init__(self, settings: NotificationsSettings) -> None:
        self._organisation = one_line(settings.organisation)
        self._name = one_line(settings.newsletter_title)
        self._site = settings.public_url
        self._zone = settings.zone
        self._counted = settings.counts_clicks
        light, dark = theme.light_tones(settings.accent), theme.dark_tones(settings.accent)
        self._colours = {
            "light": light,
            "dark": dark,
            "paper": theme.PAPER,
            "paper_dark": theme.PAPER_DARK,
        }
        self._styles = {
            "p": "margin:0 0 16px;",
            "a": f"color:{light.accent};",
            "ul": "margin:0 0 16px;padding:0 0 0 22px;",
            "ol": "margin:0 0 16px;padding:0 0 0 22px;",
            "li": "margin:0 0 6px;",
            "h3": "margin:8px 0 8px;font-size:18px;line-height:26px;font-weight:700;",
            "h4": "margin:8px 0 8px;font-size:16px;line-height:24px;font-weight:700;",
            "blockquote": f"margin:0 0 16px;padding:0 0 0 16px;border-left:2px solid {_RULE};"
            "font-style:italic;",
            "hr": f"margin:16px 0;border:0;border-top:1px solid {_RULE};",
            "pre": "margin:0 0 16px;white-space:pre-wrap;",
            "table": "margin:0 0 16px;border-collapse:collapse;",
            "th": f"padding:6px 16px 6px 0;border-bottom:1px solid {_RULE};text-align:left;",
            "td": f"padding:6px 16px 6px 0;border-bottom:1px solid {_RULE};vertical-align:top;",
        }
        self._texts = Translations.load(HERE)
        self._environments = self._texts.environments(
            jinja2.FileSystemLoader(HERE / "templates" / "letter"),
            autoescape=jinja2.select_autoescape(("mjml", "html"), default_for_string=False),
            keep_trailing_newline=True,
            auto_reload=False,
        )

    def every(self, issue: Issue, scene: Scene) -> dict[Locale, Rendering]:
        """The issue in each language that it is written in."""
        return {locale: self.one(issue.words[locale], locale, scene) for locale in issue.locales}

    def one(self, words: Words, locale: Locale, scene: Scene) -> Rendering:
        """One language of an issue."""
        view = self._view(words, locale, scene)
        blocks = source.read(words.source).blocks
        held: list[str] = []
        styled = [self._styled(block, scene, held) for block in blocks]
        plain = [self._plain(block, scene) for block in blocks]
        linked = [self._linked(block, scene) for block in blocks]
        return Rendering(
            title=one_line(words.title),
            subject=one_line(words.subject) or one_line(words.title),
            preview=one_line(words.preview),
            html=self._html(locale, {**view, "blocks": styled}, held),
            text=wrap(self._fill(locale, "letter.txt", {**view, "blocks": plain})),
            web=self._fill(locale, "web.html", {**view, "blocks": linked}).strip(),
        )

    def _fill(self, locale: Locale, template: str, view: Mapping[str, Any]) -> str:
        return self._environments[locale].get_template(template).render(view)

    def _html(self, locale: Locale, view: Mapping[str, Any], held: Sequence[str]) -> str:
        """The mail's document. What editors wrote is put in behind the compiler, which would want
        it to be XML."""
        # Without fonts of its own choice: it would have some of them fetched from elsewhere.
        options = mrml.RenderOptions(fonts={})
        made: str = mrml.to_html(self._fill(locale, "letter.mjml", view), None, options).content
        for number, piece in enumerate(held):
            made = made.replace(_stand_in(number), piece)
        return made

    def _view(self, words: Words, locale: Locale, scene: Scene) -> dict[str, Any]:
        day = scene.at.astimezone(self._zone).date()
        rows = self._rows(scene.events or (), locale)
        return {
            **self._colours,
            "locale": locale,
            "organisation": self._organisation,
            "newsletter": self._name,
            "site": self._site,
            "number": str(scene.number),
            "month": dates.month(day, locale),
            "title": one_line(words.title),
            "preview": one_line(words.preview),
            "page": f"{self._site}/newsletter/{scene.number.year}/{scene.number.number}",
            "programme": f"{self._site}/events",
            "own_link": OWN_LINK,
            "unsubscribe_link": UNSUBSCRIBE_LINK,
            "as_of": dates.moment(scene.at, self._zone, locale),
            "rows": rows,
            "lead": scene.lead,
            "counted": self._counted,
            "away": scene.events is None,
            "width": PICTURE_WIDTH,
        }

    def _styled(self, block: Block, scene: Scene, held: list[str]) -> dict[str, Any]:
        """A block for the mail: its Markdown as HTML with styles, held back in `held`."""
        html = markdown.html(block.markdown, self._site, self._styles, scene.lead)
        held.append(html)
        shown = _stand_in(len(held) - 1) if html.strip() else ""
        return {**self._common(block, scene), "html": shown}

    def _linked(self, block: Block, scene: Scene) -> dict[str, Any]:
        # Clean in the sense of nh3 (domain.markdown).
        html = Markup(markdown.html(block.markdown, self._site))  # noqa: S704
        return {**self._common(block, scene), "html": html}

    def _plain(self, block: Block, scene: Scene) -> dict[str, Any]:
        text = markdown.plain(block.markdown, self._site, scene.lead)
        return {**self._common(block, scene), "text": text}

    def _common(self, block: Block, scene: Scene) -> dict[str, Any]:
        common: dict[str, Any] = {"kind": type(block).__name__.lower()}
        if isinstance(block, Article):
            link = block.link
            common |= {
                "title": one_line(block.title),
                "url": markdown.absolute(link.url, self._site) if link is not None else "",
                "label": one_line(link.label) if link is not None else "",
                "picture": self._picture(block, scene),
            }
        if isinstance(block, Events):
            common |= {"title": one_line(block.title), "count": block.count}
        return common

    def _picture(self, block: Article, scene: Scene) -> dict[str, Any] | None:
        named = block.picture
        stored = scene.pictures.get(named.name) if named is not None else None
        if named is None or stored is None:
            return None
        width = min(stored.width, PICTURE_WIDTH)
        return {
            "url": f"{self._site}{stored.path}",
            "path": stored.path,
            "alt": one_line(named.alt),
            "width": width,
            "height": round(stored.height * width / stored.width),
            "full_width": stored.width,
            "full_height": stored.height,
        }

    def _rows(self, events: Sequence[Event], locale: Locale) -> list[Row]:
        lines = ((event, dates.schedule(event.days, locale)) for event in events)
        return [
            Row(
                title=one_line(event.title),
                when="; ".join(when),
                place=one_line(event.place or ""),
                url=event.url,
                light=event.light or "",
                words=self._said(event, locale),
            )
            for event, when in lines
        ]

    def _said(self, event: Event, locale: Locale) -> str:
        """The words of the light, as on the public pages."""
        _ = self._texts[locale].gettext
        words = {
            "green": _("Enough places"),
            "yellow": _("Only few places left"),
            "red": _("Booked up, waiting list open"),
            "not_open": _("Sign-up is not open yet"),
            "closed": _("Sign-up is closed"),
        }
        return words.get(event.light or event.state, _("Booked up"))


def _stand_in(number: int) -> str:
    return f"@@{number}@@einlass@@"


def letters(renderings: Mapping[Locale, Rendering]) -> dict[Locale, Letter]:
    """What `bulk` sends."""
    return {
        locale: Letter(subject=each.subject, html=each.html, text=each.text)
        for locale, each in renderings.items()
    }


def without_person(text: str, site: str) -> str:
    """A mail that goes to nobody in particular: links of one's own lead to the newsletter's
    page."""
    page = f"{site}/newsletter"
    return text.replace(OWN_LINK, page).replace(UNSUBSCRIBE_LINK, page)
