"""The job engines: jobs that do nothing, and how long one waits for an idle worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from bench.harness import Measurement, Timer, benchmark, fresh_database
from wireroom.clock import SystemClock
from wireroom.jobs.embedded import EmbeddedJobs, EmbeddedWorker
from wireroom.jobs.port import Done, Job, Jobs, Outcome, QueueSpec, Worker
from wireroom.store import job_rows
from wireroom.store.database import Database, driver
from wireroom.store.sqlite import SqliteDatabase

_QUEUES = [QueueSpec("bench", 50)]
_REPETITIONS = 3
_JOBS = 20_000
_IDLE_STARTS = 200
_WARM_UP = 20


class Counter:
    """A handler that does nothing but count to `wanted`."""

    def __init__(self) -> None:
        self.started_at: dict[str, float] = {}
        self._left = 0
        self._all = asyncio.Event()

    async def __call__(self, job: Job) -> Outcome:
        """Count."""
        self.started_at[job.ref] = time.perf_counter()
        self._left -= 1
        if self._left <= 0:
            self._all.set()
        return Done()

    def expect(self, count: int) -> None:
        """Begin to count `count` jobs."""
        self._left = count
        self._all.clear()
        self.started_at.clear()

    async def all_done(self) -> None:
        """Wait for the last of them."""
        await asyncio.wait_for(self._all.wait(), 60)


@benchmark("jobs")
async def embedded_jobs() -> AsyncIterator[Measurement]:
    """Measure the embedded engine: no-op jobs from enqueued to gone, and enqueue to start when idle."""
    async with fresh_database() as db:
        clock = SystemClock()
        worker = EmbeddedWorker(db, _QUEUES, clock)
        jobs = EmbeddedJobs(clock, worker)
        bare = await _bare_statements(db, jobs)
        rates = [
            await run_backlog(db, jobs, EmbeddedWorker(db, _QUEUES, clock), _JOBS)
            for _ in range(_REPETITIONS)
        ]
        yield Measurement(
            "no-op jobs, embedded, to the last durable end",
            rates,
            "/s",
            "the bare statements in batches",
            bare,
        )
        from_enqueue, from_durable = await idle_starts(db, jobs, worker)
        yield Measurement("enqueue → start, embedded, idle", from_enqueue, "ms")
        yield Measurement("durable answer → start, embedded, idle", from_durable, "ms")


async def run_backlog(db: Database, jobs: Jobs, worker: Worker, count: int, *, keyed: bool = True) -> float:
    """Return the jobs a second from the worker's start until nothing is left, of `count` enqueued before."""
    await fill(db, jobs, count, keyed=keyed)
    counter = Counter()
    counter.expect(count)
    timer = Timer()
    running = asyncio.create_task(worker.run({"noop": counter}))
    await counter.all_done()
    await worker.drain(timedelta(seconds=5))
    await running
    seconds = timer.seconds
    left = await db.read(jobs.counts)
    if left:
        raise RuntimeError(f"jobs were left over: {left}")
    return count / seconds


async def fill(db: Database, jobs: Jobs, count: int, *, keyed: bool = True) -> None:
    """Enqueue no-op jobs; `keyed` gives each a key of its own, as the rooms do."""

    def unit(conn: Connection, numbers: range) -> None:
        for number in numbers:
            key = f"chat:{number}" if keyed else None
            jobs.enqueue(conn, queue="bench", kind="noop", ref=str(number), key=key)

    for start in range(0, count, 1_000):
        await db.write(partial(unit, numbers=range(start, min(start + 1_000, count))))


async def idle_starts(db: Database, jobs: Jobs, worker: Worker) -> tuple[list[float], list[float]]:
    """Return the milliseconds to the start of single jobs: since the enqueue's call, and since its commit."""
    counter = Counter()
    running = asyncio.create_task(worker.run({"noop": counter}))
    since_call: list[float] = []
    since_durable: list[float] = []
    for number in range(_WARM_UP + _IDLE_STARTS):
        await asyncio.sleep(0.005)
        counter.expect(1)
        ref = str(number)
        called = time.perf_counter()
        await db.write(partial(jobs.enqueue, queue="bench", kind="noop", ref=ref))
        durable = time.perf_counter()
        await counter.all_done()
        if number >= _WARM_UP:
            since_call.append((counter.started_at[ref] - called) * 1_000)
            since_durable.append(max(0.0, counter.started_at[ref] - durable) * 1_000)
    await worker.drain(timedelta(seconds=1))
    await running
    return since_call, since_durable


async def _bare_statements(db: SqliteDatabase, jobs: Jobs) -> float:
    """Return the jobs a second of claim and removal alone, in units of 50, without handlers."""
    await fill(db, jobs, _JOBS)

    def unit(conn: Connection) -> int:
        raw = driver(conn)
        found = raw.execute(job_rows.candidates_of(1), ("bench", "noop", 50)).fetchall()
        job_rows.start(raw, [(1, row[1]) for row in found], "bench", 0)
        return job_rows.remove(raw, [job_rows.Claim(row[1], 1) for row in found])

    timer = Timer()
    while await db.write(unit):
        pass
    return _JOBS / timer.seconds
