"""System settings: rows that other programs share, in both known shapes and on both databases."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pysqlite3
import pytest
from sqlalchemy import select

from wireroom.errors import BadInput, NotFound
from wireroom.store.database import Database
from wireroom.store.migrate import ensure_schema
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.schema import audit
from wireroom.store.sqlite import SqliteDatabase
from wireroom.system_settings import (
    KNOWN,
    SettingView,
    SystemSettings,
    get_setting,
    is_on,
    list_settings,
    read_value,
    set_setting,
)
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer

_BY_NAME = """
CREATE TABLE system_settings (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL DEFAULT 0,
    created_at TEXT DEFAULT CURRENT_TIMESTAMP, updated_at TEXT DEFAULT CURRENT_TIMESTAMP)
"""
_WITH_ID = """
CREATE TABLE system_settings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, value INTEGER NOT NULL DEFAULT 0,
    created_at TEXT, updated_at TEXT)
"""
_NOW_MS = 1_795_000_000_000
_NOW = "2026-11-18 11:06:40"


@functools.cache
def _begun_by_another(shape: str) -> bytes:
    """Return a file that another program began, brought to this release."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shared.sqlite3"
        _begin(path, shape)
        ensure_schema(f"sqlite:///{path}")
        return path.read_bytes()


def _begin(path: Path, shape: str) -> None:
    raw = pysqlite3.connect(path)
    raw.execute(shape)
    raw.execute("INSERT INTO system_settings (name, value, updated_at) VALUES ('theirs', 7, 'yesterday')")
    raw.commit()
    raw.close()


@pytest.fixture(params=[_BY_NAME, _WITH_ID], ids=["by name", "with id"])
def shared_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a file that another program began, in one of the two shapes, brought to this release."""
    path = tmp_path / "shared.sqlite3"
    path.write_bytes(_begun_by_another(request.param))
    return path


@pytest.fixture
async def shared(shared_file: Path) -> AsyncIterator[SqliteDatabase]:
    """Lend that file as a database."""
    db = SqliteDatabase(shared_file)
    yield db
    await db.close()


@pytest.fixture
async def scaled(postgres: PostgresServer) -> AsyncIterator[Database]:
    """Lend a PostgreSQL database."""
    with postgres.database() as url:
        db = PostgresDatabase(url)
        yield db
        await db.close()


def _write(path: Path, statement: str) -> None:
    """Write as another program does."""
    raw = pysqlite3.connect(path)
    raw.execute(statement)
    raw.commit()
    raw.close()


async def _set(db: Database, name: str, value: int) -> SettingView:
    return await db.write(partial(set_setting, name=name, value=value, who="test", now_ms=_NOW_MS))


async def _audited(db: Database) -> list[tuple[str, str, str | None]]:
    query = select(audit.c.who, audit.c.subject, audit.c.detail).order_by(audit.c.id)
    return await db.read(lambda conn: [tuple(row) for row in conn.execute(query)])


async def test_setting_is_written_and_read_in_both_shapes(shared: SqliteDatabase) -> None:
    """A switch is set, set back, and has the times that other programs read."""
    on = await _set(shared, "task_operator", 1)
    off = await _set(shared, "task_operator", 0)

    assert (on.value, off.value) == (1, 0)
    assert on.updated_at == _NOW
    rows = await shared.read(
        lambda conn: conn.exec_driver_sql(
            "SELECT value, created_at, updated_at FROM system_settings WHERE name = 'task_operator'"
        ).all()
    )
    assert [tuple(row) for row in rows] == [(0, _NOW, _NOW)]


@pytest.mark.postgres
async def test_setting_is_written_and_read_on_postgres(scaled: Database) -> None:
    """The same units serve PostgreSQL."""
    assert (await _set(scaled, "task_operator", 1)).value == 1
    assert (await _set(scaled, "task_operator", 0)).value == 0
    assert not await scaled.read(partial(is_on, name="task_operator"))


async def test_names_of_other_programs_are_kept_and_listed(shared: SqliteDatabase) -> None:
    """A list has the rows of others as they are, and every switch of ours whether it has a row or not."""
    await _set(shared, "debug", 1)
    listed = {view.name: view for view in await shared.read(list_settings)}

    assert set(listed) == {"theirs", *KNOWN}
    assert listed["theirs"] == SettingView("theirs", 7, None, "", "yesterday")
    assert (listed["debug"].value, listed["task_operator"].value) == (1, 0)
    assert listed["task_operator"].updated_at is None
    assert (await _set(shared, "theirs", 8)).value == 8


async def test_each_change_is_in_the_audit_once(shared: SqliteDatabase) -> None:
    """Who changed what from what to what is noted; a wish for the value that it has changes nothing."""
    for value in (1, 1, 0):
        await _set(shared, "debug", value)

    assert await _audited(shared) == [("test", "debug", "unset to 1"), ("test", "debug", "1 to 0")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("debug", 2, id="switch is on or off"),
        pytest.param("new one", 1, id="name with a space"),
        pytest.param("", 1, id="empty name"),
        pytest.param("big", 2**31, id="too large for the column"),
    ],
)
async def test_bad_setting_is_refused(database: SqliteDatabase, name: str, value: int) -> None:
    """What cannot be meant is refused, and nothing is stored."""
    with pytest.raises(BadInput):
        await _set(database, name, value)
    assert await _audited(database) == []


async def test_unknown_name_is_not_found(database: SqliteDatabase) -> None:
    """A name without a row that we do not know is told apart from a switch that is off."""
    with pytest.raises(NotFound, match="task_operator"):
        await database.read(partial(get_setting, name="tsak_operator"))
    assert (await database.read(partial(get_setting, name="task_operator"))).value == 0


async def test_text_of_another_program_counts_as_off(shared_file: Path, shared: SqliteDatabase) -> None:
    """SQLite keeps a text in a column of numbers; it neither breaks the list nor turns anything on."""
    _write(shared_file, "INSERT INTO system_settings (name, value) VALUES ('debug', 'certainly')")

    assert not await shared.read(partial(is_on, name="debug"))
    assert {view.name: view.value for view in await shared.read(list_settings)}["debug"] == 0


async def test_cached_setting_follows_our_own_change(database: SqliteDatabase) -> None:
    """A reader that asks often has the new value as soon as the change is durable, and watchers are told."""
    switches, told = SystemSettings(database), []
    switches.watch(lambda: told.append(1))
    assert not await switches.is_on("debug")
    await _set(database, "debug", 1)

    assert await switches.is_on("debug")
    assert told == [1]


async def test_cached_setting_costs_no_read(database: SqliteDatabase) -> None:
    """What was read once is answered from memory: it works with the database closed."""
    switches = SystemSettings(database)
    assert not await switches.is_on("debug")
    await database.close()

    assert not await switches.is_on("task_operator")


async def test_plain_update_of_another_program_is_noticed(shared_file: Path, shared: SqliteDatabase) -> None:
    """An UPDATE by any other program reaches cached readers and watchers."""
    switches, told = SystemSettings(shared), []
    switches.watch(lambda: told.append(1))
    await _set(shared, "task_operator", 0)
    assert not await switches.is_on("task_operator")
    _write(shared_file, "UPDATE system_settings SET value = 1 WHERE name = 'task_operator'")

    async def noticed() -> bool:
        return await switches.is_on("task_operator")

    await eventually(noticed, "the other program's change is seen")
    assert told


@pytest.mark.postgres
async def test_setting_on_postgres_is_read_afresh(scaled: Database) -> None:
    """Where nobody tells of other processes' changes, no value is kept."""
    switches = SystemSettings(scaled)
    assert not await switches.is_on("debug")
    await _set(scaled, "debug", 1)

    assert await switches.is_on("debug")


@pytest.mark.parametrize(
    ("text", "value"), [("on", 1), (" TRUE ", 1), ("0", 0), ("no", 0), ("-12", -12), ("007", 7)]
)
def test_typed_value_is_understood(text: str, value: int) -> None:
    """People say on and off; programs say numbers."""
    assert read_value(text) == value


@pytest.mark.parametrize("text", ["", "maybe", "1.5", "1e3", "²", "99999999999"])
def test_typed_nonsense_is_refused(text: str) -> None:
    """Anything else is told what would be understood."""
    with pytest.raises(BadInput, match="on, off, or a number"):
        read_value(text)
