"""The log and the lease of an agent's call are kept up even when one write of theirs fails in an odd way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from loop_backend import LANE, RUN, LoopBackend, ask_for_run
from wireroom.backends.protocol import AgentRequest
from wireroom.clock import SystemClock
from wireroom.delivery.progress import NoProgress
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.runs import records
from wireroom.runs.agent_call import AgentCalls, AttemptEnding, RunPolicy
from wireroom.runs.attempt import Attempt
from wireroom.runs.events import read_events
from wireroom.runs.feed import Feed
from wireroom.runs.limits import Limits
from wireroom.runs.states import RunMode, RunState
from wireroom.store.database import Unit
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)
T = TypeVar("T")


class _OddDatabase(SqliteDatabase):
    """Breaks at the first writes of one function, by its qualified name, in a way that nobody expects."""

    def __init__(self, path: Path, function: str, times: int) -> None:
        super().__init__(path)
        self._function = function
        self.times = times

    async def write(self, unit: Unit[T]) -> T:
        """Write, or break."""
        if self.times and unit.__qualname__.startswith(self._function):
            self.times -= 1
            raise ZeroDivisionError
        return await super().write(unit)


async def _call(db: SqliteDatabase, agent: ScriptedAgent, workdir: Path, prompt: str) -> AttemptEnding:
    clock, jobs = SystemClock(), EmbeddedJobs(SystemClock())

    def begun(conn: Connection) -> Attempt | None:
        ask_for_run(conn, jobs, prompt, workdir, now_ms=1, mode=RunMode.EXECUTE)
        return records.begin_attempt(conn, RUN, worker="w", now_ms=1, lease_ms=1)

    attempt = await db.write(begun)
    assert attempt is not None
    calls = AgentCalls(
        db=db,
        clock=clock,
        feed=Feed(),
        policy=RunPolicy(Limits()),
        spill_dir=workdir,
        lease=timedelta(seconds=0.03),
    )
    request = AgentRequest(prompt, workdir)
    return await calls.call(attempt, LoopBackend(agent, {}), request, LANE, NoProgress().open(RUN))


async def test_lease_is_renewed_after_a_renewal_that_broke(database_path: Path) -> None:
    """An odd error is logged, and the next renewal is made."""
    agent = ScriptedAgent(database_path.parent / "agent")
    db = _OddDatabase(database_path, "AgentCalls._keep_lease", 2)
    calling = asyncio.create_task(_call(db, agent, database_path.parent, agent.gate("end")))

    async def is_renewed() -> bool:
        sql = "SELECT lease_until > 2 FROM run_attempts"
        return bool(await db.read(lambda conn: conn.exec_driver_sql(sql).scalar()))

    await eventually(is_renewed, "the lease is renewed", 10)
    agent.open_gate("end")
    ending = await calling
    await db.close()
    assert (ending.verdict.state, db.times) == (RunState.SUCCEEDED, 0)


async def test_log_goes_on_after_a_write_that_broke(database_path: Path) -> None:
    """What could not be written is told as left out, and what comes after it is there."""
    agent = ScriptedAgent(database_path.parent / "agent")
    db = _OddDatabase(database_path, "EventLog._write_batch", 1)
    prompt = f"say one\n{agent.gate('second')}\nsay two"
    calling = asyncio.create_task(_call(db, agent, database_path.parent, prompt))
    await eventually(lambda: not db.times, "a write breaks", 10)
    agent.open_gate("second")
    ending = await calling
    events = await db.read(lambda conn: read_events(conn, RUN))
    await db.close()
    assert ending.verdict.output == "onetwo"
    assert [one.payload["text"] for one in events if one.kind == "text"] == ["two"]
    assert any("omitted" in one.payload["text"] for one in events if one.kind == "notice")


async def test_log_whose_last_write_broke_says_so(database_path: Path) -> None:
    """The notice of what is left out is written after it."""
    agent = ScriptedAgent(database_path.parent / "agent")
    db = _OddDatabase(database_path, "EventLog._write_batch", 1)
    await _call(db, agent, database_path.parent, "say one")
    events = await db.read(lambda conn: read_events(conn, RUN))
    await db.close()
    assert any("omitted" in one.payload["text"] for one in events if one.kind == "notice")
