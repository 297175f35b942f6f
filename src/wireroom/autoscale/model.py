"""A model of queue and workers, driven by the autoscaler's own decisions. Deterministic for a seed.

One queue, first come first served; workers with slots; a worker needs time to start, and one that must go
takes nothing more and ends with its last job, or gives it back when its grace is over.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from wireroom.autoscale.course import Change, Course, Moment, Work
from wireroom.autoscale.hpa import State, decide
from wireroom.autoscale.proposals import Total
from wireroom.autoscale.spec import SYNC_SECONDS, Metric, MetricKind, Spec
from wireroom.autoscale.traces import Trace
from wireroom.errors import SettingsError

TICK_SECONDS = 0.5
"""Jobs arrive, begin and end on ticks."""
DEPTH_METRIC = "wireroom_queue_depth"
AGE_METRIC = "wireroom_queue_oldest_seconds"
_LONGEST_EPILOGUE_SECONDS = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Site:
    """What the model is of; times are seconds."""

    slots: int = 5
    """Jobs that a worker does at once."""
    job_seconds: float = 30.0
    """Mean of an exponential distribution."""
    start_seconds: float = 20.0
    """From a decision until a new worker takes jobs: scheduling, image, start, first probe."""
    grace_seconds: float = 660.0
    """How long a worker that must go may work on."""
    scrape_seconds: float = 15.0
    """How old a figure gets before it is read again."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What a scrape reads."""

    depth: float = 0.0
    age: float = 0.0


Gauge = Callable[[Seen, int], Seen]
"""What the metrics pipeline makes of a figure that so many processes show; see `as_maximum`."""


def as_maximum(seen: Seen, processes: int) -> Seen:
    """Return the maximum over processes: each shows the figure of the whole."""
    del processes
    return seen


def simulate(spec: Spec, trace: Trace, site: Site, gauge: Gauge = as_maximum) -> Course:
    """Return how an installation would do under a trace, until all work is done.

    Raises:
        SettingsError: no metric of the autoscaler is one of the queue's, so that nothing would drive it.
    """
    readers = external_metrics(spec)
    return _Model(
        Spec(spec.min_replicas, spec.max_replicas, readers, spec.up, spec.down), trace, site, gauge
    ).run()


def external_metrics(spec: Spec) -> tuple[Metric, ...]:
    """Return the metrics of the queue. Processor and memory are not modelled: they could only add replicas.

    Raises:
        SettingsError: there is none.
    """
    found = tuple(
        metric
        for metric in spec.metrics
        if metric.kind in {MetricKind.EXTERNAL, MetricKind.OBJECT}
        and metric.name in {DEPTH_METRIC, AGE_METRIC}
    )
    if not found:
        raise SettingsError(f"--hpa: no External or Object metric is {DEPTH_METRIC} or {AGE_METRIC}.")
    return found


def measured(spec: Spec, seen: Seen | None, ready: int) -> list[Total]:
    """Return a scrape as the autoscaler reads it, None where there was no figure."""
    return [
        Total(None if seen is None else seen.depth if metric.name == DEPTH_METRIC else seen.age, ready)
        for metric in spec.metrics
    ]


def arrivals(chance: random.Random, trace: Trace, now: float) -> int:
    """Return how many jobs arrive in a tick: Poisson around the trace's rate.

    Source: Knuth, The Art of Computer Programming, volume 2, section 3.4.1.
    """
    number, product = 0, chance.random()
    least = math.exp(-trace.per_second(now) * TICK_SECONDS)
    while product > least:
        number, product = number + 1, product * chance.random()
    return number


@dataclass(eq=False, slots=True)
class _Job:
    due: float
    seconds: float
    left: float
    begun: bool = False


@dataclass(eq=False, slots=True)
class _Worker:
    ready_at: float
    jobs: list[_Job] = field(default_factory=list)
    must_end_at: float | None = None


class _Model:
    def __init__(self, spec: Spec, trace: Trace, site: Site, gauge: Gauge) -> None:
        self._spec, self._trace, self._site, self._gauge = spec, trace, site, gauge
        self._chance = random.Random(site.seed)  # noqa: S311 - a simulation that can be repeated
        self._workers = [_Worker(0.0) for _ in range(spec.min_replicas)]
        self._ending: list[_Worker] = []
        self._queue: deque[_Job] = deque()
        self._state, self._seen = State(), Seen()
        self._moments: list[Moment] = []
        self._changes: list[Change] = []
        self._works: list[Work] = []
        self._arrived = self._finished = self._interrupted = 0

    def run(self) -> Course:
        steps = int((self._trace.seconds + _LONGEST_EPILOGUE_SECONDS) / TICK_SECONDS)
        for step in range(steps):
            now = step * TICK_SECONDS
            self._tick(now)
            if now >= self._trace.seconds and self._arrived == self._finished:
                break
        return Course(
            self._trace.name,
            self._moments,
            self._changes,
            self._works,
            self._trace.spike,
            self._arrived,
            self._finished,
            interrupted=self._interrupted,
        )

    def _tick(self, now: float) -> None:
        self._work(now)
        self._arrive(now)
        self._begin(now)
        if now % self._site.scrape_seconds == 0:
            seen = Seen(self._depth(), self._age(now))
            self._seen = self._gauge(seen, len(self._workers) + len(self._ending))
        if now % SYNC_SECONDS == 0:
            self._moments.append(self._moment(now))
            self._scale(now)

    def _work(self, now: float) -> None:
        for worker in (*self._workers, *self._ending):
            for job in worker.jobs:
                job.left -= TICK_SECONDS
            self._finished += sum(job.left <= 0 for job in worker.jobs)
            worker.jobs = [job for job in worker.jobs if job.left > 0]
        for worker in self._ending:
            if worker.must_end_at is not None and now >= worker.must_end_at:
                self._give_back(worker)
        self._ending = [worker for worker in self._ending if worker.jobs]

    def _give_back(self, worker: _Worker) -> None:
        self._interrupted += len(worker.jobs)
        for job in worker.jobs:
            job.left = job.seconds
            self._queue.appendleft(job)
        worker.jobs = []

    def _arrive(self, now: float) -> None:
        if now >= self._trace.seconds:
            return
        for _ in range(arrivals(self._chance, self._trace, now)):
            ticks = self._chance.expovariate(TICK_SECONDS / self._site.job_seconds)
            seconds = max(1, round(ticks)) * TICK_SECONDS
            self._queue.append(_Job(now, seconds, seconds))
            self._arrived += 1

    def _begin(self, now: float) -> None:
        ready = [worker for worker in self._workers if worker.ready_at <= now]
        while self._queue and ready:
            worker = min(ready, key=lambda one: len(one.jobs))
            if len(worker.jobs) >= self._site.slots:
                return
            job = self._queue.popleft()
            if not job.begun:
                self._works.append(Work(job.due, max(0.0, now - job.due), job.seconds))
            job.begun = True
            worker.jobs.append(job)

    def _scale(self, now: float) -> None:
        current = len(self._workers)
        found = measured(self._spec, self._seen, self._ready(now))
        decision, self._state = decide(self._spec, current, found, self._state, now)
        if decision.replicas != current:
            self._changes.append(Change(now, current, decision.replicas))
        for _ in range(current, decision.replicas):
            self._workers.append(_Worker(now + self._site.start_seconds))
        for _ in range(decision.replicas, current):
            # As a ReplicaSet chooses: the one that is not ready, else the youngest.
            worker = self._workers.pop()
            worker.must_end_at = now + self._site.grace_seconds
            self._ending.append(worker)

    def _ready(self, now: float) -> int:
        return sum(worker.ready_at <= now for worker in self._workers)

    def _depth(self) -> float:
        return len(self._queue) + sum(len(worker.jobs) for worker in (*self._workers, *self._ending))

    def _age(self, now: float) -> float:
        return max(0.0, now - self._queue[0].due) if self._queue else 0.0

    def _moment(self, now: float) -> Moment:
        return Moment(
            now,
            self._depth(),
            self._age(now),
            self._ready(now),
            len(self._workers),
            len(self._ending),
        )
