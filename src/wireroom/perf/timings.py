"""How long something took, as counts of a fixed set of buckets: small, and exact to a fifth. Pure.

Bucket b counts what took up to 2 ** (b / 4) microseconds; percentiles of a period come from the difference of
two copies, without keeping single values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

_STEPS = 4
BUCKETS = 28 * _STEPS
"""The last bucket begins at 134 s and takes whatever is longer."""


@dataclass(slots=True)
class Timings:
    """Counts of durations; add to it on one thread."""

    counts: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    total_seconds: float = 0.0
    slowest_seconds: float = 0.0
    """Since the beginning, not of a period."""

    def add(self, seconds: float) -> None:
        """Count one duration."""
        microseconds = seconds * 1e6
        bucket = 0 if microseconds <= 1 else math.ceil(math.log2(microseconds) * _STEPS)
        self.counts[bucket if bucket < BUCKETS else BUCKETS - 1] += 1
        self.total_seconds += seconds
        if seconds > self.slowest_seconds:  # noqa: PLR1730 - on every request; `max` costs twice as much
            self.slowest_seconds = seconds

    @property
    def calls(self) -> int:
        """How many were counted."""
        return sum(self.counts)

    def copy(self) -> Timings:
        """Return the state now, which further calls do not change."""
        return Timings(list(self.counts), self.total_seconds, self.slowest_seconds)

    def since(self, before: Timings | None) -> Timings:
        """Return what was added since `before` was copied from this; everything for None."""
        if before is None:
            return self.copy()
        counts = [now - then for now, then in zip(self.counts, before.counts, strict=True)]
        highest = max((bucket for bucket, count in enumerate(counts) if count), default=0)
        slowest = min(self.slowest_seconds, upper_bound(highest))
        return Timings(counts, self.total_seconds - before.total_seconds, slowest if any(counts) else 0.0)

    def percentile(self, share: float) -> float:
        """Return the seconds that this share, 0 to 1, did not exceed; 0 when nothing was counted."""
        left = math.ceil(self.calls * share)
        for bucket, count in enumerate(self.counts):
            left -= count
            if count and left <= 0:
                return min(upper_bound(bucket), self.slowest_seconds)
        return 0.0

    def up_to(self, powers: range) -> Iterator[tuple[float, int]]:
        """Yield (bound in seconds, count up to it) for bounds of 2 ** power microseconds."""
        for power in powers:
            yield 2**power / 1e6, sum(self.counts[: power * _STEPS + 1])


def upper_bound(bucket: int) -> float:
    """Return the longest duration of a bucket, seconds; of the last one, where it begins to be open."""
    return float(2 ** (bucket / _STEPS) / 1e6)
