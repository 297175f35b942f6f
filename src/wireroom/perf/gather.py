"""Puts the evidence of a period together: what every probe counted, less what it had at the beginning."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from wireroom.perf import sql
from wireroom.perf.endpoints import ENDPOINTS, Endpoints
from wireroom.perf.evidence import (
    CacheRatio,
    Evidence,
    LoopBlock,
    MemoryGrowth,
    PoolWait,
    QueueWait,
    RepeatedStatement,
)
from wireroom.perf.metrics import (
    CACHE_COMPUTE_SECONDS,
    CACHE_DROPPED,
    CACHE_LOOKUPS,
    JOB_WAIT_SECONDS,
    JOBS_NOW,
)
from wireroom.perf.pools import pool_figures
from wireroom.perf.sql_scope import repeated_statements

Labels = tuple[tuple[str, str], ...]
Counts = Mapping[tuple[str, Labels], float]
_COUNTED = (CACHE_LOOKUPS, CACHE_DROPPED, CACHE_COMPUTE_SECONDS, JOB_WAIT_SECONDS)
_UPPERMOST = "memory"


class Period:
    """A period that begins now, unless it is that since the start of the process."""

    def __init__(
        self,
        blocks: Callable[[], Sequence[LoopBlock]],
        growth: Callable[[], Sequence[MemoryGrowth]],
        *,
        since_ms: int | None = None,
        endpoints: Endpoints = ENDPOINTS,
    ) -> None:
        """Note where every count stands.

        Args:
            blocks: The last blocks of the event loop.
            growth: What grows and does not come back.
            since_ms: The start of the process, to take all that was counted; None: from now on.
            endpoints: Counts requests.
        """
        self._blocks = blocks
        self._growth = growth
        self._endpoints = endpoints
        self._from_ms = _now_ms() if since_ms is None else since_ms
        is_new = since_ms is None
        self._statements = sql.mark() if is_new else None
        self._routes = endpoints.snapshot() if is_new else None
        self._counts = _counts() if is_new else {}
        self._pools = {one.pool: one for one in pool_figures()} if is_new else {}
        self._repeated = {(one.shape, one.within): one for one in repeated_statements()} if is_new else {}

    def evidence(self) -> Evidence:
        """Return what has happened since the period began."""
        counts = _difference(_counts(), self._counts)
        return Evidence(
            from_ms=self._from_ms,
            to_ms=_now_ms(),
            loop_blocks=tuple(one for one in self._blocks() if one.at_ms >= self._from_ms),
            endpoints=tuple(self._endpoints.figures(self._routes)),
            statements=sql.statement_statistics(self._statements),
            repeated=tuple(self._repeated_since()),
            growth=tuple(self._growth()),
            caches=tuple(caches_in(counts)),
            queues=tuple(queues_in(counts, _waiting())),
            pools=tuple(_pool_since(one, self._pools.get(one.pool)) for one in pool_figures()),
        )

    def _repeated_since(self) -> Iterator[RepeatedStatement]:
        for one in repeated_statements():
            before = self._repeated.get((one.shape, one.within))
            if before is None:
                yield one
            elif one.occurrences > before.occurrences:
                yield replace(
                    one,
                    occurrences=one.occurrences - before.occurrences,
                    total_seconds=one.total_seconds - before.total_seconds,
                )


def caches_in(counts: Counts) -> Iterator[CacheRatio]:
    """Return the ratio of each level of each cache that was looked at. Pure."""
    looks: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    evicted: dict[tuple[str, str], float] = defaultdict(float)
    seconds: dict[str, float] = {}
    for (sample, labels), value in counts.items():
        named = dict(labels)
        if sample == "wireroom_cache_lookups_total":
            looks[named["name"], named["level"]][named["result"]] = value
        elif sample == "wireroom_cache_dropped_total" and named["reason"] == "evicted":
            evicted[named["name"], named["level"]] = value
        elif sample == "wireroom_cache_compute_seconds_sum":
            seconds[named["name"]] = value
    for (name, level), results in looks.items():
        hits, misses = int(results.get("hit", 0)), int(results.get("miss", 0))
        if hits + misses:
            # What is computed was in no level; it is the uppermost that people see.
            cost = seconds.get(name, 0.0) if level == _UPPERMOST else 0.0
            yield CacheRatio(name, level, hits, misses, int(evicted[name, level]), cost)


def queues_in(counts: Counts, waiting: Mapping[str, int]) -> Iterator[QueueWait]:
    """Return how long the jobs of each queue waited. Pure."""
    started: dict[str, float] = {}
    seconds: dict[str, float] = {}
    buckets: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (sample, labels), value in counts.items():
        named = dict(labels)
        match sample:
            case "wireroom_jobs_wait_seconds_count":
                started[named["queue"]] = value
            case "wireroom_jobs_wait_seconds_sum":
                seconds[named["queue"]] = value
            case "wireroom_jobs_wait_seconds_bucket":
                buckets[named["queue"]].append((float(named["le"]), value))
    for queue in sorted(started.keys() | waiting.keys()):
        jobs = int(started.get(queue, 0))
        if jobs or waiting.get(queue):
            p95 = _at_share(sorted(buckets[queue]), 0.95 * jobs)
            yield QueueWait(queue, jobs, seconds.get(queue, 0.0), p95, waiting.get(queue, 0))


def _at_share(cumulative: Sequence[tuple[float, float]], wanted: float) -> float:
    """Return the upper bound of the bucket that the wanted count falls into; the last finite one at most."""
    finite = [bound for bound, count in cumulative if bound != float("inf")]
    found = next((bound for bound, count in cumulative if count >= wanted), 0.0)
    return min(found, max(finite, default=0.0))


def _counts() -> Counts:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for collector in _COUNTED
        for metric in _collected(collector)
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


def _collected(collector: Collector) -> Sequence[Metric]:
    alone = CollectorRegistry()
    alone.register(collector)
    return list(alone.collect())


def _waiting() -> dict[str, int]:
    return {
        sample.labels["queue"]: int(sample.value)
        for metric in _collected(JOBS_NOW)
        for sample in metric.samples
        if sample.labels["state"] == "waiting"
    }


def _difference(now: Counts, before: Counts) -> Counts:
    return {key: value - before.get(key, 0.0) for key, value in now.items()}


def _pool_since(now: PoolWait, before: PoolWait | None) -> PoolWait:
    if before is None:
        return now
    return replace(
        now,
        acquired=now.acquired - before.acquired,
        waited=now.waited - before.waited,
        total_seconds=now.total_seconds - before.total_seconds,
        leaked=now.leaked - before.leaked,
    )


def started_ms() -> int:
    """Return when this process started, milliseconds since the epoch. Source: proc(5), stat, field 22."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    after_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - after_boot
    return int((time.time() - age) * 1000)


def _now_ms() -> int:
    return int(time.time() * 1000)
