"""Where issues are made ready: rendered, looked over, tried out, and begun.

Invariant: asking others (the programme, the links, an SMTP server) happens outside of any
transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.contracts.envelope import Locale
from services.kit.db import Database
from services.kit.ids import uuid7
from services.notifications.bulk.letter import UNSUBSCRIBE_LINK
from services.notifications.domain.retry import Outcome, Sent
from services.notifications.mailer import Identity
from services.notifications.mime import Mailbox, Parts, envelope
from services.notifications.newsletter import repository, service
from services.notifications.newsletter.domain import calendar, checks
from services.notifications.newsletter.domain.checks import Finding
from services.notifications.newsletter.domain.clicks import Counted, straight
from services.notifications.newsletter.domain.errors import (
    MailRefused,
    ProgrammeAway,
    UnknownIssue,
)
from services.notifications.newsletter.domain.issue import Issue, Rendering
from services.notifications.newsletter.links import Links
from services.notifications.newsletter.planning import Actor
from services.notifications.newsletter.programme import Event, Programme, RemoteProgramme
from services.notifications.newsletter.rendering import Press, Scene, without_person
from services.notifications.settings import NotificationsSettings
from services.notifications.smtp import Connection

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Preview:
    """An issue as it would go out now. `away`: the programme did not answer."""

    issue: Issue
    scene: Scene
    renderings: Mapping[Locale, Rendering]
    away: bool

    def letter(self, locale: Locale) -> Rendering:
        """The rendering in a language, or in the one that its readers get instead. Raises
        UnknownIssue where nothing is written."""
        found = self.renderings.get(locale) or self.renderings.get(self.issue.fallback)
        if found is None:
            raise UnknownIssue
        return found


@dataclass(frozen=True, slots=True)
class Office:
    """Needs no lock and keeps nothing; one for a process."""

    db: Database
    settings: NotificationsSettings
    press: Press
    programme: Programme
    links: Links

    @classmethod
    def of(cls, db: Database, settings: NotificationsSettings) -> "Office":
        """With everything as the settings say."""
        return cls(
            db,
            settings,
            Press(settings),
            RemoteProgramme(settings.registration_internal_url),
            Links(settings.public_url),
        )

    async def preview(self, issue_id: UUID, now: datetime) -> Preview:
        """How the issue would look; or how it went out. Raises UnknownIssue."""
        async with self.db.read() as conn:
            issue = await service.read(conn, issue_id)
            scene = await service.scene_of(conn, issue, now, self.settings.zone)
            if issue.number is not None:
                frozen = await repository.renderings(conn, issue_id)
                return Preview(issue, scene, frozen, away=False)
        events, away = await self._events(issue)
        scene = replace(scene, events=None if away else events)
        return Preview(issue, scene, self.press.every(issue, scene), away)

    async def _events(self, issue: Issue) -> tuple[Sequence[Event], bool]:
        """The coming events where the issue shows any, and whether they could not be had."""
        if not checks.wants_events(issue):
            return (), False
        try:
            return await self.programme(), False
        except ProgrammeAway:
            return (), True

    async def check(self, issue_id: UUID, now: datetime, *, links: bool = True) -> list[Finding]:
        """Everything that the checks find; the links are asked with `links`. Raises
        UnknownIssue."""
        preview = await self.preview(issue_id, now)
        found = self.look_over(preview)
        if links:
            places = checks.web_targets(preview.issue, self.settings.public_url)
            found += checks.of_links(await self.links.ask(places), places)
        return sorted(found, key=lambda finding: finding.severity)

    def look_over(self, preview: Preview) -> list[Finding]:
        """What can be said without asking anybody."""
        issue = preview.issue
        found = checks.of_words(issue, preview.scene.pictures)
        found += checks.of_renderings(preview.renderings, UNSUBSCRIBE_LINK)
        if preview.away:
            found.append(Finding("programme_away"))
        elif checks.wants_events(issue) and not preview.scene.events and issue.open:
            found.append(Finding("no_events"))
        return found

    async def try_out(self, issue_id: UUID, locale: Locale, to: str, now: datetime) -> None:
        """Sends the issue as it would go out to one address, marked as a trial. Raises
        UnknownIssue, smtp.ServerAwayError, MailRefused."""
        preview = await self.preview(issue_id, now)
        letter = preview.letter(locale)
        await self.send(
            to,
            f"[Test] {letter.subject}",
            without_person(letter.html, self.settings.public_url),
            without_person(letter.text, self.settings.public_url),
            locale,
            now,
        )

    async def send(
        self, to: str, subject: str, html: str, text: str, locale: Locale, now: datetime
    ) -> None:
        """Sends a single mail at once. Raises smtp.ServerAwayError, MailRefused."""
        outcome = await self.deliver(to, subject, html, text, locale, now)
        if not isinstance(outcome, Sent):
            raise MailRefused

    async def deliver(
        self, to: str, subject: str, html: str, text: str, locale: Locale, now: datetime
    ) -> Outcome:
        """Brings a single mail to the server, and what became of it. Raises
        smtp.ServerAwayError; then the mail was not taken."""
        identity = Identity.of(self.settings)
        mail = envelope(
            Parts(
                sender=identity.sender,
                recipient=Mailbox("", to),
                reply_to=identity.reply_to,
                subject=subject,
                message_id=f"newsletter.{uuid7()}@{identity.host}",
                at=now,
                locale=locale,
                text=text,
                html=html,
            )
        )
        line = Connection(
            self.settings.smtp,
            name=identity.host,
            timeout=self.settings.smtp_timeout_seconds,
            most_mails=1,
        )
        try:
            return await line.send(mail)
        finally:
            await line.close()

    async def begin(self, issue_id: UUID, now: datetime) -> int | None:
        """Begins to send an issue that is due; how many get it, or None where it has begun
        elsewhere or has to wait, which is kept as its trouble."""
        who = Actor(None, now, self.settings.zone)
        for _ in range(_TRIES):
            async with self.db.read() as conn:
                issue = await repository.one(conn, issue_id)
                if issue is None or issue.status != "planned":
                    return None
                number = calendar.next_number(await repository.begun(conn), now, who.zone)
                stored = await repository.pictures(conn, issue_id)
            events, away = await self._events(issue)
            counted = Counted(self.settings.public_url, number)
            lead = counted if self.settings.counts_clicks else straight
            scene = Scene(number, now, {each.name: each for each in stored}, events, lead)
            preview = Preview(issue, scene, self.press.every(issue, scene), away)
            bad = checks.errors(self.look_over(preview))
            if away or bad:
                why = "programme_away" if away else bad[0].code
                async with self.db.transaction() as conn:
                    await service.in_trouble(conn, issue, why, who)
                return None
            async with self.db.transaction() as conn:
                total = await service.begin(
                    conn, issue, preview.renderings, number, who, counted.urls
                )
            if total is not None:
                return total
        return None
