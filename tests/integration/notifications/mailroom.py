"""A delivery role for tests: what is told goes into the ledger, and from there to a server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from services.contracts.registration import RegistrationMessage
from services.kit.clock import FixedClock
from services.kit.db import Database
from services.kit.wake import Wake
from services.notifications import service
from services.notifications.delivery import Delivery
from services.notifications.mailer import Identity, Mailer
from services.notifications.mime import Mailbox
from services.notifications.settings import smtp_server
from services.notifications.smtp import Connection
from tests.integration.notifications.told import NOW

MAILER = Mailer(
    Identity(
        organisation="Stiftung",
        sender=Mailbox("Stiftung", "anmeldung@einlass.test"),
        reply_to=None,
        host="einlass.test",
        accent="#0b5563",
    )
)


def a_delivery(db: Database, url: str, timeout: float = 10, **options: Any) -> Delivery:
    server = smtp_server(url)
    return Delivery(
        db=db,
        mailer=MAILER,
        connect=lambda: Connection(server, name="einlass.test", timeout=timeout, most_mails=20),
        wake=Wake("redis://127.0.0.1:1", "tests"),
        clock=FixedClock(NOW),
        **{"first_pause": 0.05, **options},
    )


@asynccontextmanager
async def running(delivery: Delivery) -> AsyncIterator[None]:
    """The role at work; ended in the proper way."""
    stop = asyncio.Event()
    task = asyncio.create_task(delivery.run(stop))
    try:
        yield
    finally:
        stop.set()
        delivery.wake.notify()
        await asyncio.wait_for(task, 10)
        await delivery.wake.stop()


async def tell(
    db: Database, messages: Sequence[RegistrationMessage], delivery: Delivery | None = None
) -> None:
    async with db.transaction() as conn:
        bell = delivery.wake.notify if delivery is not None else lambda: None
        await service.take(conn, messages, bell)
