"""Shows the figures of statements on `/metrics`, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from wireroom.perf.metrics import REGISTRY
from wireroom.perf.sql import statement_totals
from wireroom.perf.sql_scope import STATEMENTS_OF_WORK

_BOUNDS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)


class _Shown(Collector):
    def __init__(self, make: Callable[[], Metric], *labels: str) -> None:
        self._make = make
        self._labelnames = labels
        """As on the library's own metrics, for what lists them."""

    def describe(self) -> Iterable[Metric]:
        return [self._make()]

    def collect(self) -> Iterable[Metric]:
        return [self._make()]


def _of_work() -> Metric:
    family = HistogramMetricFamily(
        "wireroom_store_statements", "Statements of one request or job", labels=["work"]
    )
    for work, counts in STATEMENTS_OF_WORK.items():
        buckets = [(str(bound), sum(counts[: bound + 1])) for bound in _BOUNDS]
        total = sum(number * count for number, count in enumerate(counts))
        family.add_metric([work], [*buckets, ("+Inf", sum(counts))], total)
    return family


def _sent() -> Metric:
    sent, _ = statement_totals()
    return CounterMetricFamily("wireroom_store_statements_sent", "Statements sent to the database", sent)


def _seconds() -> Metric:
    _, seconds = statement_totals()
    return CounterMetricFamily(
        "wireroom_store_statements_seconds", "Time that statements took, in all", seconds
    )


REGISTRY.register(_Shown(_of_work, "work"))
REGISTRY.register(_Shown(_sent))
REGISTRY.register(_Shown(_seconds))
