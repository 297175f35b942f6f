"""Runs that iterate, without the doors around them: the database, the job engine and the executor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, text

from loop_backend import CONVERSATION, LANE, RUN, LoopBackend, ask_for_run
from wireroom.app.loops import git_evidence
from wireroom.backends.protocol import AnyBackend
from wireroom.clock import Clock, SystemClock, to_ms
from wireroom.conversations.threads import NewConversation, append_message, begin_conversation
from wireroom.delivery.progress import NoProgress, Progress
from wireroom.errors import AgentUnavailable
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.embedded_worker import EmbeddedWorker
from wireroom.jobs.port import Jobs, QueueSpec
from wireroom.runs import records
from wireroom.runs.agent_call import AgentCalls, RunPolicy
from wireroom.runs.cancel import cancel_run
from wireroom.runs.driver import AgentDriver
from wireroom.runs.executor import Executor
from wireroom.runs.feed import Feed
from wireroom.runs.limits import Limits
from wireroom.runs.loop_driver import LoopDriver
from wireroom.runs.loop_policy import LoopPolicy
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.rounds import read_rounds
from wireroom.runs.states import RunMode
from wireroom.settings import Settings
from wireroom.store.database import Database
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.eventually import eventually
from wireroom.workspaces.workspace import Workspaces


@dataclass(frozen=True, slots=True)
class LoopBench:
    """A worker of runs, and what its one run has come to."""

    db: Database
    jobs: Jobs
    clock: Clock
    backend: LoopBackend
    workdir: Path

    async def ask(
        self,
        prompt: str,
        options: RunOptions | None = None,
        *,
        mode: RunMode = RunMode.ITERATE,
        waiting: timedelta = timedelta(),
        after: Sequence[str] = (),
    ) -> None:
        """Store the run, as one that has waited for this long, after these messages, the first a person's."""
        now_ms = to_ms(self.clock.now() - waiting)

        def unit(conn: Connection) -> None:
            if after:
                wanted = NewConversation(CONVERSATION, "web", LANE, str(self.workdir))
                begin_conversation(conn, wanted, now_ms)
            for number, content in enumerate(after):
                role = "assistant" if number % 2 else "user"
                append_message(conn, CONVERSATION, role, content, run_id=None, now_ms=now_ms)
            ask_for_run(conn, self.jobs, prompt, self.workdir, now_ms=now_ms, options=options, mode=mode)

        await self.db.write(unit)

    async def ended(self) -> RunView:
        """Return the run once it is over."""

        async def is_over() -> bool:
            return (await self.run()).state.is_final

        await eventually(is_over, "the run ends", 60)
        return await self.run()

    async def run(self) -> RunView:
        """Return the run."""
        run = await self.db.read(lambda conn: find_run(conn, RUN))
        assert run is not None
        return run

    async def stop(self) -> None:
        """Ask the run to stop, as `/stop` does."""
        now_ms = to_ms(self.clock.now())
        await self.db.write(lambda conn: cancel_run(conn, self.jobs, RUN, now_ms))

    async def rounds(self) -> list[tuple[str, str]]:
        """Return kind and state of each round."""
        found = await self.db.read(lambda conn: read_rounds(conn, RUN))
        return [(one.kind.value, one.state.value) for one in found]

    async def messages(self) -> list[tuple[str, str]]:
        """Return role and text of the conversation's messages."""
        query = text("SELECT role, content FROM messages WHERE conversation_id = :id ORDER BY seq")

        def unit(conn: Connection) -> list[tuple[str, str]]:
            return [(row[0], row[1]) for row in conn.execute(query, {"id": CONVERSATION})]

        return await self.db.read(unit)


@asynccontextmanager
async def loop_bench(
    database_path: Path,
    backend: LoopBackend,
    *,
    policy: RunPolicy | None = None,
    loops: LoopPolicy | None = None,
    progress: Progress | None = None,
    drivers: type[AgentDriver] = AgentDriver,
) -> AsyncIterator[LoopBench]:
    """Run the jobs of runs on the database until the block is left; then agents are stopped at once.

    Args:
        database_path: A migrated file; the runs work in the folder beside it.
        backend: Worker and reviewer.
        policy: Limits and interruptions.
        loops: What loops are told.
        progress: Where progress is shown.
        drivers: Asks the agents.
    """
    clock, feed, policy = SystemClock(), Feed(), policy or RunPolicy(Limits())
    db = SqliteDatabase(database_path)
    worker = EmbeddedWorker(db, [QueueSpec(records.QUEUE, 2)], clock)
    jobs = EmbeddedJobs(clock, worker)
    folder = database_path.parent
    workspaces = Workspaces(Settings(data_dir=folder), os.environ, clock)
    calls = AgentCalls(db=db, clock=clock, feed=feed, policy=policy, spill_dir=folder)
    agents = drivers(db=db, clock=clock, backend=_only(backend), policy=policy, calls=calls)
    driver = LoopDriver(
        agents, db=db, clock=clock, feed=feed, policy=loops or LoopPolicy(), look=git_evidence(workspaces)
    )
    executor = Executor(
        db=db,
        jobs=jobs,
        clock=clock,
        feed=feed,
        progress=progress or NoProgress(),
        policy=policy,
        driver=driver,
        worker="bench",
    )
    await executor.adopt_orphans()
    working = asyncio.create_task(worker.run({records.KIND: executor.handle}), name="jobs")
    try:
        yield LoopBench(db, jobs, clock, backend, folder / "work")
    finally:
        await worker.drain(timedelta())
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await db.close()


def _only(backend: LoopBackend) -> Callable[[str], AnyBackend]:
    def find(name: str) -> AnyBackend:
        if name != backend.name:
            raise AgentUnavailable(f"There is no back end {name!r}.")
        return backend

    return find
