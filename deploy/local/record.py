"""Who runs for a home, on disk, so that another process can end what was left behind.

A process counts as ours only when its id, its start time and its command are the recorded ones:
an id alone may long belong to somebody else. The record is written before a new child is waited
for, and rewritten whole and atomically, so that a reader never sees half of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import psutil

from deploy.local.plan import StackError

# Boot time, from which start times are computed, moves a little when the clock is set.
_START_TOLERANCE: Final = 2.0
_KILL_WAIT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, beyond doubt. ``started`` is in seconds since the epoch."""

    pid: int
    started: float
    command: tuple[str, ...]

    @classmethod
    def of(cls, pid: int) -> Identity:
        """The identity of a running process.

        Raises:
            psutil.NoSuchProcess: it has ended.
        """
        process = psutil.Process(pid)
        return cls(pid, process.create_time(), tuple(process.cmdline()))

    def alive(self) -> bool:
        """Whether this very process still runs (one that has ended but is not reaped does not)."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.started) < _START_TOLERANCE
                and process.status() != psutil.STATUS_ZOMBIE
                and tuple(process.cmdline()) == self.command
            )
        except psutil.Error:
            return False


@dataclass(frozen=True, slots=True)
class Entry:
    """A child in the record, and how it is ended: stages go first to last, ``grace`` in seconds."""

    name: str
    identity: Identity
    stage: int
    stop_signal: int
    grace: float


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a stack: the supervising process, what its children are told, and these."""

    supervisor: Identity
    environment: dict[str, str]
    children: tuple[Entry, ...] = field(default=())

    def with_child(self, entry: Entry) -> Run:
        """The run with this child added, or its earlier namesake replaced."""
        others = tuple(child for child in self.children if child.name != entry.name)
        return replace(self, children=(*others, entry))


def read(path: Path) -> Run | None:
    """The recorded run, or ``None`` where there is none, or none that can be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        return Run(
            supervisor=_identity(found["supervisor"]),
            environment={str(name): str(value) for name, value in found["environment"].items()},
            children=tuple(
                Entry(
                    name=child["name"],
                    identity=_identity(child["identity"]),
                    stage=child["stage"],
                    stop_signal=child["stop_signal"],
                    grace=child["grace"],
                )
                for child in found["children"]
            ),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(path: Path, run: Run) -> None:
    """Replace the record; only its owner may read it, as the environment holds passwords."""
    replace_file(path, json.dumps(asdict(run), indent=1))


def replace_file(path: Path, text: str) -> None:
    """Write a file that only its owner may read, as a whole or not at all."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def end(entries: Iterable[Entry]) -> list[str]:
    """End every entry that is still alive, stage by stage, and return the names of those.

    Each process group gets its own stop signal and its time; what stays after that is killed.
    """
    ended = []
    alive = [entry for entry in entries if entry.identity.alive()]
    for stage in sorted({entry.stage for entry in alive}):
        these = [entry for entry in alive if entry.stage == stage]
        for entry in these:
            send(entry.identity.pid, entry.stop_signal)
        deadline = time.monotonic() + max(entry.grace for entry in these)
        if not _gone(these, deadline):
            for entry in these:
                if entry.identity.alive():
                    send(entry.identity.pid, signal.SIGKILL)
            _gone(these, time.monotonic() + _KILL_WAIT)
        ended += [entry.name for entry in these]
    return ended


def send(pid: int, number: int) -> None:
    """Signal a child's whole process group; one that is gone already is no error."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the home for one supervisor; the kernel lets go of it even after a ``kill -9``.

    Raises:
        StackError: another supervisor holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"A stack is running from {path.parent} already. `make down` stops it; "
                "EINLASS_HOME and EINLASS_PORT let a second one run beside it."
            ) from None
        yield


def _gone(entries: Sequence[Entry], deadline: float) -> bool:
    while any(entry.identity.alive() for entry in entries):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _identity(found: dict[str, Any]) -> Identity:
    return Identity(int(found["pid"]), float(found["started"]), tuple(found["command"]))
