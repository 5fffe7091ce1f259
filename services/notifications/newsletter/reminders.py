"""Reminding the editors that a quarter's issue is still to be planned.

Invariant: each editor gets each reminder once at most. Its row is committed before the server is
asked, and taken back only where the mail certainly did not go out and another try may help; so a
process that dies between may cost a reminder, and never sends it twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jinja2
import mrml
import structlog
from markupsafe import Markup

from services.contracts.envelope import Locale
from services.kit import dates
from services.kit.i18n import Translations
from services.kit.ical import one_line
from services.kit.look import theme
from services.notifications.domain.retry import Refused
from services.notifications.newsletter import repository
from services.notifications.newsletter.domain.errors import MailRefused
from services.notifications.newsletter.domain.issue import PREFERRED
from services.notifications.newsletter.office import Office
from services.notifications.newsletter.planning import Planned
from services.notifications.newsletter.rendering import HERE
from services.notifications.plaintext import wrap
from services.notifications.smtp import ServerAwayError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reminders:
    """Writes and sends them, in all languages one below the other: which of them an editor speaks
    is known of none."""

    office: Office

    async def send(self, planned: Planned, days: int, email: str, now: datetime) -> bool:
        """Whether this reminder went out now, or may have. Raises smtp.ServerAwayError, after
        which it is tried again, and MailRefused."""
        async with self.office.db.transaction() as conn:
            if not await repository.claim_reminder(conn, planned.quarter, days, email, now):
                return False
            mail = self.write(planned, now)
        try:
            outcome = await self.office.deliver(email, *mail, PREFERRED[0], now)
        except ServerAwayError:
            await self._release(planned, days, email)
            raise
        if not isinstance(outcome, Refused):
            return True
        if outcome.code is None and not outcome.for_good:
            # Cut off on the way: the server may have taken it all the same.
            log.warning("newsletter.reminder_unsure", days=days)
            return True
        if outcome.code is not None and outcome.code < 500:
            await self._release(planned, days, email)
        raise MailRefused

    async def _release(self, planned: Planned, days: int, email: str) -> None:
        async with self.office.db.transaction() as conn:
            await repository.release_reminder(conn, planned.quarter, days, email)

    def write(self, planned: Planned, now: datetime) -> tuple[str, str, str]:
        """Subject, HTML and plain text."""
        environments = Translations.load(HERE).environments(
            jinja2.FileSystemLoader(HERE / "templates" / "reminder"),
            autoescape=jinja2.select_autoescape(("mjml",), default_for_string=False),
            keep_trailing_newline=True,
        )
        views = {locale: self._view(planned, now, locale) for locale in PREFERRED}

        def parts(name: str) -> list[str]:
            return [
                environments[locale].get_template(name).render(view).strip()
                for locale, view in views.items()
            ]

        def whole(name: str, parts: list[str]) -> str:
            first = PREFERRED[0]
            return environments[first].get_template(name).render(views[first], parts=parts)

        # Escaped when the parts were made.
        styled: list[str] = [Markup(part) for part in parts("part.mjml")]  # noqa: S704
        made = whole("body.mjml", styled)
        html = mrml.to_html(made, None, mrml.RenderOptions(fonts={})).content
        subject = " / ".join(one_line(part) for part in parts("subject.txt"))
        return subject, html, wrap(whole("body.txt", parts("part.txt")))

    def _view(self, planned: Planned, now: datetime, locale: Locale) -> Mapping[str, Any]:
        settings = self.office.settings
        zone = settings.zone
        return {
            "locale": locale,
            "light": theme.light_tones(settings.accent),
            "dark": theme.dark_tones(settings.accent),
            "paper": theme.PAPER,
            "paper_dark": theme.PAPER_DARK,
            "organisation": one_line(settings.organisation),
            "newsletter": one_line(settings.newsletter_title),
            "quarter": planned.quarter,
            "moment": dates.moment(planned.at, zone, locale),
            "days": (planned.at.astimezone(zone).date() - now.astimezone(zone).date()).days,
            "desk": f"{settings.public_url}/admin/newsletter",
        }
