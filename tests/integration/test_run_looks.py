"""Looks for runs and through logs, on both databases, and the indexes that serve them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from wireroom.runs.log_search import LogFilter, find_in_log
from wireroom.runs.look import Wanted, backends_in_use, look_for_runs, read_attempts
from wireroom.runs.states import RunState
from wireroom.store.database import Database, driver
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.schema import conversations, run_events, runs
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.postgres_server import PostgresServer


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Lend each of the databases."""
    if request.param == "sqlite":
        lent = SqliteDatabase(request.getfixturevalue("database_path"))
        yield lent
        await lent.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        db = PostgresDatabase(url)
        yield db
        await db.close()


def plant(conn: Connection) -> None:
    """Store three runs, the newest with a log."""
    held = {"channel": "api", "lane": "x", "is_current": 0, "workdir": "/", "created_at": 1, "active_at": 1}
    conn.execute(insert(conversations).values(id="c", **held))
    known = {"conversation_id": "c", "lane": "x", "source": "api", "workdir": "/", "queued_at": 1}
    for number, (prompt, backend, state) in enumerate(
        [("Mend 50% of it", "demo", "failed"), ("MEND", "codex", "succeeded"), ("Other", "demo", "running")]
    ):
        more = {"prompt": prompt, "backend": backend, "state": state, "id": f"r{number}"}
        conn.execute(insert(runs).values(**known, **more, request_id=f"q{number}"))
    log = [("text", '{"text":"Says \\"so\\""}'), ("tool_result", '{"id":"1","ok":false,"summary":"SO"}')]
    conn.execute(
        insert(run_events),
        [
            {"run_id": "r2", "seq": seq, "created_at": 1, "kind": kind, "payload": payload}
            for seq, (kind, payload) in enumerate(log, start=1)
        ],
    )


async def test_both_databases_find_the_same(store: Database) -> None:
    """Order, words, wildcards, states, kinds."""

    def look(conn: Connection) -> None:
        def ids(wanted: Wanted, limit: int = 9, after: tuple[int, str] | None = None) -> list[str]:
            return [line.id for line in look_for_runs(conn, wanted, limit, after).lines]

        assert ids(Wanted()) == ["r2", "r1", "r0"]
        assert ids(Wanted(), after=(1, "r1")) == ["r0"]
        assert ids(Wanted(words="mend")) == ["r1", "r0"]
        assert ids(Wanted(words="0%")) == ["r0"]
        assert ids(Wanted(state=RunState.FAILED, backend="demo", source="api")) == ["r0"]
        assert look_for_runs(conn, Wanted(words="mend"), 1).next_place == (1, "r1")
        assert backends_in_use(conn) == ["codex", "demo"]
        assert read_attempts(conn, "r2") == []
        for wanted, numbers in {
            LogFilter(): [1, 2],
            LogFilter(words='"SO"'): [1],
            LogFilter(words="so"): [1, 2],
            LogFilter(kinds=("error",)): [2],
        }.items():
            assert find_in_log(conn, "r2", wanted, 0, 2).numbers == numbers

    await store.write(plant)
    await store.read(look)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "ix_runs_queued_at"),
        (Wanted(words="x", backend="y"), "ix_runs_queued_at"),
        (Wanted(state=RunState.FAILED, source="web"), "ix_runs_state"),
        (Wanted(ids=("a",)), "sqlite_autoindex_runs_1"),
    ],
    ids=["all", "words", "state", "ids"],
)
async def test_look_walks_an_index(database: SqliteDatabase, wanted: Wanted, index: str) -> None:
    """However many runs there are, their table is not scanned."""

    def plans(conn: Connection) -> list[str]:
        sent: list[tuple[str, Any]] = []

        def note(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
            sent.append((statement, parameters))

        event.listen(conn, "before_cursor_execute", note)
        look_for_runs(conn, wanted, 5, (9, "r"))
        event.remove(conn, "before_cursor_execute", note)
        raw = driver(conn)
        return [
            str(row[3])
            for statement, parameters in sent
            for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        ]

    steps = await database.read(plans)
    of_runs = [step for step in steps if " runs " in step]
    assert of_runs
    assert all(f"USING INDEX {index}" in step or f"USING COVERING INDEX {index}" in step for step in of_runs)
