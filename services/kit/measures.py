"""What is measured of every answer: how many, with which status, and how long to their head.

Kept as plain numbers and handed to prometheus_client when it collects: a histogram of its own
takes a lock for each bucket and each sum, which a sign-up in a rush pays for as much as for its
JSON. Used by the thread of the event loop alone.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import REGISTRY, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

# Seconds; the last one is all.
BOUNDS: Final = Histogram.DEFAULT_BUCKETS
_FINITE: Final = BOUNDS[:-1]


@dataclass(slots=True)
class Route:
    """The answers of one route by one method."""

    method: str
    route: str
    buckets: list[int] = field(default_factory=lambda: [0] * len(BOUNDS))
    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)

    def observe(self, seconds: float) -> None:
        """The head of an answer after so many seconds."""
        self.buckets[bisect_left(_FINITE, seconds)] += 1
        self.seconds += seconds

    def count(self, status: int) -> None:
        """An answer with this status."""
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Answers(Collector):
    """The answers of one process."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], Route] = {}

    def of(self, method: str, route: str) -> Route:
        """Where the answers of a route are counted."""
        found = self._routes.get((method, route))
        if found is None:
            found = self._routes[method, route] = Route(method, route)
        return found

    def collect(self) -> Iterable[Metric]:
        """`einlass_http_seconds` and `einlass_http_requests_total`."""
        seconds = HistogramMetricFamily(
            "einlass_http_seconds", "Time to the answer's head.", labels=["method", "route"]
        )
        requests = CounterMetricFamily(
            "einlass_http_requests", "Answers.", labels=["method", "route", "status"]
        )
        for (method, route), found in self._routes.items():
            total, buckets = 0, []
            for bound, count in zip(BOUNDS, found.buckets, strict=True):
                total += count
                buckets.append(("+Inf" if bound == BOUNDS[-1] else str(bound), total))
            if total:
                seconds.add_metric([method, route], buckets, found.seconds)
            for status, count in found.statuses.items():
                requests.add_metric([method, route, str(status)], count)
        yield seconds
        yield requests


ANSWERS: Final = Answers()
REGISTRY.register(ANSWERS)
