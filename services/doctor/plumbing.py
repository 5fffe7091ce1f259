"""What is wrong with the servers, the relays and the consumers, by one look. Pure.

Invariant: what a healthy installation shows for a moment is not called wrong: the limits are
those beyond which something has stopped.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from services.contracts import topics
from services.doctor.broker import READS
from services.doctor.findings import Check, Finding, Unknown
from services.doctor.looking import Look
from services.doctor.words import many
from services.kit.audit import Messages
from services.kit.db import SHARDS
from services.notifications import audit as notifications
from services.registration import audit as registration
from services.waitlist import audit as waitlist

# Thirty leases of a relay's poll, and as long as Kafka takes to replace a dead consumer.
LATE_SECONDS: Final = 45.0
_SERVICE_OF: Final[Mapping[str, str]] = {
    registration.CONSUMER: "registration",
    waitlist.CONSUMER: "waitlist",
    notifications.CONSUMER: "notifications",
}
_PARTS: Final = ("registration", "waitlist", "notifications")
_OF_MESSAGES: Final = (Check.RELAYS, Check.OUTBOX, Check.DEAD_LETTERS)


def check(look: Look) -> Iterator[Finding | Unknown]:
    """Everything but what concerns single events."""
    yield from _migrations(look)
    yield from _kafka(look)
    for service in _PARTS:
        seen = getattr(look, service)
        if seen is None:
            for one in _OF_MESSAGES:
                yield Unknown(one, service, _why(look, service))
        else:
            yield from _messages(service, seen.messages)
    yield from _key(look)
    yield from _delivery(look)


def _why(look: Look, part: str) -> str:
    return f"{part} could not be asked ({look.failed.get(part, 'not asked')})"


def _migrations(look: Look) -> Iterator[Finding | Unknown]:
    for service in _PARTS:
        seen = look.versions.get(service)
        if seen is None:
            yield Unknown(Check.MIGRATIONS, service, _why(look, service))
        elif seen.found != seen.newest:
            at = f"at version {seen.found}" if seen.found else "empty"
            words = f"the database is {at}, the newest is {seen.newest}"
            yield Finding(Check.MIGRATIONS, service, words, "run `einlass migrate`")


def _kafka(look: Look) -> Iterator[Finding | Unknown]:
    if look.broker is None:
        words = f"does not answer ({look.failed.get('kafka', 'not asked')})"
        yield Finding(
            Check.SERVERS, "Kafka", words, "sign-up goes on; messages wait in the outboxes"
        )
        yield Unknown(Check.TOPICS, "Kafka", _why(look, "kafka"))
        yield Unknown(Check.CONSUMERS, "Kafka", _why(look, "kafka"))
        return
    for topic in topics.ALL:
        seen = look.broker.topics.get(topic.name)
        if seen is None:
            words = "the topic does not exist"
            yield Finding(Check.TOPICS, topic.name, words, "run `einlass migrate`", "missing")
            continue
        if seen.retention_ms != topic.retention_ms:
            words = (
                f"messages are kept for {_days(seen.retention_ms)}, not {_days(topic.retention_ms)}"
            )
            advice = "it carries personal data" if topic is topics.REGISTRATION else ""
            yield Finding(Check.TOPICS, topic.name, words, advice, "retention")
        if seen.partitions != topic.partitions:
            words = f"it has {seen.partitions} partitions, not {topic.partitions}"
            advice = "where they were added later, an event's older messages may be on another one"
            yield Finding(Check.TOPICS, topic.name, words, advice, "partitions")
    for group, lag in look.broker.lags.items():
        if lag.messages and lag.oldest > LATE_SECONDS:
            words = (
                f"{many(lag.messages, 'message waits', 'messages wait')} on {READS[group].name}, "
                f"the oldest for {lag.oldest:.0f} s"
            )
            advice = f"see whether a worker of {_SERVICE_OF[group]} runs, and its log"
            yield Finding(Check.CONSUMERS, _SERVICE_OF[group], words, advice)


def _days(milliseconds: int) -> str:
    return "ever" if milliseconds < 0 else f"{milliseconds / topics.DAY_MS:g} days"


def _messages(service: str, seen: Messages) -> Iterator[Finding]:
    if seen.relays == 0:
        words = "no relay is alive, so nothing is published"
        yield Finding(Check.RELAYS, service, words, f"start `einlass {service} worker`")
    elif not seen.all_leased:
        words = f"{SHARDS - seen.leased} of {SHARDS} shards are held by no relay"
        yield Finding(Check.RELAYS, service, words)
    if seen.oldest > LATE_SECONDS:
        words = (
            f"{many(seen.rows, 'message waits', 'messages wait')} to be published, "
            f"the oldest for {seen.oldest:.0f} s"
        )
        yield Finding(Check.OUTBOX, service, words, "see whether relay and Kafka run")
    if seen.letter_count:
        first = seen.letters[0]
        words = (
            f"{many(seen.letter_count, 'message was', 'messages were')} set aside, the first of "
            f"{first.topic} because of "
            f"{first.error}"
        )
        advice = f"`einlass dead-letters list {service}`, then `replay` once the reason is gone"
        yield Finding(Check.DEAD_LETTERS, service, words, advice)


def _key(look: Look) -> Iterator[Finding | Unknown]:
    if look.registration is None:
        yield Unknown(Check.SETTINGS, "secret key", _why(look, "registration"))
    elif look.registration.key_fits is False:
        words = "EINLASS_SECRET_KEY does not open what was sealed: people's links cannot be made"
        advice = "set the key with which this installation began"
        yield Finding(Check.SETTINGS, "secret key", words, advice)


def _delivery(look: Look) -> Iterator[Finding | Unknown]:
    seen = look.notifications
    if seen is None:
        yield Unknown(Check.DELIVERY, "notifications", _why(look, "notifications"))
    elif seen.overdue:
        words = (
            f"{many(seen.overdue, 'mail is', 'mails are')} overdue, "
            f"the oldest for {seen.overdue_seconds:.0f} s"
        )
        advice = "see whether delivery runs and the SMTP server takes mails"
        yield Finding(Check.DELIVERY, "notifications", words, advice)
