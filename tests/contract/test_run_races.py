"""Two people at once: requests that meet in the database are one run in one conversation, never an error."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from sqlalchemy import Connection, text

from contract.job_engines import Engine
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.runs.queries import reword_waiting
from wireroom.runs.records import NewRun, begin_attempt, create_run

AT_ONCE = 8
pytestmark = pytest.mark.timeout(60)


def _begin(conn: Connection, number: int) -> str:
    wanted = NewConversation(f"c{number}", "web", "web:one", "/w")
    return begin_conversation(conn, wanted, number).id


async def test_requests_of_one_id_that_meet_are_one_run(engine: Engine) -> None:
    """Exactly one of them creates the run; the others are told that it exists."""
    await engine.db.write(lambda conn: _begin(conn, 0))

    def ask(number: int, conn: Connection) -> bool:
        new = NewRun(f"r{number}", "same", "c0", "web:one", "web", "hello", "demo", "/w")
        return create_run(conn, engine.jobs, new, 1)

    units = [engine.db.write(partial(ask, n)) for n in range(AT_ONCE)]
    created = await asyncio.gather(*units)
    assert created.count(True) == 1


async def test_first_messages_of_a_lane_that_meet_find_one_conversation(engine: Engine) -> None:
    """All of them end with a conversation, and one alone is the lane's current one."""
    units = [engine.db.write(partial(_begin, number=n)) for n in range(AT_ONCE)]
    assert all(await asyncio.gather(*units))
    current = text("SELECT count(*) FROM conversations WHERE is_current = 1")
    assert await engine.db.read(lambda conn: conn.scalar(current)) == 1


async def test_edit_that_meets_the_start_of_its_run_is_run_or_refused(engine: Engine) -> None:
    """The agent gets the new words exactly when the person was told that they count."""
    await engine.db.write(lambda conn: _begin(conn, 0))
    for number in range(AT_ONCE):
        run_id = f"r{number}"
        new = NewRun(run_id, run_id, "c0", "web:one", "web", "old", "demo", "/w")
        await engine.db.write(partial(create_run, jobs=engine.jobs, new=new, now_ms=1))
        reworded, attempt = await asyncio.gather(
            engine.db.write(partial(reword_waiting, run_id=run_id, prompt="new")),
            engine.db.write(partial(begin_attempt, run_id=run_id, worker="w", now_ms=1, lease_ms=1)),
        )
        assert attempt is not None
        assert attempt.prompt == ("new" if reworded else "old")
