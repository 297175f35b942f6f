"""A stop that comes once the agent has ended loses nothing of what it did, and begins nothing new."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pysqlite3
import pytest

from loop_backend import LANE, RUN, LoopBackend, ask_for_run, complete
from wireroom.app.loops import git_evidence
from wireroom.backends.protocol import AgentEvent, AgentResult, StreamParser
from wireroom.clock import SystemClock
from wireroom.delivery.progress import NoProgress, ProgressLine
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.port import Done, Job
from wireroom.runs import records
from wireroom.runs.agent_call import AgentCalls, RunPolicy
from wireroom.runs.attempt import Attempt
from wireroom.runs.driver import AgentDriver
from wireroom.runs.executor import Executor
from wireroom.runs.feed import Feed
from wireroom.runs.limits import Limits
from wireroom.runs.loop_driver import LoopDriver
from wireroom.runs.loop_policy import LoopPolicy
from wireroom.runs.options import RunReport
from wireroom.runs.places import PlacedDriver
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.states import RunMode, RunState
from wireroom.runs.verdict import RunEnding, Verdict
from wireroom.settings import Settings
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.scripted_agent import ScriptedAgent
from wireroom.workspaces.mcp import McpServers
from wireroom.workspaces.workspace import Workspaces
from workspace_repositories import ENVIRONMENT, clone, make_remote

pytestmark = pytest.mark.timeout(60)
TURNS = [0, 1, 2, 3, 4, 6, 9, 14, 20, 40, 80, 200, 1000]
"""Turns of the event loop between the agent's end and the stop."""

Hook = Callable[[AgentResult], AgentResult]


class _Watched(LoopBackend):
    """Calls a hook with each agent's result, at the moment at which its process has just ended."""

    hook: Hook

    def parser(self) -> StreamParser:
        return _WatchedParser(super().parser(), self.hook)


class _WatchedParser:
    def __init__(self, inner: StreamParser, hook: Hook) -> None:
        self._inner = inner
        self._hook = hook

    def feed(self, line: str) -> Iterable[AgentEvent]:
        return self._inner.feed(line)

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        return self._hook(self._inner.result(exit_code, stderr))


@dataclass
class Bench:
    """An executor at work on one run, whose handler can be cancelled at a moment of the test's choice."""

    db: SqliteDatabase
    path: Path
    backend: _Watched
    executor: Executor
    handling: list[asyncio.Task[object]] = field(default_factory=list)

    @property
    def starts(self) -> int:
        """How many agents were started."""
        return self.backend.agent.ledger.starts().total()

    async def handle(self, hook: Hook) -> object:
        """Do the run; what the handler returned, or that it was cancelled."""
        self.backend.hook = hook
        job = Job(1, records.QUEUE, records.KIND, RUN, LANE, 1, 1)
        self.handling.append(asyncio.create_task(self.executor.handle(job)))
        return (await asyncio.gather(*self.handling, return_exceptions=True))[0]

    def stop_after(self, turns: int) -> None:
        """Cancel the handler after so many turns of the event loop."""
        if turns:
            asyncio.get_running_loop().call_soon(self.stop_after, turns - 1)
        else:
            self.handling[0].cancel()

    def note_wish(self) -> None:
        """Store that a person wants the run to be stopped."""
        with contextlib.closing(pysqlite3.connect(self.path)) as other, other:
            other.execute("UPDATE runs SET cancel_requested_at = 1")

    async def run(self) -> RunView:
        """Return the run."""
        run = await self.db.read(lambda conn: find_run(conn, RUN))
        assert run is not None
        return run


async def _bench(db: SqliteDatabase, path: Path, mode: RunMode, prompt: str = "say one") -> Bench:
    clock, feed, jobs, policy = SystemClock(), Feed(), EmbeddedJobs(SystemClock()), RunPolicy(Limits())
    folder = path.parent
    backend = _Watched(ScriptedAgent(folder / "agent"), {"one": complete()})
    calls = AgentCalls(db=db, clock=clock, feed=feed, policy=policy, spill_dir=folder)
    agents = AgentDriver(db=db, clock=clock, backend=lambda _: backend, policy=policy, calls=calls)
    workspaces = Workspaces(Settings(data_dir=folder), os.environ, clock)
    executor = Executor(
        db=db,
        jobs=jobs,
        clock=clock,
        feed=feed,
        progress=NoProgress(),
        policy=policy,
        driver=LoopDriver(
            agents, db=db, clock=clock, feed=feed, policy=LoopPolicy(), look=git_evidence(workspaces)
        ),
        worker="bench",
    )
    await db.write(lambda conn: ask_for_run(conn, jobs, prompt, folder / "work", now_ms=1, mode=mode))
    await db.write(lambda conn: conn.exec_driver_sql("UPDATE jobs SET state = 'running', epoch = 1"))
    return Bench(db, path, backend, executor)


@pytest.mark.parametrize("turns", TURNS)
async def test_stop_of_the_service_keeps_a_run_whose_agent_has_ended(
    database: SqliteDatabase, database_path: Path, turns: int
) -> None:
    """Whenever it comes after the agent's end, the answer is stored and nothing is left to be repeated."""
    bench = await _bench(database, database_path, RunMode.EXECUTE)

    def ended(result: AgentResult) -> AgentResult:
        bench.stop_after(turns)
        return result

    outcome = await bench.handle(ended)
    run = await bench.run()
    assert outcome == Done()
    assert (run.state, run.output, run.reason, bench.starts) == (RunState.SUCCEEDED, "one", None, 1)


@pytest.mark.parametrize("turns", TURNS)
async def test_stop_of_the_service_keeps_a_round_whose_agent_has_ended(
    database: SqliteDatabase, database_path: Path, turns: int
) -> None:
    """The next start does not repeat it; a loop that was complete is over."""
    bench = await _bench(database, database_path, RunMode.ITERATE)

    def ended(result: AgentResult) -> AgentResult:
        if bench.starts == 2:
            bench.stop_after(turns)
        return result

    outcome = await bench.handle(ended)
    run = await bench.run()
    assert outcome == Done()
    assert (run.state, run.output, bench.starts) == (RunState.SUCCEEDED, "one", 2)


async def test_stop_at_the_moment_at_which_a_session_is_lost_is_not_lost(
    database: SqliteDatabase, database_path: Path
) -> None:
    """No second agent starts that nothing could stop any more."""
    bench = await _bench(database, database_path, RunMode.EXECUTE)

    def ended(result: AgentResult) -> AgentResult:
        bench.note_wish()
        bench.handling[0].cancel()
        return replace(result, session_lost=True, is_error=True)

    outcome = await bench.handle(ended)
    run = await bench.run()
    assert outcome == Done()
    assert (run.state, bench.starts) == (RunState.CANCELLED, 1)


class _StoppedOnceBegun:
    """A database behind which the handler is stopped at the moment at which its attempt has been stored."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @property
    def dialect(self) -> str:
        return self._bench.db.dialect

    async def read(self, unit: Any) -> Any:
        return await self._bench.db.read(unit)

    async def write(self, unit: Any) -> Any:
        stored = await self._bench.db.write(unit)
        if isinstance(stored, Attempt):
            self._bench.note_wish()
            self._bench.handling[0].cancel()
            await asyncio.sleep(0)
        return stored


async def test_stop_while_the_attempt_begins_ends_the_run(
    database: SqliteDatabase, database_path: Path
) -> None:
    """The stop knows of the attempt that it came across: no run is left that is at work for ever."""
    bench = await _bench(database, database_path, RunMode.EXECUTE)
    bench.executor._db = _StoppedOnceBegun(bench)  # type: ignore[assignment]  # only what handlers use
    outcome = await bench.handle(lambda result: result)
    run = await bench.run()
    assert outcome == Done()
    assert (run.state, bench.starts) == (RunState.CANCELLED, 0)


async def test_round_whose_end_cannot_be_stored_ends_its_run(
    database: SqliteDatabase, database_path: Path
) -> None:
    """An error of ours after a round's agent has ended does not make it work again."""
    bench = await _bench(database, database_path, RunMode.ITERATE)
    outcome = await bench.handle(lambda result: replace(result, usage={"odd": object()}))
    run = await bench.run()
    assert outcome == Done()
    assert (run.state, run.report.error_code, bench.starts) == (RunState.FAILED, "internal", 1)


class _Stopped:
    """A driver whose attempt ends, with the stop of its handler on the way."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> RunEnding:
        """Change the folder, and have the task cancelled after the time."""
        del lane, line
        assert attempt.private_dir is not None
        (attempt.private_dir / "secret").write_text("s")
        (attempt.workdir / "new.txt").write_text("new\n")
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(self._seconds, task.cancel)
        return RunEnding(Verdict(RunState.SUCCEEDED, "done", None, 0), RunReport())


@pytest.mark.parametrize("seconds", [0, 0.001, 0.003, 0.006, 0.01, 0.02, 0.03])
async def test_stop_while_the_work_is_described_keeps_the_ending(
    tmp_path: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is told without what git would have shown, and no secret stays behind."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    app = clone(make_remote(tmp_path / "elsewhere"), tmp_path / "app")
    settings, clock = Settings(data_dir=tmp_path), SystemClock()
    placed = PlacedDriver(
        _Stopped(seconds),
        workspaces=Workspaces(settings, ENVIRONMENT, clock),
        tools=McpServers(settings, {}, clock),
        data_dir=tmp_path,
    )
    attempt = Attempt(RUN, 1, "c", "hello", "demo", app, None, is_first=True, interrupted=False)
    line = NoProgress().open(RUN)
    ending = await asyncio.create_task(placed.drive(attempt, LANE, line))
    assert ending.verdict.output == "done"
    assert ending.report.diff is None or ending.report.diff["files"] == 1
    assert list((tmp_path / "private").iterdir()) == []
