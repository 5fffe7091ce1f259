"""Serving HTTP with uvicorn, and ending on SIGTERM: no new work, the work in hand, exit 0. A
process that could not start ends with another code."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Iterator, Mapping
from typing import Any, Final

import structlog
import uvicorn

from services.kit.roles import Role, run_roles

log = structlog.get_logger(__name__)

DEADLINE_SECONDS: Final = 20
STARTUP_FAILED: Final = 3


class _Server(uvicorn.Server):
    """A server that leaves the signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: Any, host: str, port: int, trusted: str = "127.0.0.1") -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=trusted,
            timeout_graceful_shutdown=DEADLINE_SECONDS,
            timeout_keep_alive=75,
            backlog=4096,
        )
    )


def _spare_the_collector() -> None:
    """What was imported lives as long as the process; the collector need not look at it again,
    nor so often at what a rush of requests makes and drops."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _on_signal(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)


async def serve(app: Any, host: str, port: int, trusted: str) -> None:
    """Serves `app` until a signal; then finishes the requests in hand. `trusted`: addresses of
    the gateway, whose word on a client's address is taken."""
    stop = asyncio.Event()
    _on_signal(stop)
    server = _server(app, host, port, trusted)
    _spare_the_collector()
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        if hasattr(app, "state"):
            app.state.stopping.set()
        server.should_exit = True
    stopping.cancel()
    await serving
    if not server.started:
        # uvicorn has logged why; whoever started the process must not take it for a clean end.
        raise SystemExit(STARTUP_FAILED)


async def serve_roles(roles: Mapping[str, Role], health: Any, host: str, port: int) -> None:
    """Runs background roles beside a small health server, until a signal."""
    stop = asyncio.Event()
    _on_signal(stop)
    _spare_the_collector()
    server = _server(health, host, port)
    serving = asyncio.create_task(server.serve())
    await run_roles(roles, stop, DEADLINE_SECONDS)
    server.should_exit = True
    await serving
