"""`make bench`: starts a stack of its own, measures, prints, and writes benchmarks/results/."""

import asyncio
import os
import tempfile
from pathlib import Path

from benchmarks import promotion
from deploy.local import Stack
from tests.support.sink import sink

PORT = int(os.environ.get("EINLASS_BENCH_PORT", "18200"))
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Runs every case."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EINLASS_")}
    environ["EINLASS_RATE_LIMITS"] = "off"
    with sink(PORT + 99) as mails, tempfile.TemporaryDirectory(prefix="einlass-bench-") as home:
        environ["EINLASS_SMTP_URL"] = mails.url
        with Stack(Path(home), PORT, environ) as stack:
            stack.up()
            report = asyncio.run(promotion.run(stack, mails))
    print(f"\n## From a cancellation to the promotion's mail\n\n{report}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "promotion.md").write_text(report)


if __name__ == "__main__":
    main()
