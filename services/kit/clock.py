"""The project's own clock: rules take the time from here, so that a test can move it.

Invariant: every time is aware and in UTC. Leases use the database's clock instead, because
they compare the clocks of several machines.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class RehearsalClock:
    """The machine's clock, put forward by as many seconds as stand in a file; without the file, by
    none. For trying out on a whole installation what happens when time has passed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._forward = timedelta(0)

    def now(self) -> datetime:
        """Raises ValueError where the file holds no number."""
        try:
            state = self._file.stat()
        except FileNotFoundError:
            return datetime.now(UTC)
        if (seen := (state.st_mtime_ns, state.st_ino)) != self._seen:
            self._forward = timedelta(seconds=float(self._file.read_text()))
            self._seen = seen
        return datetime.now(UTC) + self._forward


class FixedClock:
    """A clock that stands until it is moved; for tests."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def advance(self, by: timedelta) -> None:
        """Moves the clock on by `by`."""
        self._at += by
