"""What follows when a newsletter was refused, and how long to leave a domain in peace.

Invariant: pure. A newsletter is given up after `MOST_ATTEMPTS` tries, within a day: later it is
no news, and an address that says "later" for a day says no.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

FIRST_PAUSE: Final = timedelta(minutes=5)
LONGEST_PAUSE: Final = timedelta(hours=4)
MOST_ATTEMPTS: Final = 9
"""With the pauses between them just under a day."""
JITTER: Final = 0.2
FIRST_DOMAIN_PAUSE: Final = timedelta(seconds=30)
LONGEST_DOMAIN_PAUSE: Final = timedelta(minutes=30)
PATIENCE: Final = 3
"""So many 4xx in a row from one domain are taken for the domain's own, and not for a mailbox's."""


def pause(attempts: int, chance: float) -> timedelta:
    """Until the next try, after the `attempts`-th (from 1) was refused for now. `chance`, from 0
    up to 1, spreads it by `JITTER` both ways."""
    longer: timedelta = min(FIRST_PAUSE * 2 ** min(attempts - 1, MOST_ATTEMPTS), LONGEST_PAUSE)
    return longer * (1 + JITTER * (2 * chance - 1))


def for_good(code: int | None, attempts: int) -> bool:
    """Whether a recipient is given up after the `attempts`-th try. 5xx: RFC 5321, 4.2.1; no code:
    the server cannot take such a mail at all."""
    return code is None or code >= 500 or attempts >= MOST_ATTEMPTS


@dataclass(slots=True)
class DomainPeace:
    """One receiving domain: how it answered last. `until`: monotonic seconds before which nothing
    is sent there."""

    refusals: int = 0
    until: float = 0.0
    last_pause: timedelta = timedelta(0)

    def refused(self, now: float) -> None:
        """Another 4xx. Those that were on the line together count, but pause once."""
        self.refusals += 1
        if self.refusals >= PATIENCE and now >= self.until:
            doubled = max(self.last_pause * 2, FIRST_DOMAIN_PAUSE)
            self.last_pause = min(doubled, LONGEST_DOMAIN_PAUSE)
            self.until = now + self.last_pause.total_seconds()

    def took(self) -> None:
        """A mail was taken there."""
        self.refusals, self.until, self.last_pause = 0, 0.0, timedelta(0)
