"""What Wireroom promises to reach, as data, and whether a measurement does. Pure.

The promises were made on one machine. Where the yardstick of the same run shows that this one is slower, they
are scaled by it, and the report says so; a faster machine changes nothing. What is weighed is never scaled.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bench.harness import Measurement

REFERENCE_PER_SECOND = 21_000.0
"""The barest durable webhook on the machine of the promises, 32 connections, with fsync."""


@dataclass(frozen=True, slots=True)
class Target:
    """One promise."""

    benchmark: str
    what: str
    """As the measurement calls itself."""
    must: float
    aim: float | None = None
    percentile: str = "median"
    """`median` or `p99`."""


TARGETS = (
    Target("webhook", "acknowledged durably, 32 connections", 8_000, 15_000),
    Target("webhook", "latency of that", 20, 15, "p99"),
    Target("webhook", "GET /health, 32 connections", 10),
    Target("dispatch", "accepted durably and dispatched, 16 connections", 2_000, 5_000),
    Target("jobs", "no-op jobs, embedded, to the last durable end", 8_000, 20_000),
    Target("jobs", "durable answer → start, embedded, idle", 1.0, 0.5),
    Target("agents", "one-time agent, post to target, idle", 4.0, 1.5),
    Target("agents", "1000 one-time agents of one name, all received", 1_000, 2_500),
    Target("task begun", "task by our API to its agent's start", 20, 3),
    Target("task begun", "task by another program to its agent's start", 300, 50),
    Target("next task", "next of 100,000 tasks", 1.0),
    Target("runs", "run of a trivial program, asked to ended", 10, 5),
    Target("acceptance", "POST /cursor/execute/async, slots busy, 1,000 queued", 50, None, "p99"),
    Target("first-sign", "first output at a WebSocket", 100),
    Target("page", "first paint of the slowest screen", 200),
    Target("page", "weight of the heaviest screen", 150),
    Target("conversations", "GET /api/list, 500 conversations of 80 kB", 20, 5),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A promise and what was measured."""

    target: Target
    value: float
    unit: str
    higher_is_better: bool
    must_here: float
    """The promise on a machine of this speed."""

    @property
    def is_met(self) -> bool:
        """Tell whether the promise is kept here."""
        return self._reaches(self.must_here)

    @property
    def is_met_unscaled(self) -> bool:
        """Tell whether it is kept whatever the machine."""
        return self._reaches(self.target.must)

    def _reaches(self, wanted: float) -> bool:
        return self.value >= wanted if self.higher_is_better else self.value <= wanted

    def __str__(self) -> str:
        """Return a line for people."""
        mark = "met" if self.is_met_unscaled else "scaled" if self.is_met else "MISSED"
        sign = "≥" if self.higher_is_better else "≤"
        return (
            f"  {mark:<6} {self.target.what:<55} {self.target.percentile} {self.value:,.4g} {self.unit};"
            f" must {sign} {self.target.must:,g}, here {self.must_here:,.4g}"
        )


YARDSTICK = "the barest durable webhook"
"""What a reference begins with whose rate tells the machine's speed."""


def machine_speed(bare_per_second: float) -> float:
    """Return how fast this machine is beside the one of the promises, at most 1."""
    return min(1.0, bare_per_second / REFERENCE_PER_SECOND)


def outcome(benchmark: str, found: Measurement, speed: float) -> Outcome | None:
    """Return whether the measurement keeps its promise, None when there is none.

    Args:
        benchmark: The benchmark's name.
        found: What it measured.
        speed: See `machine_speed`; not used where the yardstick itself was measured by turns with it.
    """
    target = next((one for one in TARGETS if (one.benchmark, one.what) == (benchmark, found.what)), None)
    if target is None:
        return None
    value = found.p99 if target.percentile == "p99" else statistics.median(found.samples)
    if found.unit == "kB":
        speed = 1.0
    elif found.unit == "/s" and found.reference.startswith(YARDSTICK) and found.reference_value:
        # By turns with the yardstick: what that made meanwhile tells more than what it made minutes ago.
        speed = machine_speed(found.reference_value)
    must_here = target.must * speed if found.higher_is_better else target.must / speed
    return Outcome(target, value, found.unit, found.higher_is_better, must_here)
