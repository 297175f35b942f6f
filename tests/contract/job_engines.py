"""The job engines under test: the same handles on the embedded one and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from wireroom.clock import SystemClock
from wireroom.jobs.embedded import EmbeddedJobs, EmbeddedWorker
from wireroom.jobs.port import (
    CancelResult,
    Done,
    Handler,
    Job,
    Jobs,
    Outcome,
    QueueCounts,
    QueueSpec,
    RetryPolicy,
    Worker,
)
from wireroom.jobs.procrastinate import ProcrastinateJobs, ProcrastinateWorker
from wireroom.store.database import Database
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.sqlite import SqliteDatabase

FAST_RETRY = RetryPolicy(max_attempts=3, base=timedelta(milliseconds=20), cap=timedelta(milliseconds=50))
QUEUES = (
    QueueSpec("work", 10, FAST_RETRY),
    QueueSpec("narrow", 2, FAST_RETRY),
    QueueSpec("answers", 2, FAST_RETRY, drains=True),
)


@dataclass
class Engine:
    """An open database with a worker that is not yet running."""

    url: str
    db: Database
    jobs: Jobs
    worker: Worker
    _running: asyncio.Task[None] | None = field(default=None)

    async def enqueue(self, ref: str = "1", **options: Any) -> bool:
        """Add a job of kind `note` on queue `work`, in a unit of its own."""
        settings = {"queue": "work", "kind": "note", "ref": ref} | options
        return await self.db.write(lambda conn: self.jobs.enqueue(conn, **settings))

    async def cancel(self, ref: str, *, keep: bool = False) -> CancelResult:
        """Cancel the `note` job of `ref`, in a unit of its own."""
        return await self.db.write(lambda conn: self.jobs.cancel(conn, kind="note", ref=ref, keep=keep))

    async def is_pending(self, ref: str) -> bool:
        """Tell whether the `note` job of `ref` waits or runs; the list of all such says the same."""

        def unit(conn: Connection) -> tuple[bool, bool]:
            is_listed = ref in self.jobs.pending_refs(conn, kind="note")
            return self.jobs.is_pending(conn, kind="note", ref=ref), is_listed

        found, is_listed = await self.db.read(unit)
        assert found == is_listed
        return found

    async def counts(self, queue: str = "work") -> QueueCounts:
        """Return the live counts of one queue."""
        return (await self.db.read(self.jobs.counts)).get(queue, QueueCounts())

    def start(self, handlers: Handler | Mapping[str, Handler]) -> None:
        """Run the worker in the background; a single handler is that of kind `note`."""
        mapping = handlers if isinstance(handlers, Mapping) else {"note": handlers}
        self._running = asyncio.create_task(self.worker.run(mapping), name="worker under test")

    async def stop(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Drain the worker and wait for its end."""
        if self._running is not None:
            await self.worker.drain(grace)
            await asyncio.wait_for(self._running, 10)
            self._running = None


def make_worker(db: Database, queues: Sequence[QueueSpec] = QUEUES) -> tuple[Jobs, Worker]:
    """Return the port and a worker for either kind of database."""
    clock = SystemClock()
    if isinstance(db, SqliteDatabase):
        worker = EmbeddedWorker(db, queues, clock)
        return EmbeddedJobs(clock, worker), worker
    assert isinstance(db, PostgresDatabase)
    return ProcrastinateJobs(clock), ProcrastinateWorker(db, queues, clock)


def open_database(url: str) -> Database:
    """Open either kind of database."""
    if url.startswith("sqlite:///"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:///")))
    return PostgresDatabase(url)


@asynccontextmanager
async def open_engine(url: str, queues: Sequence[QueueSpec] = QUEUES) -> AsyncIterator[Engine]:
    """Lend an engine on a migrated database; its worker is drained afterwards."""
    db = open_database(url)
    jobs, worker = make_worker(db, queues)
    engine = Engine(url, db, jobs, worker)
    try:
        yield engine
    finally:
        await engine.stop(timedelta(seconds=1))
        await db.close()


class Recorder:
    """A handler that records its jobs and lets the test decide when and how each ends."""

    def __init__(self, *, gated: bool = False) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.jobs: list[Job] = []
        self.at_work: set[str] = set()
        self.most_at_once = 0
        self.gate = asyncio.Event()
        if not gated:
            self.gate.set()

    async def __call__(self, job: Job) -> Outcome:
        """Record the start, wait for the gate, record the end."""
        self.started.append(job.ref)
        self.jobs.append(job)
        self.at_work.add(job.ref)
        self.most_at_once = max(self.most_at_once, len(self.at_work))
        try:
            await self.gate.wait()
        finally:
            self.at_work.discard(job.ref)
        self.ended.append(job.ref)
        return Done()
