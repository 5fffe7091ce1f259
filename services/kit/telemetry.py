"""Logs and metrics.

Invariant: neither holds a name, an address or a token. Paths are logged as their route's
template, SQL parameters are hidden, and of an unexpected exception its type and place are
logged but not its message, which may quote a row.
"""

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger


def places(trace: TracebackType | None) -> list[str]:
    """Where an exception came from: `file:line:function`, the innermost last."""
    return [f"{f.filename.split('/')[-1]}:{f.lineno}:{f.name}" for f in traceback.extract_tb(trace)]


def _exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at"] = places(error.__traceback__)[-8:]
    return event


def _first_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """What asyncio adds below its first line are the objects themselves, and with them the
    message of an exception that nobody awaited."""
    if event.get("logger") == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _dumps(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def configure(service: str, process: str, level: str) -> None:
    """Structured logs, one JSON object a line on standard output, from this process on."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, process=process)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, _first_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dumps),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # aiokafka tells of every reconnection at ERROR; the relay and the consumer say it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
