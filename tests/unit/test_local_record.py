"""A process of an earlier run is known again beyond doubt, and nobody else's is ever ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local import record
from deploy.local.plan import StackError
from deploy.local.record import Entry, Identity, Run

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('set', flush=True); time.sleep(60)",
]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEP, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def _entry(process: subprocess.Popen[bytes], name: str = "sleeper", grace: float = 5) -> Entry:
    return Entry(name, Identity.of(process.pid), 0, int(signal.SIGTERM), grace)


def test_a_running_process_is_known_again(sleeper: subprocess.Popen[bytes]) -> None:
    assert Identity.of(sleeper.pid).alive()


def test_another_start_time_or_command_under_the_same_id_is_somebody_else(
    sleeper: subprocess.Popen[bytes],
) -> None:
    identity = Identity.of(sleeper.pid)

    assert not replace(identity, started=identity.started - 100).alive()
    assert not replace(identity, command=("postgres", "-D", "/elsewhere")).alive()


def test_somebody_else_is_not_ended(sleeper: subprocess.Popen[bytes]) -> None:
    identity = Identity.of(sleeper.pid)
    stranger = replace(_entry(sleeper), identity=replace(identity, started=identity.started - 100))

    assert record.end([stranger]) == []
    assert sleeper.poll() is None


def test_what_was_left_is_ended(sleeper: subprocess.Popen[bytes]) -> None:
    assert record.end([_entry(sleeper)]) == ["sleeper"]
    assert sleeper.wait(5) == -signal.SIGTERM


def test_what_does_not_end_by_itself_is_killed_after_its_time() -> None:
    with subprocess.Popen(STUBBORN, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()

        assert record.end([_entry(process, grace=0.2)]) == ["sleeper"]
        assert process.wait(5) == -signal.SIGKILL


def test_stages_end_one_after_the_other(tmp_path: Path) -> None:
    order = tmp_path / "order"
    program = (
        "import pathlib, signal, sys\n"
        "def end(*_):\n"
        f"    with open({str(order)!r}, 'a') as file: file.write(sys.argv[1] + '\\n')\n"
        "    raise SystemExit\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('set', flush=True)\n"
        "signal.pause()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, name], stdout=subprocess.PIPE, start_new_session=True
        )
        for name in ("server", "gateway")
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    server, gateway = (_entry(process, "any") for process in processes)

    record.end([replace(server, stage=2), replace(gateway, stage=0)])

    assert order.read_text().split() == ["gateway", "server"]
    for process in processes:
        process.wait(5)
        assert process.stdout is not None
        process.stdout.close()


def test_a_run_is_read_as_it_was_written(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "run.json"
    run = Run(Identity.of(os.getpid()), {"EINLASS_PORT": "8080"}).with_child(_entry(sleeper))

    record.write(path, run)

    assert record.read(path) == run
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_child_started_again_takes_the_place_of_its_predecessor(
    sleeper: subprocess.Popen[bytes],
) -> None:
    run = Run(Identity.of(os.getpid()), {})
    again = replace(_entry(sleeper), grace=7)

    assert run.with_child(_entry(sleeper)).with_child(again).children == (again,)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"supervisor": 7}', '{"supervisor": {}}'])
def test_a_broken_record_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)

    assert record.read(path) is None
    assert record.read(tmp_path / "absent") is None


def test_a_home_has_one_supervisor_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "home" / "lock"
    with record.locked(path), pytest.raises(StackError, match="already"), record.locked(path):
        pass
    with record.locked(path):
        pass


def test_the_guard_ends_what_a_killed_supervisor_left(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    supervisor = (
        "import os, pathlib, signal, subprocess, sys, time\n"
        "from deploy.local import record\n"
        f"path = pathlib.Path({str(path)!r})\n"
        f"child = subprocess.Popen({SLEEP!r}, start_new_session=True)\n"
        "guard = subprocess.Popen([sys.executable, '-m', 'deploy.local.guard', str(path),"
        " str(os.getpid())], stdin=subprocess.PIPE, start_new_session=True)\n"
        "identity = record.Identity.of(child.pid)\n"
        "entry = record.Entry('child', identity, 0, int(signal.SIGTERM), 5.0)\n"
        "record.write(path, record.Run(record.Identity.of(os.getpid()), {}, (entry,)))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", supervisor], check=False).returncode == -9
    run = record.read(path)
    assert run is not None

    deadline = time.monotonic() + 10
    while run.children[0].identity.alive() and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not run.children[0].identity.alive()
