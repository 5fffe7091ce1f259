"""Medians and spread of what was measured."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Of one series, in the series' unit: median, 99th percentile, least and most."""

    median: float
    p99: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Raises StatisticsError for fewer than two values."""
        ranked = sorted(values)
        return cls(
            median=statistics.median(ranked),
            p99=statistics.quantiles(ranked, n=100, method="inclusive")[98],
            least=ranked[0],
            most=ranked[-1],
        )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
