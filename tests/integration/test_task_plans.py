"""The board with 100,000 tasks: the next one is found by an index, in less than a millisecond."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from wireroom.store.database import Database
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.sqlite import SqliteDatabase
from wireroom.tasks.choice import AtWork, Bounds, choose
from wireroom.tasks.rows import CANDIDATES, PIECE, at_work, candidates
from wireroom.tasks.settle import ENDED
from wireroom.testing.postgres_server import PostgresServer

pytestmark = pytest.mark.timeout(60)
_FILL = """
    INSERT INTO tasks (prompt, status, "order")
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    SELECT 'task', (i % 2) * 3, 0 FROM n
"""
_TRIES = 40


@pytest.fixture(params=["embedded", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def full_board(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Lend each kind of database with 100,000 tasks of one order, half of them ready."""
    if request.param == "embedded":
        path: Path = request.getfixturevalue("database_path")
        lent: Database = SqliteDatabase(path)
        await lent.write(lambda conn: conn.execute(text(_FILL)))
        yield lent
        await lent.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        lent = PostgresDatabase(url)
        await lent.write(lambda conn: conn.execute(text(_FILL)))
        await lent.write(lambda conn: conn.execute(text("ANALYZE tasks")))
        yield lent
        await lent.close()


async def test_next_task_is_found_in_less_than_a_millisecond(full_board: Database) -> None:
    """The quickest of some tries, since others work on this machine, too."""

    def unit(conn: Connection) -> float:
        began = time.perf_counter()
        choice = choose(candidates(conn), Bounds(1, 1), at_work(conn), 1)
        took = time.perf_counter() - began
        assert [task.id for task in choice.tasks] == [2]
        return took

    # Two of PostgreSQL's are usual; what is to be seen here is a plan that sorts, and takes thirty.
    limit = 0.001 if full_board.dialect == "sqlite" else 0.012
    assert min([await full_board.read(unit) for _ in range(_TRIES)]) < limit


async def test_board_is_walked_by_its_index(full_board: Database) -> None:
    """The plan names the index, and sorts nothing."""

    def unit(conn: Connection) -> str:
        if conn.dialect.name == "sqlite":
            return CANDIDATES.plan(conn, status=0, most=PIECE, skipped=0)
        sql = CANDIDATES._sql.replace(":status", "0").replace(":most", "64").replace(":skipped", "0")
        return "\n".join(row[0] for row in conn.execute(text(f"EXPLAIN {sql}")))

    plan = await full_board.read(unit)
    index = "idx_tasks_status_order" if full_board.dialect == "sqlite" else "ix_tasks_turn"
    assert index in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


async def test_ended_runs_are_found_by_an_index(database: SqliteDatabase) -> None:
    """What is at work is a partial index: the details of other tasks are not read."""
    plan = await database.read(ENDED.plan)
    assert "ix_task_details_at_work" in plan
    assert "SCAN t" not in plan
    assert "SCAN r" not in plan


async def test_many_that_wait_do_not_hide_the_one_that_may_begin(database: SqliteDatabase) -> None:
    """A thousand that wait for their time stand before it: it is found all the same, and quickly."""

    def fill(conn: Connection) -> None:
        conn.execute(text(_FILL.replace("100000", "2002")))
        conn.execute(
            text(
                "INSERT INTO task_details (task_id, not_before, updated_at)"
                " SELECT id, 99, 1 FROM tasks WHERE status = 0 AND id < 2002"
            )
        )

    await database.write(fill)
    choice = await database.read(lambda conn: choose(candidates(conn), Bounds(1, 1), AtWork(0), 1))
    assert ([task.id for task in choice.tasks], choice.look_again_at) == ([2002], 99)
