"""What notifications does about `registration.v1`.

Invariant: a handler is a function of the database's state and its messages; it keeps nothing in
memory and swallows no error, so that a batch may be taken again, whole or in halves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.registration import (
    RegistrationConfirmed,
    RegistrationMessage,
    RegistrationWaitlisted,
)
from services.kit.errors import Invalid
from services.notifications import service
from services.notifications.subscribers import service as subscribers

log = structlog.get_logger(__name__)

_JOINED: Final = frozenset({"registration.confirmed", "registration.waitlisted"})


@dataclass(frozen=True, slots=True)
class OnRegistration:
    """Takes the messages of one partition, in order. `on_mail` wakes the delivery."""

    on_mail: Callable[[], None]

    async def __call__(
        self, conn: AsyncConnection, messages: Sequence[RegistrationMessage]
    ) -> None:
        await service.take(conn, messages, self.on_mail)
        for message in messages:
            if message.type in _JOINED and message.data.newsletter:  # type: ignore[union-attr]
                await _ask(conn, message)  # type: ignore[arg-type]


async def _ask(
    conn: AsyncConnection, message: RegistrationConfirmed | RegistrationWaitlisted
) -> None:
    """Keeps the wish for the newsletter that came with a sign-up."""
    person = message.data.person
    try:
        await subscribers.ask(conn, str(person.email), person.locale, "event", message.occurred_at)
    except Invalid:
        # An address that is no reason to lose the mail about the place.
        log.warning("newsletter.address_refused", registration_id=str(message.data.registration_id))
