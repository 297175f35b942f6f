"""A kill -9 in a loop: the next start goes on at the right round, and repeats none that ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cluster import IS_CLUSTER, shared_by, shared_servers
from loop_backend import GOES_ON, LoopBackend, complete, go_on, is_review
from loop_bench import LoopBench
from wireroom.app.roles import Role
from wireroom.clock import SystemClock
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.port import Jobs
from wireroom.jobs.procrastinate import ProcrastinateJobs
from wireroom.runs.states import RunState
from wireroom.store.database import Database
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing import ScriptedAgent
from wireroom.testing.eventually import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
_PROGRAM = Path(__file__).with_name("serve_loop.py")
_SECONDS = 60.0
_WORKERS = 3
ONCE = {"work one": 1, "review one": 1, "work two": 1, "review two": 1}
"""Agents of a loop of two rounds that nothing has cut off."""


class Installation:
    """The service, with one loop to do; its processes may be killed, all at once, and started again."""

    def __init__(self, bench: LoopBench, reviews: Mapping[str, str], shared: Mapping[str, str]) -> None:
        self.bench = bench
        self.agent = bench.backend.agent
        self._folder = bench.workdir.parent
        self._reviews = dict(reviews)
        self._shared = dict(shared)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, fault: str = "") -> None:
        """Start what does not run of the service and do not wait."""
        faults = self._folder / "fault"
        faults.write_text(fault)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PORT": "0",
            "WIREROOM_DATA_DIR": str(self._folder),
            "ACCEPTANCE_AGENT": str(self._folder / "agent"),
            "ACCEPTANCE_FAULT": str(faults),
            "ACCEPTANCE_REVIEWS": json.dumps(self._reviews),
            "ACCEPTANCE_ROLE": Role.WORKER if self._shared else Role.ALL,
            **self._shared,
        }
        self._processes = [process for process in self._processes if process.poll() is None]
        with (self._folder / "service.log").open("ab") as log:
            for _ in range(len(self._processes), _WORKERS if self._shared else 1):
                self._processes.append(
                    subprocess.Popen([sys.executable, str(_PROGRAM)], env=environment, stdout=log, stderr=log)
                )

    async def died(self) -> None:
        """Return once a process of the service has been killed."""
        try:
            await eventually(self._dead, "the service is killed", _SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{(self._folder / 'service.log').read_text()}") from error
        codes = {process.returncode for process in self._dead()}
        assert codes == {-signal.SIGKILL}, (self._folder / "service.log").read_text()

    async def kill(self) -> None:
        """Kill -9."""
        self.close()
        await self.died()

    async def agents(self, count: int) -> None:
        """Return once so many agents have been started."""
        await eventually(
            lambda: self.agent.ledger.starts().total() >= count, f"{count} agents started", _SECONDS
        )

    def starts(self) -> Counter[str]:
        """Return how often each round's agent was started."""
        counts: Counter[str] = Counter()
        for prompt, times in self.agent.ledger.starts().items():
            counts[_label(prompt)] += times
        return counts

    def close(self) -> None:
        """End what still runs of the service."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _dead(self) -> list[subprocess.Popen[bytes]]:
        return [process for process in self._processes if process.poll() is not None]


def _label(prompt: str) -> str:
    kind, said = "work", prompt.removeprefix(GOES_ON)
    if is_review(prompt):
        kind, said = "review", prompt.partition("=== WHAT THE AGENT SAID ===")[2].partition("===")[0]
    elif said != prompt:
        kind = "work again"
    return f"{kind} {'two' if 'two' in said else 'one'}"


@asynccontextmanager
async def installed(database_path: Path, reviews: Mapping[str, str]) -> AsyncIterator[Installation]:
    """Lend an installation whose one loop waits for the first start."""
    folder, clock = database_path.parent, SystemClock()
    backend = LoopBackend(ScriptedAgent(folder / "agent"), reviews)
    async with _store(database_path, clock) as (db, jobs, shared):
        bench = LoopBench(db, jobs, clock, backend, folder / "work")
        await bench.ask("session s-1; say one")
        installation = Installation(bench, reviews, shared)
        try:
            yield installation
        finally:
            installation.close()


@asynccontextmanager
async def _store(
    database_path: Path, clock: SystemClock
) -> AsyncIterator[tuple[Database, Jobs, Mapping[str, str]]]:
    """Lend the database, its jobs, and the settings of processes that share it: none for one process."""
    if not IS_CLUSTER:
        async with _closing(SqliteDatabase(database_path, readers=1)) as db:
            yield db, EmbeddedJobs(clock), {}
        return
    postgres, redis = shared_servers()
    with postgres.database() as url:
        async with _closing(PostgresDatabase(url)) as db:
            yield db, ProcrastinateJobs(clock), shared_by(url, redis)


@asynccontextmanager
async def _closing(db: Database) -> AsyncIterator[Database]:
    try:
        yield db
    finally:
        await db.close()


async def _assert_done(installation: Installation, starts: Mapping[str, int]) -> None:
    """Raise AssertionError unless the loop is complete, told once, and has called these agents."""
    run = await installation.bench.ended()
    assert (run.state, run.output, run.interruptions) == (RunState.SUCCEEDED, "two", 1)
    assert (run.report.iterations, run.report.original_output) == (1, "one")
    assert await installation.bench.messages() == [("user", "session s-1; say one"), ("assistant", "two")]
    assert installation.starts() == Counter(starts)


async def test_kill_in_the_second_round_goes_on_in_it(database_path: Path) -> None:
    """The first round is not repeated; the second is begun once more and told to go on."""
    gate = ScriptedAgent(database_path.parent / "agent").gate("half")
    reviews = {"one": go_on(f"tool half\n{gate}\nsay two"), "two": complete()}
    async with installed(database_path, reviews) as installation:
        installation.start()
        await installation.agents(3)
        await installation.kill()
        installation.start()
        await installation.agents(4)
        installation.agent.open_gate("half")
        await _assert_done(installation, {**ONCE, "work again two": 1})


async def test_kill_in_a_review_reviews_once_more(database_path: Path) -> None:
    """The work that was reviewed is not repeated."""
    gate = ScriptedAgent(database_path.parent / "agent").gate("half")
    reviews = {"one": f"think hm\n{gate}\n{go_on('say two')}", "two": complete()}
    async with installed(database_path, reviews) as installation:
        installation.start()
        await installation.agents(2)
        await installation.kill()
        installation.start()
        await installation.agents(3)
        installation.agent.open_gate("half")
        await _assert_done(installation, {**ONCE, "review one": 2})


COMMITS = {
    "first round not begun": ("within LoopDriver._open 1", ONCE),
    "first work stored, review not begun": ("after LoopDriver._close 1", ONCE),
    "first review done, not stored": ("within LoopDriver._close 2", {**ONCE, "review one": 2}),
    "first review stored, second work not begun": ("after LoopDriver._close 2", ONCE),
    "second work begun, not started": (
        "after LoopDriver._open 3",
        {"work one": 1, "review one": 1, "work again two": 1, "review two": 1},
    ),
    "second work done, not stored": ("within LoopDriver._close 3", {**ONCE, "work again two": 1}),
    "last review stored, result not": ("within Executor._finish 1", ONCE),
}


@pytest.mark.parametrize("point", COMMITS)
async def test_kill_at_a_commit_of_a_loop_repeats_only_what_was_not_stored(
    database_path: Path, point: str
) -> None:
    """A process that dies just before or after a commit goes on exactly there."""
    fault, starts = COMMITS[point]
    async with installed(database_path, {"one": go_on("say two"), "two": complete()}) as installation:
        installation.start(fault)
        await installation.died()
        installation.start()
        await _assert_done(installation, starts)
