"""Which private folders are a crash's and which a living attempt's, on each database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from contract.job_engines import Engine
from wireroom.app.chores import sweep_private_folders
from wireroom.clock import to_ms
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.runs.records import NewRun, begin_attempt, create_run
from wireroom.testing.clock import ManualClock
from wireroom.testing.eventually import eventually

LEASE_MS = 30_000
pytestmark = pytest.mark.timeout(60)


async def test_sweep_leaves_the_folders_of_living_attempts(engine: Engine, tmp_path: Path) -> None:
    """Another process's attempt keeps its folder; an older attempt's, a stranger's and a dead one's go."""
    clock = ManualClock()
    folder = tmp_path / "private"
    for name in ("run.1", "run.2", "dead.1", "stranger.1", "stranger"):
        (folder / name).mkdir(parents=True)

    def unit(conn: Connection) -> None:
        now_ms = to_ms(clock.now())
        begin_conversation(conn, NewConversation("c", "api", "api:c", "/w"), now_ms)
        long_ago = now_ms - 2 * timedelta(hours=1) // timedelta(milliseconds=1)
        for name, at in (("run", now_ms), ("run", now_ms), ("dead", long_ago)):
            create_run(conn, engine.jobs, NewRun(name, name, "c", "api:c", "api", "x", "demo", "/w"), at)
            begin_attempt(conn, name, worker="w", now_ms=at, lease_ms=LEASE_MS)

    await engine.db.write(unit)
    sweep = asyncio.create_task(sweep_private_folders(engine.db, clock, tmp_path), name="sweep")
    try:
        await eventually(
            lambda: [path.name for path in folder.iterdir()] == ["run.2"], "only the living stays"
        )
    finally:
        sweep.cancel()
        await asyncio.gather(sweep, return_exceptions=True)
