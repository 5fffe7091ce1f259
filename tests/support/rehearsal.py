"""A whole stack whose clock a test puts forward, with all its mails in memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from deploy.local import Stack
from tests.support import events
from tests.support.sink import Sink, sink


@dataclass(slots=True)
class Rehearsal:
    """`forward` is how far the clock of all processes has been put."""

    stack: Stack
    mails: Sink
    clock: Path
    forward: timedelta = timedelta(0)

    def now(self) -> datetime:
        """By the clock of the stack."""
        return datetime.now(UTC) + self.forward

    def advance(self, by: timedelta) -> None:
        """Puts the clock forward, for all processes at once."""
        self.forward += by
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(self.forward.total_seconds()))
        fresh.replace(self.clock)

    def advance_to(self, at: datetime) -> None:
        """Puts the clock to a later moment."""
        self.advance(at - self.now())

    async def event(self, public: httpx.AsyncClient, **changes: Any) -> str:
        """A new published event, far enough away for the clock as it stands; its slug."""
        assert self.stack.operator is not None
        day = (self.now() + timedelta(days=40)).date()
        made = events.event(**{"days": [{"date": day.isoformat()}], **changes})
        headers = {"Authorization": f"Bearer {self.stack.operator.token}"}
        answer = await public.post("/admin/events", json=made, headers=headers)
        answer.raise_for_status()
        return str(made["slug"])

    def mailed(self, kind: str) -> list[str]:
        """Whom mails of this kind came to, in order; the Message-ID begins with the kind."""
        return [m.recipient for m in self.mails.mails if m.message_id.startswith(f"{kind}.")]


@contextmanager
def rehearsal(home: Path, port: int) -> Iterator[Rehearsal]:
    """A stack of its own; ends with the block."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    clock = home / "forward"
    with sink(port + 99) as mails:
        environ |= {
            "EINLASS_RATE_LIMITS": "off",
            "EINLASS_SMTP_URL": mails.url,
            "EINLASS_CLOCK_FILE": str(clock),
        }
        with Stack(home, port, environ) as running:
            running.up()
            yield Rehearsal(running, mails, clock)
