"""Reminding the editors that a quarter's issue is still to be planned.

Invariant: each editor gets each reminder once. Its row is committed after the server has taken
the mail; a process that dies in the very moment between leaves it to be sent again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jinja2
import mrml

from services.contracts.envelope import Locale
from services.kit import dates
from services.kit.i18n import Translations
from services.kit.ical import one_line
from services.kit.look import theme
from services.notifications.newsletter import repository
from services.notifications.newsletter.office import Office
from services.notifications.newsletter.planning import Planned
from services.notifications.newsletter.rendering import HERE
from services.notifications.plaintext import wrap


@dataclass(frozen=True, slots=True)
class Reminders:
    """Writes and sends them, in `locale`: what the editors speak is known of none of them."""

    office: Office
    locale: Locale = "de"

    async def send(self, planned: Planned, days: int, email: str, now: datetime) -> bool:
        """Whether this reminder went out now. Raises smtp.ServerAwayError, MailRefused."""
        async with self.office.db.transaction() as conn:
            if not await repository.claim_reminder(conn, planned.quarter, days, email, now):
                return False
            subject, html, text = self.write(planned, now)
            await self.office.send(email, subject, html, text, self.locale, now)
        return True

    def write(self, planned: Planned, now: datetime) -> tuple[str, str, str]:
        """Subject, HTML and plain text."""
        settings = self.office.settings
        environment = Translations.load(HERE).environments(
            jinja2.FileSystemLoader(HERE / "templates" / "reminder"),
            autoescape=jinja2.select_autoescape(("mjml",), default_for_string=False),
            keep_trailing_newline=True,
        )[self.locale]
        zone = settings.zone
        view: dict[str, Any] = {
            "locale": self.locale,
            "light": theme.light_tones(settings.accent),
            "dark": theme.dark_tones(settings.accent),
            "paper": theme.PAPER,
            "paper_dark": theme.PAPER_DARK,
            "organisation": one_line(settings.organisation),
            "newsletter": one_line(settings.newsletter_title),
            "quarter": planned.quarter,
            "moment": dates.moment(planned.at, zone, self.locale),
            "days": (planned.at.astimezone(zone).date() - now.astimezone(zone).date()).days,
            "desk": f"{settings.public_url}/admin/newsletter",
        }

        def fill(name: str) -> str:
            return environment.get_template(name).render(view)

        html = mrml.to_html(fill("body.mjml"), None, mrml.RenderOptions(fonts={})).content
        return one_line(fill("subject.txt")), html, wrap(fill("body.txt"))
