"""Migrations: exactly `store.schema`, what other programs wrote is kept, and no race or kill does harm."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pysqlite3
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from wireroom.errors import StoreUnavailable
from wireroom.store import schema
from wireroom.store.migrate import HEAD, current_version, ensure_schema
from wireroom.store.migrations import versions
from wireroom.store.sqlite import engine_for
from wireroom.testing.postgres_server import PostgresServer

_SETTINGS_BY_NAME = """
CREATE TABLE system_settings (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL DEFAULT 0,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP, updated_at TEXT DEFAULT CURRENT_TIMESTAMP)
"""
_SETTINGS_WITH_ID = """
CREATE TABLE system_settings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, value INTEGER NOT NULL DEFAULT 0,
    created_at TEXT, updated_at TEXT)
"""
_TASKS = """
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, prompt TEXT NOT NULL, status INTEGER NOT NULL DEFAULT 0,
    createdat TEXT, updatedat TEXT, "order" INTEGER DEFAULT 0, uuid TEXT)
"""


def _declare(engine: Engine) -> None:
    """Create both parts of the schema as they are declared."""
    for part in (schema.metadata, schema.legacy):
        part.create_all(engine)


def _is_ours(_: object, name: str | None, kind: str, *__: object) -> bool:
    """Leave out the tables that other programs define, Procrastinate's and Alembic's."""
    foreign = ("procrastinate", "wireroom_version", *schema.legacy.tables)
    return not (kind == "table" and name is not None and name.startswith(foreign))


def _differences(conn: Connection) -> list[Any]:
    context = MigrationContext.configure(conn, opts={"include_object": _is_ours, "compare_type": True})
    found: list[Any] = compare_metadata(context, schema.metadata)
    return found


def _legacy_columns(conn: Connection) -> dict[str, list[str]]:
    """Return the column names of the tables that other programs define."""
    return {
        name: [column["name"] for column in inspect(conn).get_columns(name)] for name in schema.legacy.tables
    }


def _plain(statement: str) -> str:
    """Return a definition without what two renderers write differently: quotes, brackets, case, spaces."""
    return re.sub(r'["()\s]|if not exists|public\.|using btree', "", statement.lower())


def _sqlite_indexes(conn: Connection) -> dict[str, str]:
    found = conn.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))
    return {name: _plain(statement) for name, statement in found}


def _postgres_indexes(conn: Connection) -> dict[str, str]:
    found = conn.execute(
        text(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
            " AND tablename NOT LIKE 'procrastinate%' AND tablename <> 'wireroom_version'"
        )
    )
    return {name: _plain(definition) for name, definition in found}


def test_fresh_sqlite_file_is_exactly_the_schema(database_path: Path, tmp_path: Path) -> None:
    """A migrated SQLite file has the tables, columns, types and (partial) indexes of `schema.py`, no more."""
    declared = engine_for(tmp_path / "declared.sqlite3")
    _declare(declared)
    with engine_for(database_path).connect() as migrated, declared.connect() as wanted:
        assert _differences(migrated) == []
        assert _sqlite_indexes(migrated) == _sqlite_indexes(wanted)
        assert _legacy_columns(migrated) == _legacy_columns(wanted)


@pytest.mark.postgres
def test_fresh_postgres_database_is_exactly_the_schema(postgres: PostgresServer) -> None:
    """A migrated PostgreSQL database has the tables, comments and (partial) indexes of `schema.py`."""
    with postgres.database() as migrated_url, postgres.database(migrated=False) as declared_url:
        declared = _postgres_engine(declared_url)
        _declare(declared)
        with _postgres_engine(migrated_url).connect() as migrated, declared.connect() as wanted:
            assert _differences(migrated) == []
            assert _postgres_indexes(migrated) == _postgres_indexes(wanted)
            assert _legacy_columns(migrated) == _legacy_columns(wanted)


def _postgres_engine(url: str) -> Any:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)


def test_head_is_the_newest_migration() -> None:
    """The version that the code expects is the last of one unbroken line of revisions."""
    revisions = {}
    for module in iter_modules(versions.__path__):
        migration = import_module(f"{versions.__name__}.{module.name}")
        revisions[migration.revision] = migration.down_revision
    assert set(revisions) - set(revisions.values()) == {HEAD}


def test_migrating_again_changes_nothing(database_path: Path) -> None:
    """`ensure_schema` on a file of this release leaves every byte of the schema as it was."""
    url = f"sqlite:///{database_path}"
    with engine_for(database_path).connect() as conn:
        before = _sqlite_indexes(conn)
    ensure_schema(url)
    assert current_version(url) == HEAD
    with engine_for(database_path).connect() as conn:
        assert _sqlite_indexes(conn) == before


@pytest.fixture(params=[_SETTINGS_BY_NAME, _SETTINGS_WITH_ID], ids=["settings by name", "settings with id"])
def shared_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return an older services' shared file with rows in it, in both shapes of `system_settings`."""
    path = tmp_path / "shared.sqlite3"
    raw = pysqlite3.connect(str(path))
    raw.execute(request.param)
    raw.execute(_TASKS)
    raw.execute("CREATE INDEX idx_tasks_status ON tasks (status)")
    raw.execute("INSERT INTO system_settings (name, value, created_at) VALUES ('debug', 1, '2025-01-01')")
    raw.executemany(
        'INSERT INTO tasks (prompt, status, "order", uuid, updatedat) VALUES (?, ?, ?, ?, ?)',
        [
            (f"task {status}", status, 10 - status, f"u{status}", "2025-11-11T10:00:00Z")
            for status in range(5)
        ],
    )
    raw.commit()
    raw.close()
    return path


def _rows(path: Path, table: str) -> list[Any]:
    raw = pysqlite3.connect(str(path))
    try:
        return list(raw.execute(f"SELECT * FROM {table} ORDER BY 1"))
    finally:
        raw.close()


def test_shared_file_of_the_older_services_keeps_every_row(shared_file: Path) -> None:
    """An existing shared file is opened in either shape, its rows untouched: no task is set back to ready."""
    before = {table: _rows(shared_file, table) for table in ("tasks", "system_settings")}
    ensure_schema(f"sqlite:///{shared_file}")
    assert {table: _rows(shared_file, table) for table in before} == before
    assert [row[2] for row in _rows(shared_file, "tasks")] == [0, 1, 2, 3, 4]
    assert _rows(shared_file, "runs") == []


def test_doubled_task_uuids_of_another_program_do_not_stop_the_migration(shared_file: Path) -> None:
    """A file in which two tasks carry one uuid is opened all the same, both tasks kept."""
    raw = pysqlite3.connect(str(shared_file))
    raw.execute("UPDATE tasks SET uuid = 'same'")
    raw.commit()
    raw.close()
    ensure_schema(f"sqlite:///{shared_file}")
    assert len(_rows(shared_file, "tasks")) == 5


def test_two_processes_migrating_at_once_both_succeed(tmp_path: Path) -> None:
    """Processes that start together migrate one after the other; the second finds nothing to do."""
    url = f"sqlite:///{tmp_path / 'fresh.sqlite3'}"
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: _migrate_in_a_process(url).wait(60), range(4)))
    assert done == [0, 0, 0, 0]
    assert current_version(url) == HEAD


@pytest.mark.postgres
def test_two_processes_migrating_postgres_at_once_both_succeed(postgres: PostgresServer) -> None:
    """On PostgreSQL the advisory lock does the same."""
    with postgres.database(migrated=False) as url:
        with ThreadPoolExecutor(3) as pool:
            done = list(pool.map(lambda _: _migrate_in_a_process(url).wait(60), range(3)))
        assert done == [0, 0, 0]
        assert current_version(url) == HEAD


def _migrate_in_a_process(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "wireroom.store.migrate", url])


def test_address_of_the_database_is_not_an_argument_of_the_migration(tmp_path: Path) -> None:
    """Whoever lists the processes during the migration does not see the URL, which may hold a password."""
    url = f"sqlite:///{tmp_path / 'fresh.sqlite3'}"
    seen: set[bytes] = set()
    with ThreadPoolExecutor(1) as pool:
        migration = pool.submit(ensure_schema, url)
        while not migration.done():
            seen |= _command_lines()
            time.sleep(0.02)
        migration.result()
    migrations = {line for line in seen if b"wireroom.store.migrate" in line}
    assert migrations
    assert not [line for line in migrations if b"fresh.sqlite3" in line]


def _command_lines() -> set[bytes]:
    """Return the command lines of our own children."""
    found = set()
    for child in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        with suppress(OSError):
            for pid in child.read_text().split():
                found.add(Path(f"/proc/{pid}/cmdline").read_bytes())
    return found


def test_kill_during_a_migration_leaves_the_file_migratable(shared_file: Path) -> None:
    """Killed at any moment, a migration is all there or not at all, and the next start completes it."""
    url = f"sqlite:///{shared_file}"
    before = _rows(shared_file, "tasks")
    for delay in (0.3, 0.5, 0.6, 0.65, 0.7, 0.75):
        process = _migrate_in_a_process(url)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        tables = {
            row[0] for row in _rows(shared_file, "sqlite_master WHERE type = 'table' AND name = 'runs'")
        }
        assert bool(tables) == (current_version(url) == HEAD)
    ensure_schema(url)
    assert current_version(url) == HEAD
    assert _rows(shared_file, "tasks") == before


def test_failed_migration_names_its_reason(tmp_path: Path) -> None:
    """A file that cannot be migrated gives one clear error and no half-made schema."""
    path = tmp_path / "odd.sqlite3"
    raw = pysqlite3.connect(str(path))
    raw.execute("CREATE TABLE runs (mine TEXT)")
    raw.close()
    with pytest.raises(StoreUnavailable, match="runs"):
        ensure_schema(f"sqlite:///{path}")
    assert _rows(path, "sqlite_master WHERE name = 'conversations'") == []
