"""From what processes show on `/metrics` to the figure that an autoscaler is given. Pure.

Every process shows the figure of the whole installation. It is therefore the maximum over processes; their
sum would grow with every worker that is started, and ask for yet another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wireroom.autoscale.model import DEPTH_METRIC
from wireroom.autoscale.spec import Metric

Scrape = Mapping[str, float]
"""The samples of a process, by `name{label="value"}`; see `load.server_figures.counts_of`."""


def figure(metric: Metric, scrapes: Sequence[Scrape]) -> float | None:
    """Return the metric's figure, None when no process shows it.

    Of each series the maximum over processes; of several series, such as queues, the sum of depths, but the
    highest of ages.
    """
    series: dict[str, float] = {}
    for scrape in scrapes:
        for name, value in scrape.items():
            if _is_meant(metric, name):
                series[name] = max(value, series.get(name, value))
    if not series:
        return None
    return sum(series.values()) if metric.name == DEPTH_METRIC else max(series.values())


def _is_meant(metric: Metric, series: str) -> bool:
    name, _, labels = series.partition("{")
    return name == metric.name and all(f'{key}="{value}"' in labels for key, value in metric.labels.items())
