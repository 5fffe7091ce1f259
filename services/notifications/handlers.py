"""What notifications does about `registration.v1`.

Invariant: a handler is a function of the database's state and its messages; it keeps nothing in
memory and swallows no error, so that a batch may be taken again, whole or in halves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.registration import RegistrationMessage
from services.notifications import service


@dataclass(frozen=True, slots=True)
class OnRegistration:
    """Takes the messages of one partition, in order. `on_mail` wakes the delivery."""

    on_mail: Callable[[], None]

    async def __call__(
        self, conn: AsyncConnection, messages: Sequence[RegistrationMessage]
    ) -> None:
        await service.take(conn, messages, self.on_mail)
