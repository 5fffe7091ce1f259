"""The worker process of registration: relay, consumer of the waitlist's wishes, and the
scheduler that has offers run out."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from services.contracts.topics import WAITLIST
from services.contracts.waitlist import ADAPTER, WaitlistMessage
from services.kit import redis
from services.kit.consumer import Consumer
from services.kit.janitor import Janitor
from services.kit.relay import Relay
from services.kit.roles import Role
from services.kit.worker import Worker
from services.registration.actions import Actions
from services.registration.handlers import Handler
from services.registration.settings import RegistrationSettings
from services.registration.timer import Timer
from services.registration.wiring import Parts


def create_worker(settings: RegistrationSettings) -> Worker:
    """The worker; connects when its roles run."""
    parts = Parts.make(settings, "worker")
    roles: Mapping[str, Role] = {
        "relay": Relay(parts.db, settings.kafka_bootstrap, parts.relay_wake).run,
        "consumer": wishes(parts).run,
        "scheduler": Timer(Actions(parts.db, parts.clock, parts.links, parts.changes)).run,
        "janitor": Janitor(parts.db).run,
    }

    async def start(stack: AsyncExitStack) -> None:
        parts.relay_wake.start(listen=True)
        parts.lights.channel.start()
        stack.push_async_callback(parts.db.close)
        stack.push_async_callback(parts.lights.channel.stop)
        stack.push_async_callback(parts.relay_wake.stop)

    return Worker(
        roles=roles,
        start=start,
        needed={"postgres": parts.db.ping},
        helpful={"redis": redis.ping(settings.redis_url)},
        log_level=settings.log_level,
    )


def create_consumer(settings: RegistrationSettings) -> Consumer[WaitlistMessage]:
    """The consumer alone, for replaying dead letters."""
    return wishes(Parts.make(settings, "cli"))


def wishes(parts: Parts) -> Consumer[WaitlistMessage]:
    """The consumer of `waitlist.v1`."""
    return Consumer(
        db=parts.db,
        bootstrap=parts.settings.kafka_bootstrap,
        name="einlass.registration",
        topic=WAITLIST,
        adapter=ADAPTER,
        handler=Handler(parts.changes, parts.links, parts.clock),
        instance_id=parts.settings.instance_id,
    )
