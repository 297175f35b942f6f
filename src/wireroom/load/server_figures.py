"""What the service and the machine hold and use, from `/metrics` and `/proc`. Pure but for the reading.

A figure that is not there is left out, never guessed: an older service has no `/metrics`, and a process of
another machine no `/proc`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_IDLE_FIELDS = (4, 5)
"""Of the first line of `/proc/stat`: idle, and waiting for the disk."""
Counts = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """One look at a process."""

    rss_bytes: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class MachineTimes:
    """One look at all cores together, in ticks."""

    total: int
    idle: int


@dataclass(frozen=True, slots=True)
class Sample:
    """All that was looked at in one moment."""

    at: float
    """`time.monotonic()`."""
    rss_bytes: int | None = None
    cpu_share: float | None = None
    """Of one core, since the sample before: 1.0 is a core full."""
    people_cpu_share: float | None = None
    """The same of the process of the people: near 1.0 it is they who are slow, not the service."""
    outside_cpu_share: float | None = None
    """The same of this process, which is the Bot API server and the receiver of callbacks."""
    machine_share: float | None = None
    """Of all cores, since the sample before."""
    gauges: Counts = field(default_factory=dict)
    """See `gauges_of`."""
    disk_bytes: int | None = None
    """Of the service's data folder, when it is ours."""


def counts_of(text: str) -> dict[str, float]:
    """Return the samples of a scrape by `name{label="value"}`, without buckets.

    Raises:
        ValueError: it is no such text.
    """
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith("_bucket"):
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def gauges_of(counts: Counts) -> dict[str, float]:
    """Return what is drawn over time: jobs waiting and running, runs at work, the loop's delay in ms."""
    gauges: dict[str, float] = {}
    for state in ("waiting", "running", "dead"):
        jobs = [
            value
            for name, value in counts.items()
            if name.startswith("wireroom_jobs_depth{") and f'state="{state}"' in name
        ]
        if jobs:
            gauges[f"jobs {state}"] = sum(jobs)
    if "wireroom_runs_active" in counts:
        gauges["runs at work"] = counts["wireroom_runs_active"]
    if "wireroom_loop_lag_seconds" in counts:
        gauges["loop delay, ms"] = counts["wireroom_loop_lag_seconds"] * 1000
    return gauges


def grown(before: Counts, after: Counts) -> dict[str, float]:
    """Return by how much each counter has grown, those that have not left out."""
    counters = {name: value for name, value in after.items() if _is_counter(name)}
    growth = {name: value - before.get(name, 0.0) for name, value in counters.items()}
    return {name: value for name, value in sorted(growth.items()) if value > 0}


def own_times(growth: Counts) -> dict[str, tuple[int, float]]:
    """Return each histogram of seconds that has grown: how many samples, and their mean in ms."""
    found: dict[str, tuple[int, float]] = {}
    for name, count in growth.items():
        head, brace, labels = name.partition("{")
        histogram = head.removesuffix("_count")
        if histogram != head and histogram.endswith("_seconds"):
            total = growth.get(f"{histogram}_sum{brace}{labels}", 0.0)
            found[f"{histogram}{brace}{labels}"] = (int(count), total / count * 1000)
    return found


def told_memory(counts: Counts) -> int | None:
    """Return the resident memory that a service tells of itself, None when it does not."""
    told = (counts.get(name) for name in ("wireroom_memory_bytes", "process_resident_memory_bytes"))
    return next((int(one) for one in told if one), None)


def read_process(pid: int) -> ProcessTimes | None:
    """Look at a process; None when it is not there, or the machine has no `/proc`."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    # Counted from the field after the name: 11 and 12 are the times of the process in user and kernel mode.
    return ProcessTimes(pages * _PAGE_BYTES, (int(fields[11]) + int(fields[12])) / _TICKS)


def read_machine() -> MachineTimes | None:
    """Look at the cores; None on a machine without `/proc`."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    ticks = [int(one) for one in fields[1:9]]
    return MachineTimes(sum(ticks), sum(int(fields[number]) for number in _IDLE_FIELDS))


def share_of_core(before: ProcessTimes | None, now: ProcessTimes | None, seconds: float) -> float | None:
    """Return the share of one core that a process used between two looks."""
    if before is None or now is None or seconds <= 0:
        return None
    return max(0.0, (now.cpu_seconds - before.cpu_seconds) / seconds)


def share_of_machine(before: MachineTimes | None, now: MachineTimes | None) -> float | None:
    """Return the share of all cores that was used between two looks."""
    if before is None or now is None or now.total <= before.total:
        return None
    return 1.0 - (now.idle - before.idle) / (now.total - before.total)


def _is_counter(name: str) -> bool:
    return name.partition("{")[0].endswith(("_total", "_count", "_sum"))
