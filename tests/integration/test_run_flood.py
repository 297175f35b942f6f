"""An agent that writes without end costs its own run some lines, and nobody else anything."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from wireroom.app.service import Service
from wireroom.clock import to_ms
from wireroom.intake.ask import Question
from wireroom.runs.event_buffer import MAX_NOTICES
from wireroom.runs.queries import find_run
from wireroom.runs.states import RunState
from wireroom.settings import Settings
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

LINES = 100_000
_TICK_SECONDS = 0.01
_LONGEST_BLOCK_SECONDS = 1.0


async def _longest_block(stop: asyncio.Event) -> float:
    """Return the longest time for which the loop did not come back to us."""
    longest, before = 0.0, time.monotonic()
    while not stop.is_set():
        await asyncio.sleep(_TICK_SECONDS)
        now = time.monotonic()
        longest, before = max(longest, now - before), now
    return longest


@pytest.mark.timeout(120)
async def test_flood_of_lines_neither_fills_the_log_nor_blocks_the_service(
    database_path: Path, tmp_path: Path
) -> None:
    """Of 200,000 meaningless lines the first are kept and the rest counted, while the loop goes on."""
    settings = Settings(data_dir=database_path.parent, port=0, drain_seconds=0)
    (tmp_path / "agent").mkdir()
    agent = ScriptedAgent(tmp_path / "agent")
    stop = asyncio.Event()
    async with Service(settings, backend=ScriptedBackend(agent)) as service:
        services = service.services
        watch = asyncio.create_task(_longest_block(stop))
        question = Question("flood-1", f"flood {LINES};say done", "web:one", "web")
        now_ms = to_ms(services.clock.now())
        run_id = await services.db.write(lambda conn: services.asker.ask(conn, question, now_ms))
        assert run_id is not None

        async def is_over() -> bool:
            run = await services.db.read(lambda conn: find_run(conn, run_id))
            return run is not None and run.state.is_final

        await eventually(is_over, "the run ends", 60)
        stop.set()
        assert await watch < _LONGEST_BLOCK_SECONDS
        run = await services.db.read(lambda conn: find_run(conn, run_id))
        notices = await services.db.read(_notices)
    assert run is not None
    assert (run.state, run.output) == (RunState.SUCCEEDED, "done")
    assert len(notices) == MAX_NOTICES + 1
    assert f"{2 * LINES - MAX_NOTICES:,} lines omitted" in notices[-1]


def _notices(conn: Connection) -> list[str]:
    query = text("SELECT payload FROM run_events WHERE kind = 'notice' ORDER BY seq")
    return list(conn.scalars(query))
