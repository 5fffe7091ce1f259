"""Keys, shards and partitions of an event."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.waitlist import ADAPTER, SeatsReleased, SeatsReleasedData
from services.kit.db import SHARDS
from services.kit.ids import uuid7
from services.kit.kafka import partition_of
from services.kit.outbox import encode, shard_of


@given(st.uuids(), st.integers(1, 64))
def test_an_event_has_one_shard_and_one_partition(event: UUID, partitions: int) -> None:
    assert 0 <= shard_of(event) < SHARDS
    assert 0 <= partition_of(event, partitions) < partitions
    assert shard_of(event) == shard_of(UUID(str(event)))


@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        # From the tests of Kafka's own client, org.apache.kafka.common.utils.UtilsTest.
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
    ],
)
def test_a_partition_is_that_of_the_default_partitioner(text: bytes, hashed: int) -> None:
    assert murmur2(text) & 0xFFFFFFFF == hashed & 0xFFFFFFFF
    key = uuid7()
    assert partition_of(key, 12) == (murmur2(key.bytes) & 0x7FFFFFFF) % 12


def test_the_events_of_one_moment_are_spread_over_the_shards() -> None:
    found = {shard_of(uuid7()) for _ in range(500)}
    assert len(found) == SHARDS


def test_what_is_said_is_read_again() -> None:
    said = SeatsReleased(
        id=uuid7(),
        event_id=uuid7(),
        seq=1,
        occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
        data=SeatsReleasedData(seats=2),
    )
    assert ADAPTER.validate_json(encode(said)) == said


def test_ids_of_one_process_rise() -> None:
    made = [uuid7() for _ in range(1000)]
    assert made == sorted(made)
    assert {m.version for m in made} == {7}
