"""A kill -9 in a loop: the next start goes on at the right round, and repeats none that ended."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cluster import IS_CLUSTER, Alone, Cluster, Site, kill_all, shared_by, shared_servers
from loop_backend import GOES_ON, LoopBackend, complete, go_on, is_review
from loop_bench import LoopBench
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
_SECONDS = 60.0
ONCE = {"work one": 1, "review one": 1, "work two": 1, "review two": 1}
"""Agents of a loop of two rounds that nothing has cut off."""


class Installation:
    """The service, with one loop to do; its processes may be killed, all at once, and started again."""

    def __init__(self, bench: LoopBench, site: Site) -> None:
        self.bench = bench
        self.agent = bench.backend.agent
        self._fault = bench.workdir.parent / "fault"
        self._site = site

    async def start(self, fault: str = "") -> None:
        """Start what does not run of the service; it may die of the fault before it listens."""
        self._fault.write_text(fault)
        self._site.environment["ACCEPTANCE_FAULT"] = str(self._fault)
        await self._site.start(may_die=bool(fault))

    async def died(self) -> None:
        """Return once a process of the service has been killed by its fault."""
        await eventually(
            lambda: not all(member.is_alive() for member in self._site.members), "it is killed", _SECONDS
        )

    async def kill(self) -> None:
        """Kill -9."""
        await kill_all(self._site.members)

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
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "WIREROOM_DATA_DIR": str(folder),
        "ACCEPTANCE_AGENT": str(folder / "agent"),
        "ACCEPTANCE_REVIEWS": json.dumps(reviews),
    }
    async with _store(database_path, clock) as (db, jobs, shared):
        site = _site(folder, environment, shared)
        bench = LoopBench(db, jobs, clock, backend, folder / "work")
        await bench.ask("session s-1; say one")
        try:
            yield Installation(bench, site)
        finally:
            await site.close()


def _site(folder: Path, environment: Mapping[str, str], shared: Mapping[str, str]) -> Site:
    if not shared:
        return Alone(folder, environment)
    return Cluster(folder, {**environment, **shared}, webs=1)


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
        await installation.start()
        await installation.agents(3)
        await installation.kill()
        await installation.start()
        await installation.agents(4)
        installation.agent.open_gate("half")
        await _assert_done(installation, {**ONCE, "work again two": 1})


async def test_kill_in_a_review_reviews_once_more(database_path: Path) -> None:
    """The work that was reviewed is not repeated."""
    gate = ScriptedAgent(database_path.parent / "agent").gate("half")
    reviews = {"one": f"think hm\n{gate}\n{go_on('say two')}", "two": complete()}
    async with installed(database_path, reviews) as installation:
        await installation.start()
        await installation.agents(2)
        await installation.kill()
        await installation.start()
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
        await installation.start(fault)
        await installation.died()
        await installation.start()
        await _assert_done(installation, starts)
