"""What is read of the process every few seconds, and what two readings say of the time between. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wireroom.perf.timings import Timings

LEVELS = ("memory", "redis", "disk")
"""Of the cache, uppermost first."""
COLUMNS = (
    "requests_per_second",
    "errors_per_second",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "jobs_per_second",
    "waiting_jobs",
    "oldest_seconds",
    *(f"{level}_hit_percent" for level in LEVELS),
    "connections_busy",
    "callers_waiting",
    "loop_lag_ms",
    "loop_blocked_percent",
    "processor_percent",
    "resident_bytes",
    "allocated_blocks",
)
"""Of a row. Rates and percentiles are of the time since the row before; lag is the worst that was seen in it;
processor is of one core; the rest is as it was at the row's end."""


@dataclass(frozen=True, slots=True)
class Depth:
    """One queue at one moment."""

    waiting: int
    delayed: int
    running: int
    dead: int
    oldest_seconds: float
    """How long the job that waits longest is due; 0 when none waits."""


EMPTY = Depth(0, 0, 0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the counts stand at one moment, all since the start, and the figures of this moment."""

    at_ms: int
    steady_seconds: float
    """Of a clock that nobody sets."""
    answers: Timings = field(default_factory=Timings)
    """Of all routes together."""
    errors: int = 0
    jobs: float = 0.0
    looks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Hits and misses by level of the cache."""
    blocked_seconds: float = 0.0
    processor_seconds: float = 0.0
    lag_seconds: float = 0.0
    resident_bytes: int = 0
    allocated_blocks: int = 0
    """Pieces of memory that Python's objects hold; a leak of small objects shows here first."""
    connections_busy: int = 0
    callers_waiting: int = 0
    depths: Mapping[str, Depth] | None = None
    """By queue; None when the database did not say."""


def row_between(before: Reading, now: Reading, *, worst_lag: float) -> Sequence[float]:
    """Return a row in the order of `COLUMNS`; not-a-number for what is not known.

    Args:
        before: The reading of the row before.
        now: A later reading.
        worst_lag: The longest delay of the event loop that was seen between, seconds.
    """
    seconds = max(now.steady_seconds - before.steady_seconds, 1e-9)
    answers = now.answers.since(before.answers)
    return (
        answers.calls / seconds,
        (now.errors - before.errors) / seconds,
        *(percentile_ms(answers, share) for share in (0.5, 0.95, 0.99)),
        (now.jobs - before.jobs) / seconds,
        *_depth_of_all(now.depths),
        *(_hit_percent(before.looks.get(level), now.looks.get(level)) for level in LEVELS),
        now.connections_busy,
        now.callers_waiting,
        worst_lag * 1000,
        100 * (now.blocked_seconds - before.blocked_seconds) / seconds,
        100 * (now.processor_seconds - before.processor_seconds) / seconds,
        now.resident_bytes,
        now.allocated_blocks,
    )


def percentile_ms(answers: Timings, share: float) -> float:
    """Return the milliseconds that this share did not exceed; not-a-number when nothing was counted."""
    return answers.percentile(share) * 1000 if answers.calls else math.nan


def _depth_of_all(depths: Mapping[str, Depth] | None) -> tuple[float, float]:
    """Return how many jobs wait in all queues, and for how many seconds the longest."""
    if depths is None:
        return math.nan, math.nan
    waiting = sum(one.waiting for one in depths.values())
    return waiting, max((one.oldest_seconds for one in depths.values()), default=0.0)


def _hit_percent(before: tuple[float, float] | None, now: tuple[float, float] | None) -> float:
    if now is None:
        return math.nan
    hits, misses = now[0] - (before or (0, 0))[0], now[1] - (before or (0, 0))[1]
    return 100 * hits / (hits + misses) if hits + misses else math.nan
