"""No run stays unfinished: whatever goes wrong on the way, each comes to an end that people are told."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pysqlite3
import pytest
from sqlalchemy import Connection, text

from running_service import running_service
from wireroom.app.service import Service
from wireroom.backends.protocol import AgentRequest, Command, StreamParser
from wireroom.clock import SystemClock, to_ms
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.delivery.progress import NoProgress, Progress, ProgressLine
from wireroom.errors import BadInput
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.port import Dead, Done, Job, Jobs
from wireroom.runs import records
from wireroom.runs.agent_call import AgentCalls, RunPolicy
from wireroom.runs.attempt import Attempt
from wireroom.runs.cancel import Cancelled, cancel_run
from wireroom.runs.driver import AgentDriver, Driver
from wireroom.runs.executor import MAX_TRIES, Executor
from wireroom.runs.feed import Feed
from wireroom.runs.limits import Limits
from wireroom.runs.options import RunReport
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.states import RunState
from wireroom.runs.verdict import RunEnding, Verdict
from wireroom.settings import Settings
from wireroom.store.database import Database
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

pytestmark = pytest.mark.timeout(60)
RUN = f"run-{uuid.uuid4().hex}"
LANE = "web:one"


def _ask(jobs: Jobs, workdir: Path, now_ms: int, conn: Connection) -> None:
    begin_conversation(conn, NewConversation("conversation-1", "web", LANE, str(workdir)), now_ms)
    new = records.NewRun(RUN, "request-1", "conversation-1", LANE, "web", "hello", "demo", str(workdir))
    records.create_run(conn, jobs, new, now_ms)


async def _interrupted(path: Path, then: str) -> Cancelled:
    """Leave a run as a crash does, change its job by the statement, and say whom a stop would find."""
    clock = SystemClock()
    jobs, now_ms = EmbeddedJobs(clock), to_ms(clock.now())

    def unit(conn: Connection) -> None:
        _ask(jobs, path.parent / "work", now_ms, conn)
        records.begin_attempt(conn, RUN, worker="gone", now_ms=now_ms, lease_ms=1)
        conn.execute(text(then), {"later": now_ms + 3_600_000})

    db = SqliteDatabase(path)
    try:
        await db.write(unit)
        if "DELETE" in then:
            return Cancelled.UNKNOWN
        return await db.write(lambda conn: cancel_run(conn, jobs, RUN, now_ms))
    finally:
        await db.close()


async def _ended(db: Database) -> RunView:
    """Return the run once it has ended."""

    async def read() -> RunView:
        run = await db.read(lambda conn: find_run(conn, RUN))
        assert run is not None
        return run

    async def is_over() -> bool:
        return (await read()).state.is_final

    await eventually(is_over, "the run ends", 10)
    return await read()


async def test_stop_of_an_interrupted_run_leaves_the_job_that_ends_it(database_path: Path) -> None:
    """A run whose job waits for its next try is stopped at once, not in an hour and not never."""
    found = await _interrupted(database_path, "UPDATE jobs SET state = 'delayed', run_at = :later")
    assert found is Cancelled.STOPPING
    async with running_service(database_path.parent) as service:
        assert (await _ended(service.services.db)).state is RunState.CANCELLED


async def test_start_gives_an_unfinished_run_without_a_job_a_new_one(database_path: Path) -> None:
    """A run that lost its job is worked on again after the next start."""
    await _interrupted(database_path, "DELETE FROM jobs WHERE run_at < :later")
    async with running_service(database_path.parent) as service:
        run = await _ended(service.services.db)
    assert (run.state, run.interruptions) == (RunState.SUCCEEDED, 1)


class _Refusing:
    """A back end that has no command for anything."""

    name = "demo"
    resumes_sessions = True

    def __init__(self, error: Exception) -> None:
        self._error = error

    def command(self, _request: AgentRequest) -> Command:
        raise self._error

    def parser(self) -> StreamParser:
        raise AssertionError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(BadInput("the model '-x' cannot be used"), "the model '-x' cannot be used", id="ours"),
        pytest.param(
            ZeroDivisionError("oh"), "Wireroom could not run the agent. ZeroDivisionError: oh", id="mistake"
        ),
    ],
)
async def test_agent_without_a_command_fails_the_run_at_its_first_try(
    database_path: Path, error: Exception, told: str
) -> None:
    """The reason is told as it is, and the run does not count as interrupted."""

    class Backend(_Refusing):
        def parser(self) -> StreamParser:
            return ScriptedBackend(ScriptedAgent(database_path.parent)).parser()

    settings = Settings(data_dir=database_path.parent, port=0, drain_seconds=0)
    async with Service(settings, backend=Backend(error)) as service:
        services = service.services
        now_ms = to_ms(services.clock.now())
        workdir = database_path.parent / "work"
        await services.db.write(lambda conn: _ask(services.jobs, workdir, now_ms, conn))
        run = await _ended(services.db)
    assert (run.state, run.reason, run.interruptions) == (RunState.FAILED, told, 0)


class _BrokenProgress:
    def open(self, run_id: str) -> ProgressLine:
        raise ZeroDivisionError(run_id)


@dataclass(frozen=True, slots=True)
class Bench:
    """An executor that breaks in the middle of every attempt, and its database."""

    db: SqliteDatabase
    executor: Executor

    async def start(self, attempt: int) -> Any:
        """Hand the executor the run's job as its n-th start."""
        return await self.executor.handle(Job(1, records.QUEUE, records.KIND, RUN, LANE, attempt, attempt))


def _bench(db: SqliteDatabase, folder: Path, progress: Progress, driver: Driver | None = None) -> Bench:
    clock, feed = SystemClock(), Feed()
    policy = RunPolicy(Limits())
    backend: Callable[[str], Any] = lambda _: ScriptedBackend(ScriptedAgent(folder))  # noqa: E731 - one word
    calls = AgentCalls(db=db, clock=clock, feed=feed, policy=policy, spill_dir=folder)
    agents = AgentDriver(db=db, clock=clock, backend=backend, policy=policy, calls=calls)
    executor = Executor(
        db=db,
        jobs=EmbeddedJobs(clock),
        clock=clock,
        feed=feed,
        progress=progress,
        policy=policy,
        driver=driver or agents,
        worker="w",
    )
    return Bench(db, executor)


@dataclass
class _Worked:
    """A driver whose agents end as told; `attempts` are those that worked."""

    ending: RunEnding
    attempts: list[Attempt] = field(default_factory=list)

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> RunEnding:
        """Work, and tell the ending."""
        del lane, line
        self.attempts.append(attempt)
        return self.ending


_SUCCEEDED = Verdict(RunState.SUCCEEDED, "done", None, 0)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(RunEnding(_SUCCEEDED, RunReport(), usage={"odd": object()}), id="usage"),
        pytest.param(RunEnding(_SUCCEEDED, RunReport(diff={"odd": object()})), id="report"),
    ],
)
async def test_end_that_cannot_be_stored_whole_is_stored_without_the_rest(
    database: SqliteDatabase, tmp_path: Path, ending: RunEnding
) -> None:
    """An odd figure is no reason to do the work again: the run ends as its agent did."""
    driver = _Worked(ending)
    await _claimed(database, tmp_path)
    outcome = await _bench(database, tmp_path, NoProgress(), driver).start(1)
    run = await _ended(database)
    assert outcome == Done()
    assert (run.state, run.output, run.usage, len(driver.attempts)) == (RunState.SUCCEEDED, "done", None, 1)


async def test_end_that_cannot_be_stored_at_all_is_told_and_not_worked_for_again(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    """The run fails at its first try, for the agent has worked."""
    driver = _Worked(RunEnding(Verdict(RunState.SUCCEEDED, "half a \ud800 sign", None, 0), RunReport()))
    await _claimed(database, tmp_path)
    outcome = await _bench(database, tmp_path, NoProgress(), driver).start(1)
    run = await _ended(database)
    assert isinstance(outcome, Dead)
    assert (run.state, run.report.error_code, len(driver.attempts)) == (RunState.FAILED, "internal", 1)


class _Overtaken:
    """A driver that breaks when another worker has taken up the run."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> RunEnding:
        """Let the other one begin, and break."""
        del lane, line
        await self._db.write(
            lambda conn: records.begin_attempt(conn, attempt.run_id, worker="other", now_ms=5, lease_ms=1)
        )
        raise ZeroDivisionError


async def test_worker_that_gives_up_does_not_end_the_attempt_of_another(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    """The run that was taken up elsewhere meanwhile goes on there."""
    await _claimed(database, tmp_path)
    outcome = await _bench(database, tmp_path, NoProgress(), _Overtaken(database)).start(MAX_TRIES)
    run = await database.read(lambda conn: find_run(conn, RUN))
    assert outcome == Done()
    assert run is not None
    assert run.state is RunState.RUNNING


async def _claimed(db: SqliteDatabase, folder: Path) -> None:
    """Store the run, its job claimed as by `Bench.start(1)`."""
    jobs = EmbeddedJobs(SystemClock())
    await db.write(lambda conn: _ask(jobs, folder, 1, conn))
    await db.write(lambda conn: conn.exec_driver_sql("UPDATE jobs SET state = 'running', epoch = 1"))


async def test_last_failed_try_of_a_run_ends_it_and_says_so(database: SqliteDatabase, tmp_path: Path) -> None:
    """An error of ours is tried again; the last one fails the run, keeps the job, and tells the person."""
    jobs = EmbeddedJobs(SystemClock())
    await database.write(lambda conn: _ask(jobs, tmp_path, 1, conn))
    bench = _bench(database, tmp_path, _BrokenProgress())
    for attempt in range(1, MAX_TRIES):
        with pytest.raises(ZeroDivisionError):
            await bench.start(attempt)
    outcome = await bench.start(MAX_TRIES)
    run = await _ended(database)
    assert isinstance(outcome, Dead)
    assert run.state is RunState.FAILED
    assert run.reason == outcome.reason == f"Wireroom could not run this. ZeroDivisionError: {RUN}"


class _StoppedProgress:
    """Cancels the handler once a person wants the run to be stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, run_id: str) -> ProgressLine:
        with contextlib.closing(pysqlite3.connect(self._path)) as other, other:
            other.execute("UPDATE runs SET cancel_requested_at = 1")
        raise asyncio.CancelledError(run_id)


async def test_stopped_handler_whose_job_was_taken_away_writes_nothing(
    database: SqliteDatabase, database_path: Path, tmp_path: Path
) -> None:
    """The end of a stopped run is refused to a claim that is no longer valid; that is no error."""
    jobs = EmbeddedJobs(SystemClock())
    await database.write(lambda conn: _ask(jobs, tmp_path, 1, conn))
    outcome = await _bench(database, tmp_path, _StoppedProgress(database_path)).start(1)
    run = await database.read(lambda conn: find_run(conn, RUN))
    assert outcome == Done()
    assert run is not None
    assert run.state is RunState.RUNNING
