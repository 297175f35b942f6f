"""A worker that wakes up between its claim of a run and the attempt, when another has the job already."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from wireroom.clock import SystemClock
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.delivery.progress import NoProgress, ProgressLine
from wireroom.jobs.port import Done, Job
from wireroom.jobs.procrastinate import ProcrastinateJobs
from wireroom.runs import records
from wireroom.runs.agent_call import RunPolicy
from wireroom.runs.attempt import Attempt
from wireroom.runs.executor import Executor
from wireroom.runs.feed import Feed
from wireroom.runs.limits import Limits
from wireroom.runs.options import RunReport
from wireroom.runs.states import RunState
from wireroom.runs.verdict import RunEnding, Verdict
from wireroom.store.postgres import PostgresDatabase
from wireroom.testing.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(60)]
RUN, LANE = f"run-{uuid.uuid4().hex}", "web:one"
_CLAIM = text("UPDATE procrastinate_jobs SET status = 'doing' RETURNING id, attempts")
_TAKE_OVER = text("UPDATE procrastinate_jobs SET attempts = attempts + 1")
_ENDS = text("SELECT epoch, state FROM run_attempts")


@dataclass
class _Worked:
    """A driver whose agents succeed; `epochs` are those of the attempts that worked."""

    epochs: list[int] = field(default_factory=list)

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> RunEnding:
        """Work."""
        del lane, line
        self.epochs.append(attempt.epoch)
        return RunEnding(Verdict(RunState.SUCCEEDED, "done", None, 0), RunReport())


@pytest.fixture
async def db(postgres: PostgresServer) -> AsyncIterator[PostgresDatabase]:
    """Lend an open, empty database."""
    with postgres.database() as url:
        lent = PostgresDatabase(url)
        yield lent
        await lent.close()


async def test_attempt_of_a_claim_that_was_taken_over_never_begins(
    db: PostgresDatabase, tmp_path: Path
) -> None:
    """Only the newest claim begins an attempt, so the run is never left to one that could not end it."""
    driver, jobs = _Worked(), ProcrastinateJobs(SystemClock())
    executor = Executor(
        db=db,
        jobs=jobs,
        clock=SystemClock(),
        feed=Feed(),
        progress=NoProgress(),
        policy=RunPolicy(Limits()),
        driver=driver,
        worker="w",
    )

    def ask(conn: Connection) -> Job:
        begin_conversation(conn, NewConversation("conversation-1", "web", LANE, str(tmp_path)), 1)
        new = records.NewRun(
            RUN, "request-1", "conversation-1", LANE, "web", "hello", "scripted", str(tmp_path)
        )
        records.create_run(conn, jobs, new, 1)
        job_id, attempts = conn.execute(_CLAIM).one()
        return Job(job_id, records.QUEUE, records.KIND, RUN, LANE, 1, attempts + 1)

    older = await db.write(ask)
    await db.write(lambda conn: conn.execute(_TAKE_OVER))

    assert await executor.handle(older) == Done()
    assert driver.epochs == []
    assert await executor.handle(replace(older, epoch=older.epoch + 1)) == Done()
    assert await db.read(lambda conn: list(conn.execute(_ENDS))) == [(1, "succeeded")]
