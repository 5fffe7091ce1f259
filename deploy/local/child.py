"""One child process of the stack: how it starts, when it is ready, how it ends.

Every child leads a session of its own, so that a Ctrl-C in the terminal reaches the supervisor
alone and the children end in order; and every child is in the record before it is waited for.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from deploy.local import record
from deploy.local.plan import StackError

FIRST_STAGE: Final = 0
SERVICE_STAGE: Final = 1
SERVER_STAGE: Final = 2

_LOG_LINES_SHOWN: Final = 25
_LOG_BYTES: Final = 20_000_000
_POLL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Program:
    """What to run and how to tell that it works.

    ``ready`` answers within a second or so and is asked until it says yes; ``start_timeout`` and
    ``grace`` are seconds; ``uid`` and ``gid`` are set where it must not run as root; ``before``
    is called before each start, for what a killed predecessor may have left.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    ready: Callable[[], bool]
    stage: int = SERVICE_STAGE
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 25.0
    start_timeout: float = 120.0
    uid: int | None = None
    gid: int | None = None
    before: Callable[[], None] | None = field(default=None)


class Child:
    """A program as a child process; started, ended and started again as often as wanted."""

    def __init__(
        self, program: Program, log: Path, cwd: Path, recorder: Callable[[record.Entry], None]
    ) -> None:
        self.program = program
        self.log = log
        self._cwd = cwd
        self._recorder = recorder
        self._process: subprocess.Popen[bytes] | None = None
        self.expected = False

    def __repr__(self) -> str:
        state = f"pid {self._process.pid}" if self._process and self.running else "not running"
        return f"<Child {self.program.name}: {state}>"

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int:
        """The process id of the last start.

        Raises:
            StackError: it was never started.
        """
        if self._process is None:
            raise StackError(f"{self.name} was never started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last start; below zero the signal that ended it; ``None`` so far."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start, and wait until it is ready. One that runs already is only waited for.

        Raises:
            StackError: it ended, or was not ready in time; the last lines of its log are included.
        """
        self.launch()
        wait_ready([self])

    def launch(self) -> None:
        """Start without waiting."""
        if self.running:
            return
        if self.program.before:
            self.program.before()
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self.program.argv),
                env=dict(self.program.env),
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.program.uid,
                group=self.program.gid,
                extra_groups=None if self.program.uid is None else [],
            )
        self.expected = True
        self.write_down()

    def ready(self) -> bool:
        """Whether it runs and answers."""
        return self.running and self.program.ready()

    def signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a crash would end it, with all of its process group; waits for its end."""
        self.expected = False
        if self._process is not None:
            if self.running:
                record.send(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait(self) -> int | None:
        """Wait for its end, however that comes about, and return the exit code."""
        return None if self._process is None else self._process.wait()

    def terminate(self) -> int | None:
        """Ask it to end and wait; after its time it is killed. Returns the exit code."""
        stop([self])
        return self.exit_code

    def write_down(self) -> None:
        """Put the process into the record as it is now."""
        try:
            identity = record.Identity.of(self.pid)
        except psutil.Error:
            return  # It has ended already; waiting for it will say so.
        self._recorder(
            record.Entry(
                name=self.name,
                identity=identity,
                stage=self.program.stage,
                stop_signal=int(self.program.stop_signal),
                grace=self.program.grace,
            )
        )


def wait_ready(
    children: Iterable[Child],
    on_ready: Callable[[Child], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Wait until all are ready, in whatever order they get there, or until it is called off.

    Raises:
        StackError: one ended or ran out of its time, with the last lines of its log.
    """
    waiting = list(children)
    begun = time.monotonic()
    while waiting and not cancelled():
        for child in list(waiting):
            if child.ready():
                waiting.remove(child)
                # Again: what was started may have been a launcher that became the program.
                child.write_down()
                if on_ready:
                    on_ready(child)
            elif not child.running:
                raise StackError(failure(child.name, f"ended with {child.exit_code}", child.log))
            elif time.monotonic() - begun > child.program.start_timeout:
                limit = child.program.start_timeout
                message = f"was not ready after {limit:.0f} s"
                raise StackError(failure(child.name, message, child.log))
        if waiting:
            time.sleep(_POLL)


def stop(children: Iterable[Child]) -> None:
    """End these children, stage by stage, each with its own signal and its own time."""
    running = [child for child in children if child.running]
    for child in running:
        child.expected = False
    for stage in sorted({child.program.stage for child in running}):
        these = [child for child in running if child.program.stage == stage]
        for child in these:
            record.send(child.pid, child.program.stop_signal)
        deadline = time.monotonic() + max(child.program.grace for child in these)
        while any(child.running for child in these) and time.monotonic() < deadline:
            time.sleep(0.02)
        for child in these:
            child.kill()


def failure(name: str, what: str, log: Path) -> str:
    """A message about a process that failed, with the last lines of its log."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
    except FileNotFoundError:
        lines = []
    shown = "\n".join(f"    {line}" for line in lines)
    return f"{name} {what}. The end of {log}:\n{shown}"
