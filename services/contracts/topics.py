"""Kafka topics. The key of every message is the event's id (16 bytes, RFC 9562), so that all of
one event is in order on one partition."""

from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as `einlass migrate` creates it.

    `retention_ms`: how long Kafka keeps a message; topics that carry personal data keep it for
    7 days at most.
    """

    name: str
    retention_ms: int
    partitions: int = 12


REGISTRATION: Final = Topic("registration.v1", retention_ms=7 * DAY_MS)
WAITLIST: Final = Topic("waitlist.v1", retention_ms=30 * DAY_MS)
NOTIFICATIONS: Final = Topic("notifications.v1", retention_ms=30 * DAY_MS)

ALL: Final = (REGISTRATION, WAITLIST, NOTIFICATIONS)
