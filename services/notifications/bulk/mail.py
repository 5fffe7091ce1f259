"""A letter as a single mail, for an editor who tries it."""

from datetime import datetime
from typing import Final

from services.contracts.envelope import Locale
from services.kit.ids import uuid7
from services.notifications.bulk.letter import OWN_LINK, UNSUBSCRIBE_LINK, Letter
from services.notifications.mailer import Identity
from services.notifications.mime import Envelope, Mailbox, Parts, envelope

_PAGE: Final = "/newsletter"


def compose_test(
    letter: Letter, locale: Locale, identity: Identity, public_url: str, to: str, at: datetime
) -> Envelope:
    """The letter to one address. It has no headers for leaving, and both personal links lead to
    the newsletter's public page, since whoever tries a letter need not be a subscriber."""

    def linked(text: str) -> str:
        for link in (OWN_LINK, UNSUBSCRIBE_LINK):
            text = text.replace(link, public_url + _PAGE)
        return text

    return envelope(
        Parts(
            sender=identity.sender,
            recipient=Mailbox("", to),
            reply_to=identity.reply_to,
            subject=letter.subject,
            message_id=f"newsletter-test.{uuid7()}@{identity.host}",
            at=at,
            locale=locale,
            text=linked(letter.text),
            html=linked(letter.html),
        )
    )
