"""Puts the evidence of a period together: what every probe counted, less what it had at the beginning."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from wireroom.perf import sql
from wireroom.perf.endpoints import ENDPOINTS, Endpoints, Route
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
    POOL_ACQUIRE_SECONDS,
)
from wireroom.perf.pools import pool_figures
from wireroom.perf.sql_scope import repeated_statements

Labels = tuple[tuple[str, str], ...]
Counts = Mapping[tuple[str, Labels], float]
_COUNTED = (CACHE_LOOKUPS, CACHE_DROPPED, CACHE_COMPUTE_SECONDS, JOB_WAIT_SECONDS, POOL_ACQUIRE_SECONDS)
_UPPERMOST = "memory"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where every count stands at one moment: plain values, all of them nothing at the start."""

    statements: sql.Mark = field(default_factory=lambda: sql.Mark({}))
    routes: Mapping[str, Route] = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    pools: tuple[PoolWait, ...] = ()
    repeated: tuple[RepeatedStatement, ...] = ()


def stand(endpoints: Endpoints = ENDPOINTS) -> Standing:
    """Return where every count stands now; from any thread."""
    return Standing(sql.mark(), endpoints.snapshot(), _counts(), pool_figures(), repeated_statements())


class Period:
    """A period that begins now, unless it is that since an earlier moment or the start of the process."""

    def __init__(
        self,
        blocks: Callable[[], Sequence[LoopBlock]],
        growth: Callable[[], Sequence[MemoryGrowth]],
        *,
        since_ms: int | None = None,
        since: Standing | None = None,
        endpoints: Endpoints = ENDPOINTS,
    ) -> None:
        """Note where every count stands.

        Args:
            blocks: The last blocks of the event loop.
            growth: What grows and does not come back.
            since_ms: When the period began, ms since the epoch; None: now.
            since: Where every count stood then; None: nothing was counted, as at the start of the process.
            endpoints: Counts requests.
        """
        self._blocks = blocks
        self._growth = growth
        self._endpoints = endpoints
        self._from_ms = _now_ms() if since_ms is None else since_ms
        self._before = stand(endpoints) if since_ms is None else since or Standing()

    def evidence(self) -> Evidence:
        """Return what has happened since the period began."""
        now, before = stand(self._endpoints), self._before
        counts = _difference(now.counts, before.counts)
        return Evidence(
            from_ms=self._from_ms,
            to_ms=_now_ms(),
            loop_blocks=tuple(one for one in self._blocks() if one.at_ms >= self._from_ms),
            endpoints=tuple(self._endpoints.figures(before.routes)),
            statements=sql.statement_statistics(before.statements),
            repeated=tuple(_repeated_since(now.repeated, before.repeated)),
            growth=tuple(self._growth()),
            caches=tuple(caches_in(counts)),
            queues=tuple(queues_in(counts, _waiting())),
            pools=tuple(pools_in(now.pools, before.pools, counts)),
        )


def _repeated_since(
    now: Sequence[RepeatedStatement], before: Sequence[RepeatedStatement]
) -> Iterator[RepeatedStatement]:
    known = {(one.shape, one.within): one for one in before}
    for one in now:
        then = known.get((one.shape, one.within))
        if then is None:
            yield one
        elif one.occurrences > then.occurrences:
            yield replace(
                one,
                occurrences=one.occurrences - then.occurrences,
                total_seconds=one.total_seconds - then.total_seconds,
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
    waits = _waits(counts, "wireroom_jobs_wait_seconds", "queue")
    for queue in sorted(waits.keys() | waiting.keys()):
        wait = waits[queue]
        jobs = int(wait.count)
        if jobs or waiting.get(queue):
            yield QueueWait(queue, jobs, wait.seconds, wait.at_share(0.95), waiting.get(queue, 0))


def pools_in(now: Sequence[PoolWait], before: Sequence[PoolWait], counts: Counts) -> Iterator[PoolWait]:
    """Return what each pool lent in the period. Pure."""
    known = {one.pool: one for one in before}
    waits = _waits(counts, "wireroom_pool_acquire_seconds", "pool")
    for one in now:
        then = known.get(one.pool)
        if then is None or then.acquired > one.acquired:  # none then, or one that was closed since
            yield one
        else:
            yield replace(
                one,
                acquired=one.acquired - then.acquired,
                waited=one.waited - then.waited,
                total_seconds=one.total_seconds - then.total_seconds,
                p95_seconds=waits[one.pool].at_share(0.95),
                leaked=one.leaked - then.leaked,
                waited_seconds=one.waited_seconds - then.waited_seconds,
            )


@dataclass(slots=True)
class _Wait:
    """One child of a histogram."""

    count: float = 0.0
    seconds: float = 0.0
    buckets: list[tuple[float, float]] = field(default_factory=list)

    def at_share(self, share: float) -> float:
        return _at_share(sorted(self.buckets), share * int(self.count))


def _waits(counts: Counts, name: str, label: str) -> Mapping[str, _Wait]:
    found: dict[str, _Wait] = defaultdict(_Wait)
    for (sample, labels), value in counts.items():
        named = dict(labels)
        if sample == f"{name}_count":
            found[named[label]].count = value
        elif sample == f"{name}_sum":
            found[named[label]].seconds = value
        elif sample == f"{name}_bucket":
            found[named[label]].buckets.append((float(named["le"]), value))
    return found


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


def started_ms() -> int:
    """Return when this process started, milliseconds since the epoch. Source: proc(5), stat, field 22."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    after_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - after_boot
    return int((time.time() - age) * 1000)


def _now_ms() -> int:
    return int(time.time() * 1000)
