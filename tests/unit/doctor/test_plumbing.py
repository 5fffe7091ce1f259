"""What Kafka and the tables of the messages must look like to be called wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.contracts import topics
from services.doctor import plumbing
from services.doctor.broker import READS, Broker, Lag, SeenTopic
from services.doctor.findings import Check, Finding, Unknown
from services.doctor.looking import Look, Versions
from services.kit.audit import Messages
from services.kit.db import SHARDS
from services.notifications import audit as notifications
from services.registration import audit as registration
from services.waitlist import audit as waitlist

QUIET = Messages(outbox={}, oldest=0, had={}, letters=[], letter_count=0, relays=1, leased=SHARDS)
TOPICS = {one.name: SeenTopic(one.partitions, one.retention_ms) for one in topics.ALL}


def look(**changes: Any) -> Look:
    """Everything as it should be, but for the changes."""
    healthy = Look(
        registration=registration.Seen(events=[], messages=QUIET, key_fits=True),
        waitlist=waitlist.Seen(lines={}, messages=QUIET),
        notifications=notifications.Seen(events={}, overdue=0, overdue_seconds=0, messages=QUIET),
        broker=Broker(TOPICS, {group: Lag({}, 0) for group in READS}),
        versions={name: Versions("0001", "0001") for name in ("registration", "waitlist")}
        | {"notifications": Versions("0001", "0001")},
    )
    return replace(healthy, **changes)


def found(seen: Look) -> list[tuple[Check, str, str]]:
    return [
        (one.check, one.subject, one.words)
        for one in plumbing.check(seen)
        if isinstance(one, Finding)
    ]


def unknown(seen: Look) -> set[Check]:
    return {one.check for one in plumbing.check(seen) if isinstance(one, Unknown)}


def with_topics(changed: Mapping[str, SeenTopic], lags: Mapping[str, Lag] | None = None) -> Look:
    return look(broker=Broker(changed, lags or {}))


def test_a_quiet_installation_has_no_finding() -> None:
    assert found(look()) == []
    assert unknown(look()) == set()


def test_a_missing_topic_is_told() -> None:
    rest = {name: seen for name, seen in TOPICS.items() if name != "waitlist.v1"}
    assert found(with_topics(rest)) == [(Check.TOPICS, "waitlist.v1", "the topic does not exist")]


def test_a_topic_that_keeps_personal_data_too_long_is_told() -> None:
    longer = TOPICS | {"registration.v1": SeenTopic(12, 30 * topics.DAY_MS)}
    assert found(with_topics(longer)) == [
        (Check.TOPICS, "registration.v1", "messages are kept for 30 days, not 7 days")
    ]
    ever = TOPICS | {"registration.v1": SeenTopic(12, -1)}
    assert found(with_topics(ever))[0][2] == "messages are kept for ever, not 7 days"


def test_another_number_of_partitions_is_told() -> None:
    more = TOPICS | {"waitlist.v1": SeenTopic(24, TOPICS["waitlist.v1"].retention_ms)}
    assert found(with_topics(more)) == [
        (Check.TOPICS, "waitlist.v1", "it has 24 partitions, not 12")
    ]


def test_a_consumer_that_is_behind_for_a_moment_is_no_finding() -> None:
    young = {"einlass.waitlist": Lag({3: 5000}, plumbing.LATE_SECONDS)}
    assert found(with_topics(TOPICS, young)) == []
    old = {"einlass.waitlist": Lag({3: 1, 4: 1}, plumbing.LATE_SECONDS + 1)}
    assert found(with_topics(TOPICS, old)) == [
        (
            Check.CONSUMERS,
            "waitlist",
            "2 messages wait on registration.v1, the oldest for 46 s",
        )
    ]


def test_what_does_not_answer_is_told_apart_from_what_is_wrong() -> None:
    blind = look(broker=None, waitlist=None, failed={"kafka": "KafkaConnectionError"})
    assert found(blind) == [(Check.SERVERS, "Kafka", "does not answer (KafkaConnectionError)")]
    assert unknown(blind) == {
        Check.TOPICS,
        Check.CONSUMERS,
        Check.RELAYS,
        Check.OUTBOX,
        Check.DEAD_LETTERS,
    }


def test_a_database_that_was_never_migrated_is_empty() -> None:
    empty = look(versions={**look().versions, "waitlist": Versions(None, "0001")})
    assert found(empty) == [
        (Check.MIGRATIONS, "waitlist", "the database is empty, the newest is 0001")
    ]


def test_a_key_that_opens_nothing_is_told() -> None:
    wrong = look(registration=registration.Seen(events=[], messages=QUIET, key_fits=False))
    assert [(check, subject) for check, subject, _ in found(wrong)] == [
        (Check.SETTINGS, "secret key")
    ]
    none_yet = look(registration=registration.Seen(events=[], messages=QUIET, key_fits=None))
    assert found(none_yet) == []
