"""What both processes of registration are made of."""

from dataclasses import dataclass

from services.kit.clock import Clock
from services.kit.db import Database
from services.kit.tokens import TokenBox
from services.kit.wake import Wake
from services.registration.changes import Changes
from services.registration.lights import Lights
from services.registration.messages import Links
from services.registration.settings import RegistrationSettings


@dataclass(frozen=True, slots=True)
class Parts:
    """The adapters, made once a process."""

    settings: RegistrationSettings
    db: Database
    lights: Lights
    changes: Changes
    links: Links
    clock: Clock
    relay_wake: Wake

    @classmethod
    def make(cls, settings: RegistrationSettings, process: str) -> "Parts":
        """Connects nothing yet. `process` is shown in PostgreSQL's list of activity."""
        lights = Lights(settings.redis_url)
        db = Database(settings.database_url, name=f"registration-{process}", pool=settings.db_pool)
        wake = Wake(settings.redis_url, "registration")
        db.on_outbox.append(wake.notify)
        return cls(
            settings=settings,
            db=db,
            lights=lights,
            changes=Changes(lights),
            links=Links(TokenBox(settings.key), settings.public_url),
            clock=settings.clock,
            relay_wake=wake,
        )
