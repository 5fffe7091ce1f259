"""How a mail to a subscriber gets into the mail ledger, and out of it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.domain.mail import SubscriberMail
from services.notifications.repository import ledger
from services.notifications.subscribers.domain.model import Asking


async def ask_to_confirm(conn: AsyncConnection, asking: Asking, confirm_url: str) -> None:
    """Writes the mail that asks to confirm the address of `asking`, once."""
    await ledger.write_to_subscriber(
        conn,
        SubscriberMail(
            kind="newsletter_confirm",
            subscriber_id=asking.subscriber_id,
            version=asking.version,
            email=asking.email,
            locale=asking.locale,
            confirm_url=confirm_url,
            valid_until=asking.valid_until,
        ),
    )


async def forget(conn: AsyncConnection, subscriber_id: UUID) -> None:
    """Erases what mails to a subscriber say; none of them goes out any more."""
    await ledger.forget_subscriber(conn, subscriber_id)
