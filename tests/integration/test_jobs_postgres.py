"""The PostgreSQL engine alone: its plans, lost connections, and claims that nobody runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from wireroom.clock import SystemClock
from wireroom.jobs.port import Done, Job, JobRef, Outcome, QueueSpec
from wireroom.jobs.procrastinate import ProcrastinateJobs, ProcrastinateWorker
from wireroom.jobs.procrastinate_worker import APPLICATION
from wireroom.store import job_rows_postgres as rows
from wireroom.store.postgres import PostgresDatabase
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(60)]


class _Engine:
    """A worker with a short heartbeat, whose handler records refs and holds those that begin with `hold`."""

    def __init__(self, url: str) -> None:
        self.db = PostgresDatabase(url)
        self.jobs = ProcrastinateJobs(SystemClock())
        self.worker = ProcrastinateWorker(
            self.db,
            [QueueSpec("work", 5)],
            SystemClock(),
            heartbeat=timedelta(milliseconds=100),
            stalled_after=timedelta(seconds=2),
        )
        self.started: list[str] = []
        self.hold = asyncio.Event()
        self.running = asyncio.create_task(self.worker.run({"note": self._handle}))

    async def _handle(self, job: Job) -> Outcome:
        self.started.append(job.ref)
        if job.ref.startswith("hold"):
            await self.hold.wait()
        return Done()

    async def enqueue(self, ref: str, key: str | None = None) -> None:
        """Add a job."""
        await self.db.write(lambda conn: self.jobs.enqueue(conn, queue="work", kind="note", ref=ref, key=key))


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Lend a fresh database."""
    with postgres.database() as lent:
        yield lent


@pytest.fixture
async def engine(url: str) -> AsyncIterator[_Engine]:
    """Lend a running engine, drained afterwards."""
    lent = _Engine(url)
    yield lent
    lent.hold.set()
    await lent.worker.drain(timedelta(seconds=1))
    await lent.running
    await lent.db.close()


def _execute(url: str, statement: str, parameters: Any = None) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


async def test_lost_connections_are_made_again_and_no_job_is_lost(engine: _Engine, url: str) -> None:
    """When the server drops every connection, the worker goes on: what ran ends once, what comes is run."""
    await engine.enqueue("hold")
    await eventually(lambda: engine.started == ["hold"], "the first job runs")
    await asyncio.to_thread(
        _execute,
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    engine.hold.set()
    await engine.db.close()
    engine.db = PostgresDatabase(url)
    await engine.enqueue("after")
    await eventually(lambda: "after" in engine.started, "the next job runs", 10)

    async def is_empty() -> bool:
        return not await engine.db.read(engine.jobs.counts)

    await eventually(is_empty, "both are gone", 10)
    assert engine.started == ["hold", "after"]


async def test_engine_leaves_no_statement_uncommitted(engine: _Engine, url: str) -> None:
    """Each is committed by itself: a worker that freezes right after one has no job locked."""
    await engine.enqueue("a", key="chat")
    await eventually(lambda: engine.started == ["a"], "the job runs")
    last_words = "SELECT upper(trim(query)) FROM pg_stat_activity WHERE application_name = %s"
    said = {words for (words,) in await asyncio.to_thread(_execute, url, last_words, (APPLICATION,))}
    assert said
    assert not {"BEGIN", "COMMIT", "ROLLBACK"} & said


async def test_worker_pruned_while_it_paused_comes_back_to_life(engine: _Engine, url: str) -> None:
    """A worker whose row another process removed registers itself again with its next heartbeat."""
    await engine.enqueue("first")
    await eventually(lambda: engine.started == ["first"], "the worker works")
    await asyncio.to_thread(_execute, url, "DELETE FROM procrastinate_workers")

    async def is_back() -> bool:
        found = await asyncio.to_thread(_execute, url, "SELECT count(*) FROM procrastinate_workers")
        return found == [(1,)]

    await eventually(is_back, "it is back")
    await engine.enqueue("second")
    await eventually(lambda: engine.started == ["first", "second"], "it works again")


async def test_claim_that_nobody_runs_is_given_back(engine: _Engine, url: str) -> None:
    """A claim whose answer never reached its worker is run after two heartbeats, with its start counted."""
    await engine.enqueue("hold")
    await eventually(lambda: engine.started == ["hold"], "the worker works")
    await asyncio.to_thread(
        _execute,
        url,
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, worker_id)"
        """ SELECT 'work', %s, '{"kind": "note", "ref": "lost", "at": 0}', 'doing', max(id)"""
        " FROM procrastinate_workers",
        (rows.TASK,),
    )
    await eventually(lambda: engine.started == ["hold", "lost"], "the lost job runs")


@pytest.mark.parametrize(
    ("statement", "parameters", "index"),
    [
        pytest.param(
            rows.FETCH,
            {"queue": "work", "kinds": ["note"], "worker_id": None, "limit": 10},
            "ix_wireroom_jobs_next",
            id="fetch",
        ),
        pytest.param(
            rows.FETCH,
            {"queue": "work", "kinds": ["note"], "worker_id": None, "limit": 10},
            "ix_wireroom_jobs_lock",
            id="fetch asks for the lock",
        ),
        pytest.param(rows.NEXT_DUE, {"queue": "work"}, "ix_wireroom_jobs_due", id="next due"),
        pytest.param(rows.MINE, {"worker_ids": [1]}, "procrastinate_jobs", id="claims of a worker"),
        pytest.param(str(rows.BY_REF), {"kind": "note", "ref": "1"}, "ix_wireroom_jobs_ref", id="by ref"),
    ],
)
def test_statement_uses_its_index(url: str, statement: str, parameters: dict[str, Any], index: str) -> None:
    """With five thousand jobs waiting, each statement that runs often goes by its index and sorts nothing."""
    _execute(
        url,
        "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, scheduled_at, args)"
        " SELECT CASE WHEN n %% 5 = 0 THEN 'work' ELSE 'other' END, %s, 'chat:' || n,"
        " CASE WHEN n %% 2 = 0 THEN now() + interval '1 hour' END,"
        " jsonb_build_object('kind', 'note', 'ref', n::text, 'at', 0) FROM generate_series(1, 5000) AS n",
        (rows.TASK,),
    )
    _execute(url, "ANALYZE procrastinate_jobs")
    statement = statement.replace(":kind", "%(kind)s").replace(":ref", "%(ref)s")
    plan = "\n".join(row[0] for row in _execute(url, f"EXPLAIN {statement}", parameters))
    assert index in plan
    assert "Seq Scan on procrastinate_jobs" not in plan
    if statement is rows.FETCH:
        assert "Sort" not in plan


class _Gate:
    """A pace that the test sets."""

    def __init__(self) -> None:
        self.held = 0.2
        self.places = 2
        self.asked = 0

    def seconds_held(self) -> float:
        """Return how long nothing may start."""
        self.asked += 1
        return self.held

    def room(self, free: int) -> int:
        """Return how many may."""
        return min(free, self.places)

    def note_claim(self) -> None:
        """Do nothing."""


async def test_queue_keeps_its_pace(url: str) -> None:
    """Nothing is claimed while the pace holds it, and then as many as there is room for; the rest waits."""
    gate, db, started, hold = _Gate(), PostgresDatabase(url), list[str](), asyncio.Event()
    jobs = ProcrastinateJobs(SystemClock())

    async def handle(job: Job) -> Outcome:
        started.append(job.ref)
        gate.places -= 1
        gate.held = 0.0 if gate.places else 0.2
        await hold.wait()
        return Done()

    worker = ProcrastinateWorker(db, [QueueSpec("work", 5, pace=gate)], SystemClock())
    running = asyncio.create_task(worker.run({"note": handle}))
    refs = [JobRef(str(number), None) for number in range(4)]
    await db.write(lambda conn: jobs.enqueue_all(conn, refs, queue="work", kind="note"))
    await eventually(lambda: gate.asked >= 3, "it was asked again and again")
    assert started == []
    gate.held = 0.0
    await eventually(lambda: started == ["0", "1"], "two have started")
    gate.held, gate.places = 0.0, 2
    await eventually(lambda: started == ["0", "1", "2", "3"], "the rest has started")
    hold.set()
    await worker.drain(timedelta(seconds=2))
    await running
    await db.close()


async def test_queues_share_the_connection_that_listens(url: str) -> None:
    """However many queues a process works on, one connection listens for all; what comes to each is heard."""
    db, jobs = PostgresDatabase(url), ProcrastinateJobs(SystemClock())
    names = [f"queue-{number}" for number in range(6)]
    worker = ProcrastinateWorker(db, [QueueSpec(name, 1) for name in names], SystemClock())
    handled: set[str] = set()

    async def handle(job: Job) -> Outcome:
        handled.add(job.queue)
        return Done()

    running = asyncio.create_task(worker.run({"note": handle}))
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
    await eventually(lambda: _execute(url, listening) == [(1,)], "somebody listens")
    for name in names:
        await db.write(partial(jobs.enqueue, queue=name, kind="note", ref="x"))
    await eventually(lambda: handled == set(names), "every queue is heard", timeout_seconds=4)
    assert _execute(url, listening) == [(1,)]
    await worker.drain(timedelta(seconds=1))
    await running
    await db.close()


async def test_swept_row_of_a_dead_worker_wakes_the_next_of_its_key(url: str) -> None:
    """What a killed process had finished, all but its row, holds its key only until that is noticed."""
    db, jobs = PostgresDatabase(url), ProcrastinateJobs(SystemClock())
    for ref in ("finished", "next"):
        await db.write(partial(jobs.enqueue, queue="work", kind="note", ref=ref, key="chat"))
    await db.close()
    finish = (
        "UPDATE procrastinate_jobs SET status = 'doing', args = args || '{\"finished\": true}' WHERE id = 1"
    )
    _execute(url, finish)
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute('LISTEN "procrastinate_queue_v1#work"')
        _execute(url, rows.SWEEP_FINISHED, {"seconds": 1})
        [told] = listener.notifies(timeout=5, stop_after=1)
    assert json.loads(told.payload)["job_id"] == 2
    assert _execute(url, "SELECT id FROM procrastinate_jobs") == [(2,)]
