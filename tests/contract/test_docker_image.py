"""The image has no secret and no root, and its small programs do what their first lines say."""

import fnmatch
import importlib.metadata
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

from deploy.local.plan import ROOT
from tests.support.compose import DOCKER, read_env

BASE: Final = "python:3.13-slim-trixie"


def dockerfile() -> list[str]:
    """Its instructions, each in one line and without comments."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text())
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def copied() -> set[str]:
    """What is copied from the repository."""
    lines = [line.split()[1:] for line in dockerfile() if line.startswith("COPY ")]
    local = [words for words in lines if not any(w.startswith("--from") for w in words)]
    return {w for words in local for w in words[:-1] if not w.startswith("--")}


# --- Dockerfile -----------------------------------------------------------------------------------


def test_both_stages_are_of_one_version_and_the_last_is_not_root() -> None:
    lines = dockerfile()
    assert [line for line in lines if line.startswith("FROM ")] == [
        f"FROM {BASE} AS build",
        f"FROM {BASE}",
    ]
    (user,) = [line for line in lines if line.startswith("USER ")]
    assert re.fullmatch(r"USER [1-9]\d+:[1-9]\d+", user)
    assert lines.index(user) > lines.index(f"FROM {BASE}")
    assert lines[-1] == 'ENTRYPOINT ["einlass"]'


def test_libraries_are_checked_against_the_locks() -> None:
    installs = [
        command
        for line in dockerfile()
        for command in line.split("&&")
        if re.search(r"\bpip .*\binstall\b", command)
    ]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or "--no-index" in command


def test_all_that_builds_the_wheel_is_taken_from_the_lock() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    (names,) = re.findall(r"\^\(([a-z|-]+)\)==", text)
    waiting, needed = ["hatchling"], set()
    while waiting:
        name = waiting.pop()
        needed.add(name)
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            marker = requirement.marker
            if marker is None or marker.evaluate({"python_version": "3.13", "extra": ""}):
                waiting += [requirement.name] if requirement.name not in needed else []
    assert set(names.split("|")) == needed
    lock = (ROOT / "requirements-local.lock").read_text()
    for name in needed:
        assert re.search(rf"(?m)^{name}==", lock)


def test_only_what_is_copied_gets_to_the_builder() -> None:
    rules = [
        rule
        for rule in (ROOT / ".dockerignore").read_text().splitlines()
        if rule and not rule.startswith("#")
    ]

    def ignored(path: str) -> bool:
        last = False
        for rule in rules:
            pattern = rule.removeprefix("!").removeprefix("**/")
            parts = [path, *map(str, Path(path).parents), Path(path).name]
            if any(fnmatch.fnmatchcase(p, pattern) and p != "." for p in parts):
                last = not rule.startswith("!")
        return last

    assert rules[0] == "*"
    for source in copied():
        assert not ignored(source), source
        assert "*" in source or (ROOT / source).exists(), source
    for path in (".env", ".git/config", ".local/secrets.json", ".venv/x", "deploy/docker/init-env"):
        assert ignored(path), path
    assert ignored("services/kit/__pycache__/db.cpython-313.pyc")


def test_nothing_secret_is_in_the_image() -> None:
    assert not [
        line
        for line in dockerfile()
        if line.startswith(("ENV ", "ARG ")) and re.search(r"KEY|PASSWORD|SECRET|TOKEN", line)
    ]


# --- init-env -------------------------------------------------------------------------------------


def run_init_env(path: Path) -> str:
    """Runs it and returns what it printed."""
    done = subprocess.run(
        [DOCKER / "init-env", path], check=True, capture_output=True, text=True, umask=0
    )
    return done.stdout


def test_init_env_makes_secrets_that_only_their_owner_reads(tmp_path: Path) -> None:
    path, other = tmp_path / ".env", tmp_path / "other"
    said = run_init_env(path)
    run_init_env(other)
    first, second = read_env(path), read_env(other)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({*first.values(), *second.values()}) == len(first) + len(second)
    for name, value in first.items():
        assert re.fullmatch(r"[A-Za-z0-9_-]{32,}=?", value)
        assert name in said
        assert value not in said


def test_init_env_leaves_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "EINLASS_PORT=9000\n# a note\nEINLASS_SECRET_KEY=mine\nEINLASS_ORGANISATION=Wir"
    )
    path.chmod(0o644)
    run_init_env(path)
    lines = path.read_text().splitlines()
    assert lines[:4] == [
        "EINLASS_PORT=9000",
        "# a note",
        "EINLASS_SECRET_KEY=mine",
        "EINLASS_ORGANISATION=Wir",
    ]
    assert "EINLASS_POSTGRES_PASSWORD" in read_env(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    assert "nothing was changed" in run_init_env(path)
    assert path.read_text() == before


def test_init_env_fills_what_was_left_empty(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("EINLASS_SECRET_KEY=\n")
    run_init_env(path)
    # The last of two lines counts, for Compose and here.
    assert read_env(path)["EINLASS_SECRET_KEY"]


# --- einlass-ready --------------------------------------------------------------------------------


@contextmanager
def answering(status: int) -> Iterator[int]:
    """The port of a process whose `/readyz` answers so, and which is asked nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ready(port: int) -> int:
    """The exit code of `einlass-ready PORT`, run as the image runs it."""
    command = [sys.executable, "-IS", str(DOCKER / "ready.py"), str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_ready_says_what_readyz_says(status: int, code: int) -> None:
    with answering(status) as port:
        assert ready(port) == code


def test_ready_says_no_where_nothing_listens() -> None:
    with answering(200) as port:
        pass
    assert ready(port) == 1
