"""The audit as a process: looks again and again, and shows what it found to Prometheus.

Invariant: a gauge is 0 where a check is well, and keeps its last value where it cannot be told;
`einlass_audit_finished_timestamp_seconds` says how old all of them are. An alarm on its age
tells when nobody looks any more.
"""

import asyncio
import time
from collections import Counter

import structlog
from prometheus_client import Gauge
from starlette.applications import Starlette

from services.doctor import doctor
from services.doctor.findings import Check, Finding, Verdict
from services.doctor.looking import Look
from services.doctor.sources import Sources
from services.kit import health
from services.kit.roles import every
from services.kit.server import serve_roles

log = structlog.get_logger(__name__)

FINDINGS = Gauge("einlass_audit_findings", "What is wrong, by check.", ["check"])
UNTOLD = Gauge("einlass_audit_untold", "What could not be told, by check.", ["check"])
FINISHED = Gauge("einlass_audit_finished_timestamp_seconds", "When a look was last finished.")
SECONDS = Gauge("einlass_audit_seconds", "How long the last look took.")
OUTBOX = Gauge("einlass_audit_outbox_seconds", "Age of the oldest unpublished row.", ["service"])
LETTERS = Gauge("einlass_audit_dead_letters", "Messages set aside, not replayed.", ["service"])
LAG = Gauge("einlass_audit_lag_messages", "Messages not yet handled.", ["consumer"])
LAG_SECONDS = Gauge("einlass_audit_lag_seconds", "Age of the oldest of them.", ["consumer"])
OVERDUE = Gauge("einlass_audit_overdue_mails", "Mails that should long have been sent.")


def show(verdict: Verdict, look: Look) -> None:
    """Sets the gauges."""
    found = Counter(one.check for one in verdict.findings)
    untold = Counter(one.check for one in verdict.unknown)
    for check in Check:
        UNTOLD.labels(check.value).set(untold[check])
        if verdict.state(check) != "cannot tell":
            FINDINGS.labels(check.value).set(found[check])
    for service in ("registration", "waitlist", "notifications"):
        seen = getattr(look, service)
        if seen is not None:
            OUTBOX.labels(service).set(seen.messages.oldest)
            LETTERS.labels(service).set(seen.messages.letter_count)
    for consumer, lag in (look.broker.lags if look.broker else {}).items():
        LAG.labels(consumer).set(lag.messages)
        LAG_SECONDS.labels(consumer).set(lag.oldest)
    if look.notifications is not None:
        OVERDUE.set(look.notifications.overdue)


def _tell(findings: list[Finding]) -> None:
    for one in findings:
        log.error("audit.finding", check=one.check.value, subject=one.subject, words=one.words)


async def once(sources: Sources, patience: float) -> Verdict:
    """One examination, shown and logged."""
    began = time.monotonic()
    verdict, look = await doctor.examine(sources, patience=patience)
    show(verdict, look)
    _tell(list(verdict.findings))
    SECONDS.set(time.monotonic() - began)
    FINISHED.set_to_current_time()
    return verdict


async def run(sources: Sources, seconds: float, patience: float, host: str, port: int) -> None:
    """Looks every `seconds` until SIGTERM; `/metrics`, `/healthz` and `/readyz` on the port."""

    async def look(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await once(sources, patience)
            await every(seconds, stop)

    checks = {name: db.ping for name, db in sources.databases.items()}
    app = Starlette(routes=health.routes({}, checks))
    try:
        await serve_roles({"audit": look}, app, host, port)
    finally:
        await sources.close()
