"""Latencies as counts in bins that grow with the value: bounded, mergeable, true to one per cent. Pure.

A bin `i` stands for `STEP ** i` milliseconds; a sample is off by at most half a step. A soak of millions of
requests is a few hundred numbers, and percentiles of minutes or steps are those of their merged bins, which
averages of percentiles are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

STEP = 1.02
_LEAST_MS = 0.01
Bins = Mapping[int, int]
"""How many samples fell into each bin."""


def bin_of(ms: float) -> int:
    """Return the bin of a latency; everything below 0.01 ms is one bin."""
    return round(math.log(max(ms, _LEAST_MS)) / math.log(STEP))


def ms_of(bin_number: int) -> float:
    """Return the latency that a bin stands for."""
    return float(STEP**bin_number)


def merged(parts: Iterable[Bins]) -> dict[int, int]:
    """Return the counts of all parts together."""
    total: dict[int, int] = {}
    for part in parts:
        for number, count in part.items():
            total[number] = total.get(number, 0) + count
    return total


def binned(samples_ms: Iterable[float]) -> dict[int, int]:
    """Return the samples as bins."""
    return merged({bin_of(ms): 1} for ms in samples_ms)


def percentile(bins: Bins, share: float) -> float | None:
    """Return the latency in ms that this share of the samples does not exceed; None without samples.

    The sample of rank ceil(share * count), as in the nearest-rank definition.

    Args:
        bins: What was counted.
        share: In (0, 1].
    """
    left = math.ceil(sum(bins.values()) * share)
    for number in sorted(bins):
        left -= bins[number]
        if left <= 0:
            return ms_of(number)
    return None
