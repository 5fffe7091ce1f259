"""The worker process of notifications: relay, consumer, delivery and scheduler."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from services.contracts.registration import ADAPTER, RegistrationMessage
from services.contracts.topics import REGISTRATION
from services.kit import inbox, redis
from services.kit.consumer import Consumer
from services.kit.db import Database
from services.kit.janitor import Janitor
from services.kit.relay import Relay
from services.kit.roles import Role
from services.kit.wake import Wake
from services.kit.worker import Worker
from services.notifications import service
from services.notifications.bulk import role as newsletter
from services.notifications.delivery import Delivery
from services.notifications.handlers import OnRegistration
from services.notifications.mailer import Identity, Mailer
from services.notifications.newsletter.timer import Timer as IssueTimer
from services.notifications.settings import NotificationsSettings
from services.notifications.smtp import Connection
from services.notifications.subscribers.timer import timer as subscribers
from services.notifications.timer import Timer

# A line for each lane and one for what is beside them (bulk/delivery.py).
BULK_POOL: Final = 6


def create_worker(settings: NotificationsSettings) -> Worker:
    """The worker; connects when its roles run. Raises ValueError for settings that do not fit."""
    db = Database(settings.database_url, name="notifications-worker", pool=settings.db_pool)
    # Of its own, so that a large send takes no line from the mails to single people.
    bulk_db = Database(settings.database_url, name="notifications-newsletter", pool=BULK_POOL)
    relay_wake = Wake(settings.redis_url, "notifications")
    mail_wake = Wake(settings.redis_url, service.MAIL_BELL)
    db.on_outbox.append(relay_wake.notify)
    roles: Mapping[str, Role] = {
        "relay": Relay(db, settings.kafka_bootstrap, relay_wake).run,
        "consumer": decisions(db, settings, mail_wake).run,
        "delivery": delivery(db, settings, mail_wake).run,
        "newsletter": newsletter.delivery(bulk_db, settings).run,
        "scheduler": together(
            Timer(db, settings.clock, settings.reminder_distances, mail_wake.notify).run,
            IssueTimer.of(db, settings).run,
            subscribers(db, settings, mail_wake.notify).run,
            newsletter.mailbox(db, settings),
        ),
        "janitor": Janitor(db, (inbox.prune, service.forget_old)).run,
    }

    async def start(stack: AsyncExitStack) -> None:
        relay_wake.start(listen=True)
        mail_wake.start(listen=True)
        stack.push_async_callback(db.close)
        stack.push_async_callback(bulk_db.close)
        stack.push_async_callback(relay_wake.stop)
        stack.push_async_callback(mail_wake.stop)

    return Worker(
        roles=roles,
        start=start,
        needed={"postgres": db.ping},
        helpful={"redis": redis.ping(settings.redis_url)},
        log_level=settings.log_level,
    )


def together(*roles: Role) -> Role:
    """Several as one; where one fails, all begin again."""

    async def run(stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for role in roles:
                group.create_task(_run(role, stop))

    return run


async def _run(role: Role, stop: asyncio.Event) -> None:
    await role(stop)


def create_consumer(settings: NotificationsSettings) -> Consumer[RegistrationMessage]:
    """The consumer alone, for replaying dead letters."""
    db = Database(settings.database_url, name="notifications-cli", pool=1)
    return decisions(db, settings, Wake(settings.redis_url, service.MAIL_BELL))


def decisions(
    db: Database, settings: NotificationsSettings, mail_wake: Wake
) -> Consumer[RegistrationMessage]:
    """The consumer of `registration.v1`."""
    return Consumer(
        db=db,
        bootstrap=settings.kafka_bootstrap,
        name="einlass.notifications",
        topic=REGISTRATION,
        adapter=ADAPTER,
        handler=OnRegistration(mail_wake.notify),
        instance_id=settings.instance_id,
    )


def delivery(db: Database, settings: NotificationsSettings, mail_wake: Wake) -> Delivery:
    """The delivery role."""
    identity = Identity.of(settings)
    server = settings.smtp

    def connect() -> Connection:
        return Connection(
            server,
            name=identity.host,
            timeout=settings.smtp_timeout_seconds,
            most_mails=settings.smtp_mails_per_connection,
        )

    return Delivery(
        db=db,
        mailer=Mailer(identity),
        connect=connect,
        wake=mail_wake,
        clock=settings.clock,
        senders=settings.smtp_connections,
        batch=settings.mail_batch,
        lease=timedelta(seconds=settings.mail_lease_seconds),
    )
