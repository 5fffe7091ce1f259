"""Numbers and moments in sentences."""

from datetime import UTC, datetime


def many(count: int, one: str, more: str) -> str:
    """`count` before the words for one or for any other number: `1 seat is`, `2 seats are`."""
    return f"{count} {one if count == 1 else more}"


def seats(count: int) -> str:
    """So many seats."""
    return many(count, "seat", "seats")


def parties(count: int) -> str:
    """So many parties."""
    return many(count, "party", "parties")


def moment(at: datetime) -> str:
    """A moment for operators, who may sit anywhere: `1 March 2026, 12:00 UTC`."""
    there = at.astimezone(UTC)
    return f"{there.day} {there:%B %Y, %H:%M} UTC"
