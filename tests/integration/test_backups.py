"""Backups of either kind of database, restored on either; and what a look over a database finds."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from pathlib import Path

import psycopg
import pysqlite3
import pytest
from sqlalchemy import Connection, text
from test_cli import wireroom

from wireroom.errors import Conflict, StoreBusy, StoreDamaged
from wireroom.store.migrate import ensure_schema
from wireroom.store.moving.backup import back_up, open_to_look, restore
from wireroom.store.moving.check import RULES, look_over
from wireroom.store.owner import OwnerLock
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.postgres_server import PostgresServer


class Quiet:
    """Is told and says nothing."""

    def say(self, text: str) -> None:
        """Hear a sentence."""

    def read(self, table: str, rows: int, size: int) -> None:
        """Hear of rows."""


def change(path: Path, *statements: str) -> None:
    """Write to a SQLite file."""
    with closing(pysqlite3.connect(path)) as raw, raw:
        for statement in statements:
            raw.execute(statement)


def prompts(path: Path) -> list[str]:
    """Return the tasks of a SQLite file."""
    with closing(pysqlite3.connect(path)) as raw:
        return [prompt for (prompt,) in raw.execute("SELECT prompt FROM tasks ORDER BY id")]


def url_of(path: Path) -> str:
    """Return a file's address."""
    return f"sqlite:///{path}"


def add(conn: Connection) -> None:
    """Add a task and its twin, which no backup may divide."""
    conn.execute(text("INSERT INTO tasks (prompt) VALUES ('twin'), ('twin')"))


async def test_backup_while_it_works_is_of_one_moment(database: SqliteDatabase, tmp_path: Path) -> None:
    """A file that is written to without a pause gives a backup of whole commits, in one file."""
    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            await database.write(add)

    writing = asyncio.create_task(write())
    file = tmp_path / "backups" / "today.sqlite3"
    file.parent.mkdir()
    try:
        sums = await asyncio.to_thread(back_up, url_of(database.path), file, Quiet())
    finally:
        done.set()
        await writing
    assert len(prompts(file)) % 2 == 0
    assert {one.table: one.target_rows for one in sums}["tasks"] == len(prompts(file))
    assert [one.name for one in file.parent.iterdir()] == ["today.sqlite3"]
    assert file.stat().st_mode & 0o077 == 0


def test_backup_is_never_written_over(database_path: Path, tmp_path: Path) -> None:
    """A name that is taken is refused."""
    file = tmp_path / "there"
    file.write_text("mine")
    with pytest.raises(Conflict, match="never written over"):
        back_up(url_of(database_path), file, Quiet())
    assert file.read_text() == "mine"


def test_restore_keeps_what_it_replaces(database_path: Path, tmp_path: Path) -> None:
    """Without --replace data stays; with it, the file that was there is kept beside, with its log."""
    change(database_path, "INSERT INTO tasks (prompt) VALUES ('then')")
    file = tmp_path / "backup.sqlite3"
    back_up(url_of(database_path), file, Quiet())
    change(database_path, "INSERT INTO tasks (prompt) VALUES ('since')")
    with pytest.raises(Conflict, match=r"holds data\. Say --replace"):
        restore(file, url_of(database_path), Quiet(), replaces=False)
    before = file.read_bytes()
    kept = restore(file, url_of(database_path), Quiet(), replaces=True)
    assert kept is not None
    assert file.read_bytes() == before
    assert (prompts(database_path), prompts(kept)) == (["then"], ["then", "since"])
    ensure_schema(url_of(database_path))


def test_restore_leaves_a_service_alone(database_path: Path, tmp_path: Path) -> None:
    """A file that somebody works on is not replaced."""
    file = tmp_path / "backup.sqlite3"
    back_up(url_of(database_path), file, Quiet())
    with OwnerLock(database_path), pytest.raises(StoreBusy, match=r"Process \d+ uses"):
        restore(file, url_of(database_path), Quiet(), replaces=True)


def test_restore_of_a_damaged_backup_changes_nothing(database_path: Path, tmp_path: Path) -> None:
    """Pages that are not what they were are noticed before anything is replaced."""
    change(database_path, *[f"INSERT INTO tasks (prompt) VALUES ('{'x' * 3000}')"] * 50)
    file = tmp_path / "backup.sqlite3"
    back_up(url_of(database_path), file, Quiet())
    whole = bytearray(file.read_bytes())
    whole[8192:-8192] = b"\xff" * (len(whole) - 16_384)
    file.write_bytes(whole)
    with pytest.raises(StoreDamaged):
        restore(file, url_of(database_path), Quiet(), replaces=True)
    assert len(prompts(database_path)) == 50


def test_restore_of_something_else_is_refused(database_path: Path, tmp_path: Path) -> None:
    """A SQLite file of another program is no backup."""
    other = tmp_path / "other.sqlite3"
    change(other, "CREATE TABLE tasks (id INTEGER PRIMARY KEY)")
    with pytest.raises(Conflict, match="no backup of Wireroom"):
        restore(other, url_of(database_path), Quiet(), replaces=True)


@pytest.mark.postgres
def test_backup_of_postgresql_is_restored_on_both(postgres: PostgresServer, tmp_path: Path) -> None:
    """One file brings a server and a SQLite file to the same rows, jobs included; data asks for --replace."""
    file, path = tmp_path / "backup.sqlite3", tmp_path / "data" / "wireroom.sqlite3"
    with (
        postgres.database() as source,
        postgres.database() as target,
        psycopg.connect(source, autocommit=True) as raw,
        psycopg.connect(target, autocommit=True) as other,
    ):
        raw.execute("INSERT INTO tasks (id, prompt) VALUES (7, 'then')")
        raw.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args) VALUES"
            ' (\'q\', \'wireroom\', -3, \'{"kind": "run", "ref": "r", "at": 5}\')'
        )
        other.execute("INSERT INTO tasks (id, prompt) VALUES (1, 'mine')")
        sums = back_up(source, file, Quiet())
        assert {one.table: one.target_rows for one in sums if one.target_rows} == {"tasks": 1, "jobs": 1}
        with pytest.raises(Conflict, match="holds data already"):
            restore(file, target, Quiet(), replaces=False)
        restore(file, target, Quiet(), replaces=True)
        assert other.execute("SELECT id, prompt FROM tasks").fetchall() == [(7, "then")]
        assert other.execute("SELECT priority, status::text FROM procrastinate_jobs").fetchall() == [
            (-3, "todo")
        ]
        raw.execute("INSERT INTO tasks (prompt) VALUES ('goes on')")
    assert restore(file, url_of(path), Quiet(), replaces=False) is None
    assert prompts(path) == ["then"]


A_RUN = (
    "INSERT INTO runs"
    " (id, request_id, conversation_id, lane, source, prompt, backend, workdir, queued_at, state) VALUES"
)
A_JOB = "INSERT INTO jobs (queue, kind, ref, run_at, state, enqueued_at) VALUES"
WRONG = {
    "updates that came in": """INSERT INTO updates (id, bot_id, update_id, kind, lane, state, received_at)
        VALUES (1, 1, 1, 'message', 'l', 'received', 1)""",
    "runs that are not over": f"{A_RUN} ('q', 'q', 'c', 'l', 'web', 'p', 'demo', '/', 1, 'queued')",
    "runs that work, but": f"{A_RUN} ('w', 'w', 'c', 'l', 'web', 'p', 'demo', '/', 1, 'running')",
    "attempts that work on runs that are over": """INSERT INTO run_attempts
        (run_id, epoch, worker, state, started_at, lease_until) VALUES ('over', 1, 'w', 'running', 1, 1)""",
    "answers that are not sent": """INSERT INTO deliveries
        (id, lane, bot_id, chat_id, state, opening, created_at) VALUES (1, 'l', 1, 1, 'pending', '…', 1)""",
    "callbacks that are not sent": """INSERT INTO callbacks (id, url, state, created_at)
        VALUES (1, 'http://x', 'sending', 1)""",
    "jobs for updates": f"{A_JOB} ('intake', 'update', '99', 1, 'waiting', 1)",
    "jobs for answers": f"{A_JOB} ('out', 'deliver', '99', 1, 'waiting', 1)",
    "tasks at work whose run": "INSERT INTO task_details (task_id, run_id, updated_at) VALUES (1, 'gone', 1)",
}
SOUND = (
    """INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)
    VALUES ('c', 'web', 'l', 1, '/', 1, 1)""",
    f"{A_RUN} ('over', 'over', 'c', 'l', 'web', 'p', 'demo', '/', 1, 'succeeded')",
)


def test_every_rule_has_its_example() -> None:
    """No rule is without a row here that breaks it."""
    assert [sum(rule.broken.startswith(words) for words in WRONG) for rule in RULES] == [1] * len(RULES)


@pytest.mark.parametrize(("words", "statement"), WRONG.items(), ids=list(WRONG))
def test_look_finds_what_must_not_be(database_path: Path, words: str, statement: str) -> None:
    """A row that breaks a rule is named, with a remedy; a database without one is well."""
    change(database_path, *SOUND)
    with closing(open_to_look(url_of(database_path))) as side:
        assert look_over(side) == []
    change(database_path, statement)
    with closing(open_to_look(url_of(database_path))) as side:
        found = look_over(side)
    assert any(f"There are {words}" in one.what and one.mend for one in found)


@pytest.mark.postgres
def test_look_understands_the_jobs_of_both_engines(postgres: PostgresServer) -> None:
    """On PostgreSQL a waiting update with its job is well, and without it is found."""
    with postgres.database() as url, psycopg.connect(url, autocommit=True) as raw:
        raw.execute(WRONG["updates that came in"])
        raw.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES"
            ' (\'intake\', \'wireroom\', \'{"kind": "update", "ref": "1", "at": 5}\')'
        )
        with closing(open_to_look(url)) as side:
            assert look_over(side) == []
            raw.execute("DELETE FROM procrastinate_jobs")
            assert [one.what for one in look_over(side)] == [
                "There are updates that came in and that no job will handle: 1"
            ]


def test_look_finds_broken_references_and_pages(database_path: Path) -> None:
    """What SQLite itself finds wrong is told."""
    change(database_path, "INSERT INTO messages VALUES ('nobody', 1, 'user', 'x', NULL, 1)")
    with closing(open_to_look(url_of(database_path))) as side:
        assert [one.what for one in look_over(side)] == [
            "A row of messages refers to one of conversations that is not there"
        ]


async def test_commands_back_up_look_and_restore(database_path: Path) -> None:
    """The command line does it all for the database that the settings name, and says what is wrong."""
    folder = database_path.parent
    file = str(folder / "backup.sqlite3")
    change(database_path, "INSERT INTO tasks (prompt) VALUES ('then')")

    said = await wireroom(folder, "db", "backup", file)
    assert said.code == 0
    assert re.search(r"^tasks +1 +1 .* equal$", said.out, re.MULTILINE)
    change(database_path, WRONG["updates that came in"])
    looked = await wireroom(folder, "db", "check")
    assert (looked.code, looked.out.splitlines()[0][:30]) == (1, "✗ There are updates that came in"[:30])
    restored = await wireroom(folder, "db", "restore", file, "--replace")
    assert restored.out.startswith("Restored and verified. What was there is kept as ")
    assert (await wireroom(folder, "db", "check", file)).out == "All is well.\n"
