"""Every query that SQLAlchemy puts together is hot and finds its rows by an index, or rare and says why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event

import wireroom
from hot_queries import HOT, RARE, Unit, plan_on_sqlite, sent_by
from wireroom.perf.sql_shapes import scanned_tables
from wireroom.store.sqlite import engine_for
from wireroom.testing.postgres_server import PostgresServer

ROOT = Path(wireroom.__file__).parent
ROOMS_BELOW = ("store/", "jobs/", "testing/", "cache/", "load/", "bench/")
"""What has tests of its own for its plans, or no table of ours."""
FEW_ROWS = frozenset({"system_settings", "task_limits", "queues"})
"""Tables that people fill by hand."""
BY_KEY = re.compile(r"ORDER BY \w+\.id DESC\s+LIMIT", re.IGNORECASE)
"""SQLite calls it a scan, too, when it walks rows in their own order and stops at the limit."""
LIST = re.compile(r"\.(?:list_|page_of_|recent_|watched_|read_)")
SENDS = frozenset({"execute", "scalar", "scalars", "exec_driver_sql"})


@pytest.fixture(scope="module")
def sqlite(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Lend an empty SQLite file: without statistics, its plans do not depend on rows."""
    path = tmp_path_factory.mktemp("hot") / "empty.sqlite3"
    path.write_bytes(migrated_file.read_bytes())
    engine = engine_for(path, synchronous="OFF")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def postgresql(postgres: PostgresServer) -> Iterator[Engine]:
    """Lend a PostgreSQL database on which a scan is the last resort, for want of an index alone."""
    with postgres.database() as url:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
        with engine.begin() as conn:
            conn.exec_driver_sql(f"ALTER DATABASE {engine.url.database} SET enable_seqscan = off")
        engine.dispose()
        yield engine
        engine.dispose()


@pytest.mark.parametrize("name", HOT)
def test_hot_query_uses_an_index_on_sqlite(sqlite: Engine, name: str) -> None:
    """No table is walked but in the order of its key up to a limit, and no list is sorted as a whole."""
    with sqlite.connect() as conn:
        sent = sent_by(conn, HOT[name])
        plans = [plan_on_sqlite(conn, sql) for sql in sent if BY_KEY.search(sql) is None]

    assert sent
    assert [plan for plan in plans if set(scanned_tables(plan)) - FEW_ROWS] == []
    if LIST.search(name):
        assert [plan for plan in plans if "TEMP B-TREE FOR ORDER BY" in plan] == []


@pytest.mark.postgres
@pytest.mark.parametrize("name", HOT)
def test_hot_query_can_use_an_index_on_postgresql(postgresql: Engine, name: str) -> None:
    """No table needs to be walked."""
    with postgresql.connect() as conn:
        plans = _postgres_plans(conn, HOT[name])

    assert plans
    assert [plan for plan in plans if set(scanned_tables(plan)) - FEW_ROWS] == []


def _postgres_plans(conn: Connection, unit: Unit) -> list[str]:
    sent: list[tuple[str, Any]] = []

    def note(_conn: object, _cursor: object, sql: str, values: object, *_: object) -> None:
        sent.append((sql, values))

    event.listen(conn, "before_cursor_execute", note)
    try:
        unit(conn)
    finally:
        event.remove(conn, "before_cursor_execute", note)
    return ["\n".join(conn.exec_driver_sql(f"EXPLAIN {sql}", values).scalars()) for sql, values in sent]


def test_every_query_is_named() -> None:
    """A query that is neither among the hot ones nor among the rare ones has not been thought about."""
    known = {name.partition(",")[0] for name in HOT} | set(RARE)

    assert sorted(set(_senders()) - known) == []


def test_no_name_is_of_the_past() -> None:
    """What is listed as rare exists."""
    assert sorted(set(RARE) - set(_senders())) == []


def _senders() -> Iterator[str]:
    """Yield `module.function` of each function of the rooms that sends SQL by SQLAlchemy."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(ROOMS_BELOW) or "conn." not in (text := path.read_text()):
            continue
        module = name.removesuffix(".py").replace("/", ".")
        yield from (f"{module}.{function}" for function in _functions_that_send(ast.parse(text), ""))


def _functions_that_send(node: ast.AST, within: str) -> Sequence[str]:
    """Return the innermost functions around each call of `conn.execute` and the like."""
    found: list[str] = []
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found += _functions_that_send(child, name)
                continue
            case ast.Call(func=ast.Attribute(value=ast.Name("conn"), attr=method)) if method in SENDS:
                found.append(within)
        found += _functions_that_send(child, within)
    return found
