"""A child is started, found ready, ended and started again; a failure shows its log."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.local.child import Child, Program, stop, wait_ready
from deploy.local.plan import StackError
from deploy.local.record import Entry
from deploy.local.supervision import Supervisor


class Workshop:
    """Makes children and ends what is left of them."""

    def __init__(self, directory: Path, ends: ExitStack) -> None:
        self.directory = directory
        self.entries: list[Entry] = []
        self._ends = ends

    def child(self, code: str, *, name: str = "child", timeout: float = 10) -> Child:
        sign = self.directory / f"{name}.ready"
        program = Program(
            name=name,
            argv=[sys.executable, "-c", f"import os, pathlib, time; {code}", str(sign)],
            env=os.environ,
            ready=sign.exists,
            grace=5,
            start_timeout=timeout,
            before=lambda: sign.unlink(missing_ok=True),
        )
        child = Child(program, self.directory / f"{name}.log", self.directory, self.entries.append)
        self._ends.callback(child.kill)
        return child


READY = "import sys; pathlib.Path(sys.argv[1]).touch(); "
SLEEP = READY + "time.sleep(60)"


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with ExitStack() as ends:
        yield Workshop(tmp_path, ends)


def test_start_waits_until_it_is_ready_and_writes_it_down(workshop: Workshop) -> None:
    child = workshop.child("time.sleep(0.2); " + SLEEP)

    child.start()

    assert child.running
    assert child.ready()
    assert workshop.entries[-1].identity.pid == child.pid
    assert workshop.entries[-1].name == "child"


def test_it_leads_a_session_of_its_own(workshop: Workshop) -> None:
    child = workshop.child(SLEEP)

    child.start()

    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_a_killed_child_starts_again_as_another_process(workshop: Workshop) -> None:
    child = workshop.child(SLEEP)
    child.start()
    first = child.pid

    child.kill()
    assert not child.running
    assert child.exit_code == -signal.SIGKILL
    child.start()

    assert child.running
    assert child.pid != first


def test_terminate_lets_it_finish(workshop: Workshop) -> None:
    child = workshop.child(
        "import signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(7)); " + SLEEP
    )
    child.start()

    assert child.terminate() == 7


def test_one_that_ends_before_it_is_ready_is_told_with_its_log(workshop: Workshop) -> None:
    child = workshop.child("print('the reason', flush=True); os._exit(3)")

    with pytest.raises(StackError, match=r"(?s)child ended with 3.*the reason"):
        child.start()


def test_one_that_is_never_ready_is_told(workshop: Workshop) -> None:
    child = workshop.child("time.sleep(60)", timeout=0.3)

    with pytest.raises(StackError, match="not ready after"):
        child.start()


def test_waiting_ends_when_it_is_called_off(workshop: Workshop) -> None:
    child = workshop.child("time.sleep(60)")
    child.launch()

    wait_ready([child], cancelled=lambda: True)

    assert child.running


def test_stopping_leaves_nothing(workshop: Workshop) -> None:
    children = [workshop.child(SLEEP, name=name) for name in ("one", "two")]
    for child in children:
        child.start()

    stop(children)

    assert [child.exit_code for child in children] == [-signal.SIGTERM, -signal.SIGTERM]


def test_only_what_ended_unasked_is_started_again_each_time_later(workshop: Workshop) -> None:
    now = 1000.0
    said: list[str] = []
    crashing = workshop.child(SLEEP, name="crashing")
    stopped = workshop.child(SLEEP, name="stopped")
    supervisor = Supervisor(
        {"crashing": crashing, "stopped": stopped}, said.append, clock=lambda: now
    )
    crashing.start()
    stopped.start()
    stopped.terminate()
    delays = []
    for _ in range(3):
        os.kill(crashing.pid, signal.SIGKILL)
        crashing.wait()
        supervisor.look()
        begun = now
        while not crashing.running:
            now += 0.5
            supervisor.look()
        delays.append(now - begun)

    assert delays == [1.0, 2.0, 4.0]
    assert len(said) == 3
    assert all(line.startswith("crashing ended unasked (-9)") for line in said)
    assert not stopped.running
