"""The worker process of the waitlist: relay, consumer of what registration decides, and timer."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from services.contracts.registration import ADAPTER, RegistrationMessage
from services.contracts.topics import REGISTRATION
from services.kit import redis
from services.kit.consumer import Consumer
from services.kit.db import Database
from services.kit.janitor import Janitor
from services.kit.relay import Relay
from services.kit.roles import Role
from services.kit.wake import Wake
from services.kit.worker import Worker
from services.waitlist.handlers import OnRegistration
from services.waitlist.settings import WaitlistSettings
from services.waitlist.timer import Timer


def create_worker(settings: WaitlistSettings) -> Worker:
    """The worker; connects when its roles run."""
    db = Database(settings.database_url, name="waitlist-worker", pool=settings.db_pool)
    wake = Wake(settings.redis_url, "waitlist")
    db.on_outbox.append(wake.notify)
    roles: Mapping[str, Role] = {
        "relay": Relay(db, settings.kafka_bootstrap, wake).run,
        "consumer": decisions(db, settings).run,
        "timer": Timer(db, settings.clock).run,
        "janitor": Janitor(db).run,
    }

    async def start(stack: AsyncExitStack) -> None:
        wake.start(listen=True)
        stack.push_async_callback(db.close)
        stack.push_async_callback(wake.stop)

    return Worker(
        roles=roles,
        start=start,
        needed={"postgres": db.ping},
        helpful={"redis": redis.ping(settings.redis_url)},
        log_level=settings.log_level,
    )


def create_consumer(settings: WaitlistSettings) -> Consumer[RegistrationMessage]:
    """The consumer alone, for replaying dead letters."""
    return decisions(Database(settings.database_url, name="waitlist-cli", pool=1), settings)


def decisions(db: Database, settings: WaitlistSettings) -> Consumer[RegistrationMessage]:
    """The consumer of `registration.v1`."""
    return Consumer(
        db=db,
        bootstrap=settings.kafka_bootstrap,
        name="einlass.waitlist",
        topic=REGISTRATION,
        adapter=ADAPTER,
        handler=OnRegistration(settings.clock),
        instance_id=settings.instance_id,
    )
