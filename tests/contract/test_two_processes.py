"""Two processes on one PostgreSQL: what one does, the other's callers are told soon."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from runner_callers import calling, runner_service
from wireroom.clock import SystemClock, to_ms
from wireroom.jobs.procrastinate import ProcrastinateJobs
from wireroom.runs.endings import end_without_agent
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.schema import runs
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer
from wireroom.testing.scripted_agent import ScriptedAgent


@pytest.mark.postgres
async def test_caller_is_answered_soon_after_another_process_has_ended_its_run(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """No news of the end comes here; the answer is at most some looks late, not seconds."""
    agent = ScriptedAgent(tmp_path)
    with postgres.database() as url:
        async with runner_service(tmp_path, agent, database_url=url) as service, calling(service) as caller:
            elsewhere = PostgresDatabase(url)
            waits = asyncio.create_task(caller.post("/cursor/execute", {"id": "one", "prompt": "hang"}))
            await eventually(lambda: bool(agent.ledger.starts()), "the agent works", timeout_seconds=20)

            def end(conn: Connection) -> None:
                run_id = conn.execute(select(runs.c.id).where(runs.c.request_id == "one")).scalar_one()
                verdict = Verdict(RunState.FAILED, "", "ended elsewhere", None, "failed")
                now_ms = to_ms(SystemClock().now())
                end_without_agent(conn, ProcrastinateJobs(SystemClock()), run_id, verdict, now_ms)

            await elsewhere.write(end)
            ended = time.monotonic()
            answer = await waits
            await elsewhere.close()
        assert time.monotonic() - ended < 2.5
        assert answer.body["error"] == "ended elsewhere"
