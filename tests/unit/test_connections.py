"""Connections are made in a few named places, which keep them; nothing else opens one for an operation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import wireroom

ROOT = Path(wireroom.__file__).parent
OPENS = frozenset(
    {"connect", "create_engine", "create_async_engine", "engine_for", "AsyncConnectionPool", "ConnectionPool",
     "PsycopgConnector", "PostgresDatabase", "SqliteDatabase"}
)  # fmt: skip
MAY_OPEN = {
    "store/sqlite.py": "the readers' and the writer's, kept for life",
    "store/sqlite_writer.py": "the writer's, kept for life",
    "store/postgres.py": "the pool",
    "store/migrate.py": "one to migrate by, before anything works",
    "app/engine.py": "opens the database, once",
    "jobs/procrastinate_worker.py": "the pool of the job engine",
    "cache/disk.py": "a file of its own, one connection for life",
    "doctor/bots.py": "one to look, when a person asks",
    "store/moving/postgres_side.py": "one side of a move, for as long as it takes",
    "store/moving/sqlite_side.py": "one side of a move, for as long as it takes; a backup's file",
    "store/own_connection.py": "one that leads or listens, kept for life",
    "testing/postgres_server.py": "makes a database for a test",
}
"""Where connections are opened, and why that is not for each operation."""
DRIVERS = frozenset(
    {"pysqlite3", "sqlite3", "psycopg", "psycopg_pool", "sqlalchemy", "procrastinate", "wireroom.store"}
)


def _opened() -> Iterator[tuple[str, int]]:
    """Yield file and line of each call that opens a connection to a database, or a pool."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text()
        if name.startswith("store/migrations/") or not any(call in text for call in OPENS):
            continue
        tree = ast.parse(text)
        if not _knows_a_driver(tree):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) in OPENS:
                yield name, node.lineno


def _knows_a_driver(tree: ast.Module) -> bool:
    named = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    named += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(name == driver or name.startswith(f"{driver}.") for name in named for driver in DRIVERS)


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(name):
            return name
        case ast.Attribute(attr=name):
            return name
    return ""


def test_connections_are_opened_only_where_they_are_kept() -> None:
    """No room opens a connection of its own: every unit gets one that is lent."""
    strays = [f"{name}:{line}" for name, line in _opened() if name not in MAY_OPEN]

    assert strays == []


def test_places_that_open_connections_still_do() -> None:
    """The list of exceptions has no entry that nothing needs."""
    assert {name for name, _ in _opened()} >= set(MAY_OPEN) - {"cache/disk.py"}
