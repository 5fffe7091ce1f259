"""What a round of the relay puts into one partition's batch."""

from typing import Any

from services.kit.relay import _Batch


class Records:
    """A batch of aiokafka's with room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken: list[bytes] = []

    def append(self, *, timestamp: None, key: bytes, value: bytes) -> object:
        if len(value) > self.room:
            return None
        self.room -= len(value)
        self.taken.append(value)
        return object()


def row(id: int, payload: bytes) -> Any:
    return (0, id, "topic", b"key", payload)


def test_what_comes_after_a_row_without_room_waits_with_it() -> None:
    """A later row that would still fit must not overtake it."""
    records = Records(room=10)
    batch = _Batch(records)
    rows = [row(1, b"12345"), row(2, b"1234567"), row(3, b"1")]
    for one in rows:
        batch.add(one, one[3], one[4])
    assert records.taken == [b"12345"]
    assert batch.rows == rows[:1]
