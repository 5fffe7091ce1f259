"""`make bench`: starts stacks of its own, measures, prints, and writes benchmarks/results/ and the
figures in README.

``python -m benchmarks`` runs every case, ``python -m benchmarks streams`` those that are named.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import burst, busy, growth, newsletter, precedence, promotion, rush, streams
from deploy.local import Stack
from tests.support.sink import Sink, sink

PORT = int(os.environ.get("EINLASS_BENCH_PORT", "18200"))
RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent.parent / "README.md"


@dataclass(frozen=True, slots=True)
class Case:
    """`run` measures on a running stack, whose mails go to the sink, and answers in Markdown.
    Without `services` only the servers run: the case starts what it measures, and nothing else
    listens to what that says. `environ`: settings of the services."""

    title: str
    run: Callable[[Stack, Sink], Awaitable[str]]
    services: bool = True
    environ: Mapping[str, str] = field(default_factory=dict)


async def _newsletter(stack: Stack, _: Sink) -> str:
    return await newsletter.run(stack)


async def _streams(stack: Stack, _: Sink) -> str:
    return await streams.run(stack)


CASES: Final[Mapping[str, Case]] = {
    "promotion": Case("From a cancellation to the promotion's mail", promotion.run),
    "rush": Case("Sign-ups in a rush", rush.run, services=False),
    "growth": Case("Sign-ups as an event grows", growth.run, services=False),
    "busy": Case("From a cancellation to the mail, while others sign up", busy.run),
    "burst": Case("Many places at once", burst.run),
    "newsletter": Case("Newsletters to an SMTP server", _newsletter, services=False),
    "precedence": Case(
        "A confirmation beside a newsletter", precedence.run, environ=precedence.ENVIRON
    ),
    "streams": Case(
        "From the outbox to Kafka, and from Kafka to the tables", _streams, services=False
    ),
}


async def _run(case: Case, stack: Stack, mails: Sink) -> str:
    return await case.run(stack, mails)


def _measure(name: str, mails: Sink, environ: Mapping[str, str]) -> None:
    """One case, on a stack of its own."""
    case = CASES[name]
    with (
        tempfile.TemporaryDirectory(prefix="einlass-bench-") as home,
        Stack(Path(home), PORT, {**environ, **case.environ}) as stack,
    ):
        stack.up(services=case.services)
        report = asyncio.run(_run(case, stack, mails))
    print(f"\n## {case.title}\n\n{report}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(report.rstrip() + "\n")
    _show(name, report)


def _show(name: str, report: str) -> None:
    """Puts the report between its two marks in README, where they are."""
    begin, end = f"<!-- bench {name} -->", f"<!-- end of {name} -->"
    before, found, rest = README.read_text().partition(begin)
    _, _, after = rest.partition(end)
    if found:
        README.write_text(f"{before}{begin}\n\n{report.strip()}\n\n{end}{after}")


def main() -> None:
    """Runs the cases named on the command line, or all of them."""
    names = sys.argv[1:] or list(CASES)
    if unknown := set(names) - set(CASES):
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    environ["EINLASS_RATE_LIMITS"] = "off"
    with sink(PORT + 99) as mails:
        environ["EINLASS_SMTP_URL"] = mails.url
        for name in names:
            _measure(name, mails, environ)


if __name__ == "__main__":
    main()
