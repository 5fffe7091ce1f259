"""What follows from a try at the SMTP server.

Invariant: a mail is given up only when the server refused it for good (5xx, RFC 5321, 4.2.1),
where it cannot take such a mail at all, or at its `MOST_ATTEMPTS`-th try; everything else is
tried again, later each time. Tries are counted and not days, so that a server that was away for
a week does not cost any mail.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=6)
MOST_ATTEMPTS: Final = 20
"""With the pauses between them just under three days."""
JITTER: Final = 0.2


@dataclass(frozen=True, slots=True)
class Sent:
    """The server took the mail."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server, the connection or the rendering failed for this mail.

    `code`: the SMTP reply code, or None where no reply came. `reason` names no person.
    `for_good`: no other try can end differently, whatever the code says.
    """

    code: int | None
    reason: str
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """The mail was not tried: it goes back and no try is counted."""


Outcome = Sent | Refused | Released


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `pause`."""

    pause: timedelta


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Do not try again."""


def decide(refused: Refused, attempts: int, chance: float) -> Again | GivenUp:
    """What to do after the `attempts`-th try (from 1) failed.

    `chance`, from 0 up to 1, spreads the pauses by `JITTER` both ways, so that mails which
    failed together do not come back together.
    """
    refused_by_reply = refused.code is not None and 500 <= refused.code <= 599
    if refused.for_good or refused_by_reply or attempts >= MOST_ATTEMPTS:
        return GivenUp()
    pause = min(FIRST_PAUSE * 2 ** min(attempts - 1, MOST_ATTEMPTS), LONGEST_PAUSE)
    return Again(pause * (1 + JITTER * (2 * chance - 1)))
