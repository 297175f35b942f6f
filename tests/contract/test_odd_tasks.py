"""Rows as no program of ours would write them: none hides the board or keeps the others from running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection

from contract.job_engines import open_engine
from contract.task_board import Board
from wireroom.tasks.listing import Wanted, list_tasks
from wireroom.tasks.operator import Operator, OperatorPolicy
from wireroom.tasks.wake import QUEUE
from wireroom.tasks.watch import BoardWatch
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def desk(database_path: Path) -> AsyncIterator[Board]:
    """Lend a board on SQLite, which keeps whatever it is given, with its operator on."""
    async with open_engine(f"sqlite:///{database_path}") as engine:
        lent = Board(engine, policy=OperatorPolicy(at_once=9))
        await lent.on()
        yield lent


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        pytest.param("CAST(X'636166E9' AS TEXT)", "caf\ufffd", id="latin-1"),
        pytest.param("X'636166C3A9'", "caf\xe9", id="bytes"),
        pytest.param("'ca' || char(0) || 'f'", "caf", id="nul"),
    ],
)
async def test_prompt_of_any_bytes_is_run_and_listed(desk: Board, stored: str, shown: str) -> None:
    """Latin-1 from a terminal, a BLOB, a NUL: the task begins with what can be read, and so does the next."""
    await desk.sql(f"INSERT INTO tasks (prompt) VALUES ({stored})")
    await desk.add("after it")
    listed = await desk.engine.db.read(lambda conn: list_tasks(conn, Wanted()))
    assert [task.prompt.replace("\0", "") for task in listed] == [shown, "after it"]
    assert (await desk.task(1)).prompt == listed[0].prompt
    assert [claimed.prompt for claimed in await desk.look()] == [shown, "after it"]


@pytest.mark.parametrize("stored", ["CAST(X'E9' AS TEXT)", "X'E9'", "'9999-12-31 23:59:59'", "'0001-01-01'"])
async def test_time_of_any_bytes_holds_nothing_up(desk: Board, stored: str) -> None:
    """Such a row is listed, changed, and taken up when it says to be in progress: nobody knows since when."""
    task_id = await desk.add(status=4)
    await desk.add(order=1, not_before="2030-01-01")
    await desk.sql(f"UPDATE tasks SET createdat = {stored}, updatedat = {stored} WHERE id = 1")
    listed = await desk.engine.db.read(lambda conn: list_tasks(conn, Wanted(sort_by="updatedat")))
    assert {task.id for task in listed} == {task_id, 2}
    assert await desk.engine.db.read(desk.operator.is_needed)
    assert await desk.begun() == [task_id]
    assert (await desk.edit(task_id, order=5)).order == 5


class _FailsOnce(Operator):
    """An operator that meets something that nobody has thought of, once."""

    def __init__(self) -> None:
        self.looks = 0

    def is_needed(self, conn: Connection) -> bool:
        """Fail, then see something to do."""
        del conn
        self.looks += 1
        if self.looks == 1:
            raise RuntimeError("nobody has thought of this")
        return True


async def test_watch_outlives_what_nobody_has_thought_of(desk: Board) -> None:
    """One look that fails is logged; the next one finds what there is to do, and the service goes on."""
    await desk.sql("DELETE FROM jobs")
    watch = BoardWatch(desk.engine.db, desk.engine.jobs, _FailsOnce(), poll_seconds=0.01)
    watching = asyncio.create_task(watch.run())

    async def asked() -> bool:
        return (await desk.engine.counts(QUEUE)).waiting == 1

    try:
        await eventually(asked, "a turn is asked for", 20)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
