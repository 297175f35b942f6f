"""The embedded engine alone: its plans, its backlog, its disk, the other writers of its file."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pysqlite3
import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from wireroom.clock import SystemClock
from wireroom.errors import StoreBusy, StoreFull
from wireroom.jobs.embedded import EmbeddedJobs, EmbeddedWorker
from wireroom.jobs.embedded_turn import Ended, Turn, TurnResult
from wireroom.jobs.endings import Remove
from wireroom.jobs.port import Done, Job, Outcome, QueueSpec
from wireroom.store import job_rows
from wireroom.store.database import Unit, driver
from wireroom.store.sqlite import SqliteDatabase, engine_for
from wireroom.testing.eventually import eventually

T = TypeVar("T")
_NOW = 1_000_000
_CLAIM_STEPS = 1_000
"""Of SQLite's machine for a job that is added, claimed and removed; one look at 100,000 rows takes more."""
BEFORE_THE_NEXT_LOOK = 2.5
"""Seconds: half of what the engine waits until it looks for itself."""


@pytest.fixture
def conn(database_path: Path) -> Iterator[Connection]:
    """Lend one connection in autocommit, to run the engine's units on."""
    with engine_for(database_path, synchronous="OFF").connect() as lent:
        driver(lent).execute("BEGIN")
        yield lent


def _fill(conn: Connection, count: int, *, key: str | None, run_at: int = 0) -> None:
    driver(conn).executemany(
        "INSERT INTO jobs (queue, kind, ref, key, run_at, state, enqueued_at)"
        " VALUES ('work', 'note', ?, ?, ?, 'waiting', 0)",
        [(str(number), key, run_at) for number in range(count)],
    )


def _add(conn: Connection, ref: str, **options: Any) -> None:
    settings = {"key": None, "priority": 0, "run_at_ms": _NOW, "dedupe": None} | options
    job_rows.insert(driver(conn), queue="work", kind="note", ref=ref, now_ms=_NOW, **settings)


def _turn(conn: Connection, room: int, **options: Any) -> TurnResult:
    settings: dict[str, Any] = {"ended": [], "busy_keys": set(), "first_epoch": 1} | options
    turn = Turn(
        room={"work": room} if room else {},
        claimable={"work"},
        kinds=("note",),
        now_ms=_NOW,
        worker="w",
        **settings,
    )
    return turn(conn)


@contextmanager
def _bounded(conn: Connection, *, steps: int) -> Iterator[None]:
    """Fail when SQLite's machine takes more than so many steps meanwhile, which no busy processor changes."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    driver(conn).set_progress_handler(count, 1)
    yield
    driver(conn).set_progress_handler(None, 1)
    assert taken <= steps


def _refs(result: TurnResult) -> list[str]:
    return [candidate.ref for candidate in result.started]


# Plans


def _statements() -> list[tuple[str, str]]:
    """Return (name, SQL) of every statement of the engine that runs often."""
    plain = {name: value for name, value in vars(job_rows).items() if re.fullmatch(r"_[A-Z_]+", name)}
    plain.pop("_DEDUPE_IF_FREE")
    plain["_CANDIDATES"] = job_rows.candidates_of(3)
    return sorted((name, value) for name, value in plain.items() if isinstance(value, str))


@pytest.mark.parametrize(("name", "statement"), _statements(), ids=[name for name, _ in _statements()])
def test_statement_searches_by_index_and_never_sorts(conn: Connection, name: str, statement: str) -> None:
    """No statement walks the table or sorts what it finds; only figures of all queues walk their index."""
    values = (None,) * statement.count("?")
    plan = [row[3] for row in driver(conn).execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    steps = [step for step in plan if "jobs" in step.lower()]
    assert all("INDEX" in step or "PRIMARY KEY" in step for step in steps), plan
    if name not in {"_COUNTS", "_DEMAND", "_OLDEST_DUE", "_PROMOTE"}:
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
    if name in {"_CANDIDATES", "_RELEASE", "_BY_REF"}:
        assert any(step.startswith("SEARCH jobs USING") for step in steps), plan


# Backlog


def test_claim_behind_a_hundred_thousand_jobs_of_a_busy_key_looks_at_each_once(conn: Connection) -> None:
    """A huge backlog of one busy key is sorted aside once; then a claim costs what it costs without it."""
    _fill(conn, 100_000, key="busy")
    _add(conn, "free")
    started: list[str] = []
    turns = 0
    while not started:
        result = _turn(conn, 10, busy_keys={"busy"})
        assert result.left or _refs(result)
        started += _refs(result)
        turns += 1
    assert started == ["free"]
    assert turns <= 51
    with _bounded(conn, steps=100 * _CLAIM_STEPS):
        for number in range(100):
            _add(conn, f"later {number}")
            assert _refs(_turn(conn, 10, busy_keys={"busy"})) == [f"later {number}"]


def test_jobs_of_one_key_in_a_huge_backlog_start_one_by_one_in_order_and_fast(conn: Connection) -> None:
    """Each end lets exactly the next of the key go, by index."""
    _fill(conn, 100_000, key="one")
    result = _turn(conn, 10)
    while result.left:
        epoch = result.first_epoch
        result = _turn(conn, 9, busy_keys={"one"}, first_epoch=epoch + 1)
    job = Job(1, "work", "note", "0", "one", 1, 1)
    with _bounded(conn, steps=100 * _CLAIM_STEPS):
        for number in range(1, 100):
            result = _turn(conn, 10, ended=[Ended(job, Remove())], first_epoch=number + 1)
            assert _refs(result) == [str(number)]
            job = Job(result.started[0].id, "work", "note", str(number), "one", 1, number + 1)


def test_a_hundred_thousand_delayed_jobs_cost_a_claim_nothing(conn: Connection) -> None:
    """Delayed jobs are out of the claim's way, whoever inserted them, and the earliest is known."""
    _fill(conn, 100_000, key=None, run_at=_NOW + 60_000)
    while _turn(conn, 10).left:
        pass
    with _bounded(conn, steps=100 * _CLAIM_STEPS):
        for number in range(100):
            _add(conn, str(number))
            result = _turn(conn, 10)
            assert _refs(result) == [str(number)]
            assert result.next_due_ms == _NOW + 60_000


# What waits behind a job that goes


def _stuck(conn: Connection) -> None:
    """Leave `second` waiting with no slot for it, and `third` behind it."""
    for ref in ("first", "second", "third"):
        _add(conn, ref, key="chat")
    result = _turn(conn, 2)
    assert _refs(result) == ["first"]
    _add(conn, "urgent", priority=-1)
    first = Job(result.started[0].id, "work", "note", "first", "chat", 1, 1)
    assert _refs(_turn(conn, 1, ended=[Ended(first, Remove())], first_epoch=2)) == ["urgent"]


def test_cancel_of_the_next_of_a_key_lets_the_one_behind_it_go(conn: Connection) -> None:
    """Cancelling a job that is next but has no slot frees the one behind it."""
    _stuck(conn)
    EmbeddedJobs(SystemClock()).cancel(conn, kind="note", ref="second")
    assert _refs(_turn(conn, 1, first_epoch=3)) == ["third"]


def test_delete_by_another_program_of_the_next_of_a_key_strands_nothing(conn: Connection) -> None:
    """A row deleted from outside may have had others behind it; the sweep lets them go."""
    _stuck(conn)
    driver(conn).execute("DELETE FROM jobs WHERE ref = 'second'")
    assert _refs(_turn(conn, 1, first_epoch=3)) == []
    assert _refs(_turn(conn, 1, first_epoch=3, sweep=True)) == ["third"]


def test_running_row_that_nobody_runs_is_taken_back_by_the_heartbeat(conn: Connection) -> None:
    """A claim whose answer was lost on its way to the worker does not stay running for ever."""
    _add(conn, "lost", key="chat")
    assert _refs(_turn(conn, 1)) == ["lost"]
    result = _turn(conn, 1, beat=True, first_epoch=2)
    assert _refs(result) == ["lost"]
    assert _refs(_turn(conn, 1, beat=True, known=frozenset({(result.started[0].id, 2)}), first_epoch=3)) == []
    assert driver(conn).execute("SELECT heartbeat_at FROM jobs").fetchone() == (_NOW,)


# The worker and its file


class _Counting:
    def __init__(self) -> None:
        self.refs: list[str] = []

    async def __call__(self, job: Job) -> Outcome:
        self.refs.append(job.ref)
        return Done()


@pytest.fixture
async def worker(database: SqliteDatabase) -> AsyncIterator[EmbeddedWorker]:
    """Lend a worker that is not running; it is drained afterwards."""
    lent = EmbeddedWorker(database, [QueueSpec("work", 10)], SystemClock())
    yield lent
    await lent.drain(timedelta(seconds=1))


async def test_row_inserted_by_a_plain_sql_writer_is_run(
    database: SqliteDatabase, worker: EmbeddedWorker, database_path: Path
) -> None:
    """Another program that knows only the table can enqueue, and is noticed long before the next look."""
    handler = _Counting()
    running = asyncio.create_task(worker.run({"note": handler}))
    await eventually(lambda: database_path.with_name("wireroom.sqlite3.owner").exists(), "the worker owns")
    raw = pysqlite3.connect(str(database_path), isolation_level=None)
    begun = time.monotonic()
    raw.execute(
        "INSERT INTO jobs (queue, kind, ref, run_at, state, enqueued_at)"
        " VALUES ('work', 'note', 'by hand', 0, 'waiting', 0)"
    )
    raw.close()
    await eventually(lambda: handler.refs == ["by hand"], "it runs")
    assert time.monotonic() - begun < BEFORE_THE_NEXT_LOOK
    await worker.drain(timedelta(seconds=1))
    await running


async def test_second_worker_on_the_same_file_is_refused_by_pid(
    database: SqliteDatabase, worker: EmbeddedWorker
) -> None:
    """Only one worker owns a file; another is told which process it is, and the first goes on."""
    handler = _Counting()
    running = asyncio.create_task(worker.run({"note": handler}))
    await asyncio.sleep(0)
    with pytest.raises(StoreBusy, match=r"Process \d+ already runs"):
        await EmbeddedWorker(database, [], SystemClock()).run({})
    jobs = EmbeddedJobs(SystemClock(), worker)
    await database.write(lambda conn: jobs.enqueue(conn, queue="work", kind="note", ref="a"))
    await eventually(lambda: handler.refs == ["a"], "the first still works")
    await worker.drain(timedelta(seconds=1))
    await running


class _FillableDatabase(SqliteDatabase):
    """A database that refuses the worker's turns while `full` is set."""

    full = False

    async def write(self, unit: Unit[T]) -> T:
        """Refuse or write."""
        if self.full and isinstance(unit, Turn):
            raise StoreFull("no space left")
        return await super().write(unit)

    async def write_unsynced(self, unit: Unit[T]) -> T:
        """Refuse or write."""
        return await self.write(unit)


async def test_full_disk_keeps_endings_until_there_is_space(database_path: Path) -> None:
    """While nothing can be stored the worker lives, says so once, and stores every end afterwards, once."""
    database = _FillableDatabase(database_path)
    worker = EmbeddedWorker(database, [QueueSpec("work", 10)], SystemClock())
    handler = _Counting()
    jobs = EmbeddedJobs(SystemClock(), worker)
    with capture_logs() as logs:
        running = asyncio.create_task(worker.run({"note": handler}))
        await database.write(lambda conn: jobs.enqueue(conn, queue="work", kind="note", ref="a"))
        await eventually(lambda: handler.refs == ["a"], "the first job runs")
        database.full = True
        await database.write(lambda conn: jobs.enqueue(conn, queue="work", kind="note", ref="b"))
        await eventually(lambda: [log for log in logs if log["event"] == "jobs_not_stored"], "it is logged")
        await asyncio.sleep(0.3)
        database.full = False
        await eventually(lambda: handler.refs == ["a", "b"], "the second job runs")

        async def is_empty() -> bool:
            return not await database.read(jobs.counts)

        await eventually(is_empty, "the ends are stored")
        await worker.drain(timedelta(seconds=1))
        await running
    await database.close()
    assert [log["event"] for log in logs].count("jobs_not_stored") == 1
    assert handler.refs == ["a", "b"]


async def test_handler_that_ignores_its_cancellation_does_not_hold_up_the_drain(
    database: SqliteDatabase, worker: EmbeddedWorker
) -> None:
    """A drain ends within its bound whatever a handler does; the job is run again by the next start."""
    started, release = asyncio.Event(), asyncio.Event()

    async def stubborn(_: Job) -> Outcome:
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return Done()

    jobs = EmbeddedJobs(SystemClock(), worker)
    running = asyncio.create_task(worker.run({"note": stubborn}))
    await database.write(lambda conn: jobs.enqueue(conn, queue="work", kind="note", ref="a"))
    await asyncio.wait_for(started.wait(), 5)
    begun = time.monotonic()
    await worker.drain(timedelta(milliseconds=10))
    await asyncio.wait_for(running, 10)
    assert time.monotonic() - begun < 10
    assert (await database.read(jobs.counts))["work"].running == 1
    release.set()
    await asyncio.sleep(0.01)


class _Doses:
    """A pace of two jobs each time that the test lets them."""

    def __init__(self) -> None:
        self.open = True

    def seconds_held(self) -> float:
        """Hold for a moment at a time."""
        return 0.0 if self.open else 0.02

    def room(self, free: int) -> int:
        """Leave room for a dose."""
        return min(free, 2)

    def note_claim(self) -> None:
        """Let no more go until told to."""
        self.open = False


async def test_paced_queue_claims_what_it_has_room_for_and_goes_on_by_itself(
    database: SqliteDatabase,
) -> None:
    """Jobs beyond the pace wait untouched, and are claimed, in order, as soon as it lets them."""
    doses = _Doses()
    worker = EmbeddedWorker(database, [QueueSpec("work", 10, pace=doses)], SystemClock())
    jobs = EmbeddedJobs(SystemClock(), worker)
    handler = _Counting()

    def add_five(conn: Connection) -> None:
        for ref in "abcde":
            jobs.enqueue(conn, queue="work", kind="note", ref=ref)

    await database.write(add_five)
    running = asyncio.create_task(worker.run({"note": handler}))
    await eventually(lambda: handler.refs == ["a", "b"], "two have room")
    await database.write(lambda conn: jobs.enqueue(conn, queue="work", kind="note", ref="f"))
    assert (await database.read(jobs.counts))["work"].running == 0
    doses.open = True
    await eventually(lambda: handler.refs == ["a", "b", "c", "d"], "two more have room")
    doses.open = True
    await eventually(lambda: handler.refs == ["a", "b", "c", "d", "e", "f"], "all had room")
    await worker.drain(timedelta(seconds=1))
    await running


async def test_queue_that_is_full_is_looked_at_again_when_a_slot_is_free(database: SqliteDatabase) -> None:
    """Jobs that no turn had room for are started without anybody saying so again."""
    worker = EmbeddedWorker(database, [QueueSpec("work", 1)], SystemClock())
    jobs = EmbeddedJobs(SystemClock())
    handler = _Counting()
    for ref in "abc":
        await database.write(partial(jobs.enqueue, queue="work", kind="note", ref=ref))
    begun = time.monotonic()
    running = asyncio.create_task(worker.run({"note": handler}))
    await eventually(lambda: handler.refs == ["a", "b", "c"], "all have run")
    assert time.monotonic() - begun < 4
    await worker.drain(timedelta(seconds=1))
    await running
