"""``python -m deploy.local up|down|env|status``: the stack from a terminal."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from deploy.local import record
from deploy.local.plan import Places, StackError, home_from, port_from
from deploy.local.stack import Stack
from deploy.local.supervision import Supervisor

_DOWN_WAIT: Final = 90.0


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything and stay until Ctrl-C")
    up.add_argument("--servers-only", action="store_true", help="no services and no gateway")
    up.add_argument("--no-demo", action="store_true", help="without the demo programme")
    commands.add_parser("down", help="stop the stack that runs from this home")
    commands.add_parser("env", help="print the running stack's environment as shell exports")
    commands.add_parser("status", help="list the running stack's processes")
    chosen = parser.parse_args(arguments)
    places = Places(home_from(os.environ))
    actions: dict[str, Callable[[], int]] = {
        "up": lambda: _up(places, chosen.servers_only, not chosen.no_demo),
        "down": lambda: _down(places),
        "env": lambda: _env(places),
        "status": lambda: _status(places),
    }
    try:
        return actions[chosen.command]()
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


def _up(places: Places, servers_only: bool, demo: bool) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_interrupt)
    begun = time.monotonic()
    stack = Stack(places.home, port_from(os.environ), log=_say)
    _say(f"Starting Einlass from {places.home} ...")
    try:
        with stack:
            stack.up(services=not servers_only, demo=demo)
            _say(f"Ready after {time.monotonic() - begun:.1f} s.")
            _say(_summary(stack, servers_only))
            Supervisor(stack.children, _say).watch()
    except KeyboardInterrupt:
        _say("Stopped.")
    return 0


def _summary(stack: Stack, servers_only: bool) -> str:
    lines = [""]
    if not servers_only:
        lines.append(f"  Site      {stack.public_url}/events")
    if stack.mailbox_url:
        lines.append(f"  Mailbox   {stack.mailbox_url}")
    if not servers_only and stack.operator:
        lines += [
            f"  Operator  {stack.operator.name}",
            f"  Password  {stack.operator.password}",
            f"  API token {stack.operator.token}",
        ]
    return "\n".join([*lines, "", "Ctrl-C stops it."])


def _down(places: Places) -> int:
    run = record.read(places.record)
    if run is None:
        _say(f"No stack runs from {places.home}.")
        return 0
    if run.supervisor.alive():
        _say("Stopping ...")
        os.kill(run.supervisor.pid, signal.SIGTERM)
        deadline = time.monotonic() + _DOWN_WAIT
        while run.supervisor.alive() and time.monotonic() < deadline:
            time.sleep(0.1)
    # It may have started more since the record was read, and it may have been stuck.
    last = record.read(places.record) or run
    record.end(last.children)
    if run.supervisor.alive():
        raise StackError(f"The supervisor, process {run.supervisor.pid}, does not end.")
    places.record.unlink(missing_ok=True)
    _say("Stopped.")
    return 0


def _env(places: Places) -> int:
    for name, value in sorted(_running(places).environment.items()):
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _status(places: Places) -> int:
    run = _running(places)
    print(f"{'supervisor':24} {run.supervisor.pid:>8}  running")
    for child in run.children:
        state = "running" if child.identity.alive() else "ended"
        print(f"{child.name:24} {child.identity.pid:>8}  {state}")
    return 0


def _running(places: Places) -> record.Run:
    run = record.read(places.record)
    if run is None or not run.supervisor.alive():
        raise StackError(f"No stack runs from {places.home}. `make up` starts one.")
    return run


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
