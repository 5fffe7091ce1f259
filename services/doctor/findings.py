"""What the doctor checks, and what it finds.

Invariant: a finding is in words that somebody understands who has not read the code, names no
person but by the registration's id, and is told apart from others by its check, its subject and
its key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal


class Check(StrEnum):
    """One question; the value is its name in JSON and in metrics."""

    SETTINGS = "settings"
    SERVERS = "servers"
    MIGRATIONS = "migrations"
    TOPICS = "topics"
    RELAYS = "relays"
    OUTBOX = "outbox"
    CONSUMERS = "consumers"
    DEAD_LETTERS = "dead_letters"
    OVERSOLD = "oversold"
    COUNTERS = "counters"
    KEPT_FREE = "kept_free"
    LIGHT = "light"
    LINES = "lines"
    LEDGER = "ledger"
    MESSAGES = "messages"
    ORDER = "order"
    HELD = "held"
    PEOPLE = "people"
    MAILS = "mails"
    DELIVERY = "delivery"


TITLES: Final[Mapping[Check, str]] = {
    Check.SETTINGS: "the settings are complete and fit",
    Check.SERVERS: "PostgreSQL, Kafka, Redis and SMTP answer",
    Check.MIGRATIONS: "the databases are at the newest version",
    Check.TOPICS: "the topics exist and keep messages as long as they should",
    Check.RELAYS: "relays are alive and hold every shard",
    Check.OUTBOX: "nothing waits long to be published",
    Check.CONSUMERS: "nothing waits long to be handled",
    Check.DEAD_LETTERS: "no message was set aside",
    Check.OVERSOLD: "no event has more seats given than there are",
    Check.COUNTERS: "the counters say what the registrations say",
    Check.KEPT_FREE: "no seat is free while somebody waits",
    Check.LIGHT: "each light says what the seats say",
    Check.LINES: "the lines' counters say what their entries say",
    Check.LEDGER: "freed seats are promoted, released or still free",
    Check.MESSAGES: "what was said has been heard",
    Check.ORDER: "the same people stand in line in the same order",
    Check.HELD: "every held seat is known to the line",
    Check.PEOPLE: "mails know how everybody stands",
    Check.MAILS: "everybody has the mail of the last change",
    Check.DELIVERY: "no mail is long overdue",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong. `subject` is the event's slug, the service or the server; `key` tells
    findings of one check and subject apart; `advice` says what to do, where that is known."""

    check: Check
    subject: str
    words: str
    advice: str = ""
    key: str = ""
    mendable: bool = False

    @property
    def same(self) -> tuple[Check, str, str]:
        """What makes it the same finding in a later look, even if its numbers have moved."""
        return self.check, self.subject, self.key


@dataclass(frozen=True, slots=True)
class Unknown:
    """A check that could not be made, for this reason."""

    check: Check
    subject: str
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that one look, or a row of looks, has shown."""

    findings: Sequence[Finding] = ()
    unknown: Sequence[Unknown] = ()
    notes: Sequence[str] = field(default=())

    def state(self, check: Check) -> Literal["ok", "wrong", "cannot tell"]:
        """What to say of a check."""
        if any(f.check is check for f in self.findings):
            return "wrong"
        return "cannot tell" if any(u.check is check for u in self.unknown) else "ok"

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong; what cannot be told is not wrong."""
        return not self.findings
