"""Moving a database: whatever a file may hold arrives, and what is in the way is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pysqlite3
import pytest

from wireroom.errors import BadInput, Conflict, StoreBusy, StoreDamaged
from wireroom.store.migrate import ensure_schema
from wireroom.store.moving.copier import Copier, Sum
from wireroom.store.moving.move import Moved, move
from wireroom.store.moving.postgres_side import PostgresSide
from wireroom.store.moving.rows import Row
from wireroom.store.moving.side import Side
from wireroom.store.moving.sqlite_side import SqliteSide
from wireroom.store.moving.tables import Table
from wireroom.store.owner import OwnerLock
from wireroom.testing.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres


class Quiet:
    """Takes note of what a move says, and may do something at that moment."""

    def __init__(self, when: str = "", act: Callable[[], None] = lambda: None) -> None:
        self.said: list[str] = []
        self._when = when
        self._act = act

    def say(self, text: str) -> None:
        """Note a sentence."""
        self.said.append(text)
        if self._when and self._when in text:
            self._act()

    def read(self, table: str, rows: int, size: int) -> None:
        """Note nothing."""


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """Lend the URL of an empty PostgreSQL database."""
    with postgres.database(migrated=False) as url:
        yield url


@pytest.fixture
def migrated(postgres: PostgresServer) -> Iterator[str]:
    """Lend the URL of a PostgreSQL database with the schema and no rows."""
    with postgres.database() as url:
        yield url


def change(path: Path, *statements: str, rows: Sequence[Sequence[Any]] = ()) -> None:
    """Write to a SQLite file as any program may; `rows` are for the last statement."""
    with closing(pysqlite3.connect(path)) as raw, raw:
        for statement in statements[: len(statements) - bool(rows)]:
            raw.execute(statement)
        if rows:
            raw.executemany(statements[-1], rows)


def ask_file(path: Path, sql: str) -> list[Any]:
    """Return rows of a SQLite file."""
    with closing(pysqlite3.connect(path)) as raw:
        return list(raw.execute(sql))


def ask_server(url: str, sql: str) -> list[Any]:
    """Return rows of a PostgreSQL database."""
    with psycopg.connect(url) as raw:
        return raw.execute(sql.encode()).fetchall()


def there(path: Path, url: str, teller: Quiet | None = None) -> Moved:
    """Move a file to PostgreSQL."""
    done = move(f"sqlite:///{path}", url, teller or Quiet(), wait_seconds=0)
    assert done is not None
    return done


def back(url: str, path: Path) -> Moved:
    """Move PostgreSQL to a new file."""
    done = move(url, f"sqlite:///{path}", Quiet(), wait_seconds=0)
    assert done is not None
    return done


_NOTES = "SELECT * FROM notes ORDER BY day"


def test_everything_that_sqlite_holds_comes_back(database_path: Path, empty: str, tmp_path: Path) -> None:
    """Text of any script, blobs, numbers at their ends, NULL, and tables of other programs are the same."""
    change(
        database_path,
        "ALTER TABLE tasks ADD COLUMN owner TEXT",
        "ALTER TABLE tasks ADD COLUMN weight REAL",
        "ALTER TABLE tasks ADD COLUMN picture BLOB",
        "ALTER TABLE tasks ADD COLUMN done BOOLEAN",
        "CREATE TABLE notes (day TEXT, number INTEGER, said VARCHAR(9), share NUMERIC,"
        " PRIMARY KEY (day, number))",
        "INSERT INTO notes VALUES ('Ä', 1, 'é', 2), ('a', 2, NULL, 2.5), ('B', 1, '', 0), ('b', -9, '🙂', 0)",
        'INSERT INTO tasks (id, prompt, "order", uuid, owner, weight, picture, done)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows=[
            (1, "back\\slash\tand\nlines \\N", -(2**31), "u1", "漢字", 1e300, bytes(range(256)), 1),
            (7, "", 2**31 - 1, None, None, 0.1, b"", 0),
            (900, "'; DROP TABLE tasks; --", 0, "u3", "\x7f\x01", None, None, None),
        ],
    )
    before = ask_file(database_path, "SELECT * FROM tasks"), ask_file(database_path, _NOTES)
    there(database_path, empty)
    new = tmp_path / "new" / "file.sqlite3"
    sums = back(empty, new).sums
    assert (ask_file(new, "SELECT * FROM tasks"), ask_file(new, _NOTES)) == before
    assert {one.table: one.source_rows for one in sums if one.source_rows} == {"notes": 4, "tasks": 3}


def test_number_of_a_deleted_task_is_not_given_again(
    database_path: Path, migrated: str, tmp_path: Path
) -> None:
    """Both databases go on numbering above every row that ever was."""
    change(
        database_path,
        "INSERT INTO tasks (id, prompt) VALUES (41, 'a'), (42, 'b')",
        "DELETE FROM tasks WHERE id = 42",
    )
    there(database_path, migrated)
    assert ask_server(migrated, "INSERT INTO tasks (prompt) VALUES ('c') RETURNING id") == [(43,)]
    with psycopg.connect(migrated) as raw:
        raw.execute("INSERT INTO tasks (prompt) VALUES ('c')")
        raw.execute("DELETE FROM tasks WHERE prompt = 'c'")
    new = tmp_path / "new.sqlite3"
    back(migrated, new)
    assert ask_file(new, "INSERT INTO tasks (prompt) VALUES ('d') RETURNING id") == [(45,)]


def test_settings_of_the_other_shape_keep_it(database_path: Path, migrated: str) -> None:
    """A table of another program with a key of its own is as useful on the other side."""
    change(
        database_path,
        "DROP TABLE system_settings",
        "CREATE TABLE system_settings (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
        " value INTEGER NOT NULL DEFAULT 0, created_at TEXT DEFAULT CURRENT_TIMESTAMP)",
        "INSERT INTO system_settings (id, name, value) VALUES (5, 'debug', 1)",
    )
    there(database_path, migrated)
    rows = "INSERT INTO system_settings (name) VALUES ('debug'), ('x')"
    added = f"{rows} ON CONFLICT (name) DO UPDATE SET value = 9"
    assert ask_server(migrated, f"{added} RETURNING id, value, created_at IS NOT NULL") == [
        (5, 9, True),
        (7, 0, True),
    ]


JOBS = (
    "INSERT INTO jobs"
    " (id, queue, kind, ref, key, priority, run_at, dedupe, state, attempts, error, enqueued_at)"
)


def test_jobs_change_engines_and_come_back(database_path: Path, migrated: str, tmp_path: Path) -> None:
    """What ran or waited waits, in its order, with its time, key and name; what was dead stays so."""
    change(
        database_path,
        JOBS + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows=[
            (3, "runs", "run", "r1", "lane", 0, 1000, None, "running", 1, None, 900),
            (4, "runs", "run", "r2", "lane", -5, 1001, None, "behind", 0, None, 901),
            (5, "out", "deliver", "1", None, 0, 1002, "deliver:1", "running", 2, None, 902),
            (6, "out", "deliver", "1", None, 0, 1003, "deliver:1", "waiting", 0, None, 903),
            (7, "out", "deliver", "2", None, 0, 4_000_000_000_123, "deliver:2", "delayed", 3, "once", 904),
            (8, "intake", "update", "9", "k", 1, 1005, None, "dead", 5, "it is broken", 905),
        ],
    )
    there(database_path, migrated)
    seen = "SELECT id, priority, lock, queueing_lock, args->>'ref', status::text, attempts"
    assert ask_server(migrated, f"{seen} FROM procrastinate_jobs ORDER BY id") == [
        (3, 0, "lane", None, "r1", "todo", 1),
        (4, 5, "lane", None, "r2", "todo", 0),
        (5, 0, None, None, "1", "todo", 2),
        (6, 0, None, "deliver:1", "1", "todo", 0),
        (7, 0, None, "deliver:2", "2", "todo", 3),
        (8, -1, "k", None, "9", "failed", 5),
    ]
    new = tmp_path / "new.sqlite3"
    back(migrated, new)
    assert ask_file(new, "SELECT id, priority, key, run_at, dedupe, state, attempts, error FROM jobs") == [
        (3, 0, "lane", 1000, None, "waiting", 1, None),
        (4, -5, "lane", 1001, None, "waiting", 0, None),
        (5, 0, None, 1002, None, "waiting", 2, None),
        (6, 0, None, 1003, "deliver:1", "waiting", 0, None),
        (7, 0, None, 4_000_000_000_123, "deliver:2", "waiting", 3, "once"),
        (8, 1, "k", 1005, None, "dead", 5, "it is broken"),
    ]


def test_what_changes_meanwhile_arrives(database_path: Path, migrated: str) -> None:
    """Rows that are added, changed, swapped and removed while it copies are as they are in the end."""
    change(
        database_path,
        "INSERT INTO tasks (prompt, uuid) VALUES (?, ?)",
        rows=[(f"{number} " + "x" * 2000, f"u{number}") for number in range(4000)],
    )

    def meanwhile() -> None:
        change(
            database_path,
            "DELETE FROM tasks WHERE id IN (1, 2000)",
            "UPDATE tasks SET uuid = 'u5-' WHERE id = 6",
            "UPDATE tasks SET uuid = 'u5' WHERE id = 3900",
            "UPDATE tasks SET uuid = 'u3899' WHERE id = 6",
            "INSERT INTO tasks (prompt) VALUES ('late')",
        )

    there(database_path, migrated, Quiet("Reading the target back", meanwhile))
    rows = "SELECT id, prompt, uuid FROM tasks ORDER BY id"
    assert ask_server(migrated, rows) == ask_file(database_path, rows)


class Dies(Exception):
    """Stands for the death of the process."""


@pytest.mark.parametrize(
    ("side", "step"),
    [(PostgresSide, "record"), (PostgresSide, "complete"), (SqliteSide, "seal"), (PostgresSide, "release")],
)
def test_move_goes_on_where_it_died(
    database_path: Path, migrated: str, side: type[Side], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was done last, the same command finishes, and once more it says so."""
    change(database_path, "INSERT INTO tasks (prompt) VALUES (?)", rows=[("x" * 900,)] * 5000)
    done = getattr(side, step)

    def dies(*arguments: Any) -> None:
        done(*arguments)
        raise Dies

    with monkeypatch.context() as patched:
        patched.setattr(side, step, dies)
        with pytest.raises(Dies):
            there(database_path, migrated)
    if step != "release":
        with pytest.raises(Conflict, match=r"is not finished\. Run the same again"):
            ensure_schema(migrated)
        assert [one.target_rows for one in there(database_path, migrated).sums if one.table == "tasks"] == [
            5000
        ]
    assert move(f"sqlite:///{database_path}", migrated, Quiet(), wait_seconds=0) is None
    foreign = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conname LIKE 'messages%'"
    assert ask_server(migrated, foreign) == [(1,)]
    assert ask_server(migrated, "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'wireroom%'") == [(1,)]


def test_left_database_refuses_until_it_is_reopened(database_path: Path, migrated: str) -> None:
    """No service begins on it, no program writes to it; reopened, it is as it was."""
    there(database_path, migrated)
    for sql in (
        "INSERT INTO tasks (prompt) VALUES ('x')",
        JOBS + " SELECT 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1",
    ):
        with pytest.raises(pysqlite3.IntegrityError, match="has moved to"):
            change(database_path, sql)
    with pytest.raises(Conflict, match="WIREROOM_DATABASE_URL"):
        ensure_schema(f"sqlite:///{database_path}")
    with closing(SqliteSide(database_path)) as side:
        side.reopen()
    ensure_schema(f"sqlite:///{database_path}")
    change(database_path, "INSERT INTO tasks (prompt) VALUES ('x')")


def test_left_server_refuses_until_it_is_reopened(migrated: str, tmp_path: Path) -> None:
    """PostgreSQL keeps every program from writing, too."""
    back(migrated, tmp_path / "new.sqlite3")
    with psycopg.connect(migrated, autocommit=True) as raw:
        with pytest.raises(psycopg.errors.RaiseException, match="has moved to sqlite"):
            raw.execute("INSERT INTO tasks (prompt) VALUES ('x')")
        with closing(PostgresSide(migrated)) as side:
            side.reopen()
        raw.execute("INSERT INTO tasks (prompt) VALUES ('x')")


@contextmanager
def refused(database_path: Path, migrated: str, kind: type[Exception], words: str) -> Iterator[None]:
    """Expect that a move is refused, and that the source may be written to afterwards."""
    with pytest.raises(kind, match=words):
        there(database_path, migrated)
    yield
    change(database_path, "INSERT INTO tasks (prompt) VALUES ('goes on')")


def test_text_that_postgresql_refuses_is_named_with_its_remedy(database_path: Path, migrated: str) -> None:
    """A NUL character stops the move with the row and the statement that mends it; then it goes on."""
    change(database_path, "INSERT INTO tasks (id, prompt) VALUES (?, ?)", rows=[(1, "fine"), (2, "bad\0one")])
    with pytest.raises(BadInput, match=r"tasks, row \[2\]: prompt has the character NUL") as caught:
        there(database_path, migrated)
    found = re.search(r"UPDATE .*;", str(caught.value))
    assert found
    change(database_path, found[0])
    there(database_path, migrated)
    assert ask_server(migrated, "SELECT prompt FROM tasks WHERE id = 2") == [("badone",)]


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        ("INSERT INTO tasks VALUES (3, 'x', 'first', 0, 0, 0, 0)", BadInput, r"row \[3\]: order holds a str"),
        ("INSERT INTO tasks VALUES (3, 'x', 3000000000, 0, 0, 0, 0)", BadInput, "order is 3000000000, which"),
        ("CREATE TABLE other (a TEXT)", Conflict, "other has no primary key"),
        ('CREATE TABLE "100%" (a TEXT PRIMARY KEY)', Conflict, "percent sign"),
    ],
)
def test_rows_that_cannot_be_kept_are_named(
    database_path: Path, migrated: str, statement: str, kind: type[Exception], words: str
) -> None:
    """What PostgreSQL has no place for stops the move before anything is sealed."""
    change(database_path, statement)
    with refused(database_path, migrated, kind, words):
        assert ask_file(database_path, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'") == [(0,)]


def test_target_with_data_is_left_alone(database_path: Path, migrated: str) -> None:
    """Nothing is written over; the message names a table that is not empty."""
    with psycopg.connect(migrated) as raw:
        raw.execute("INSERT INTO tasks (prompt) VALUES ('mine')")
    with refused(database_path, migrated, Conflict, r"holds data already \(table tasks\)"):
        assert ask_server(migrated, "SELECT prompt FROM tasks") == [("mine",)]


def test_service_at_work_is_waited_for_and_named(database_path: Path, migrated: str) -> None:
    """While a process owns the file's work it is not stopped, and the move says who it is."""
    with (
        OwnerLock(database_path),
        refused(database_path, migrated, StoreBusy, r"Process \d+ is still at work"),
    ):
        pass
    there(database_path, migrated)


def test_same_kinds_are_sent_to_their_own_tools(database_path: Path, tmp_path: Path) -> None:
    """Between two files or two servers others copy better, and are named."""
    with pytest.raises(Conflict, match="wireroom db backup"):
        move(f"sqlite:///{database_path}", f"sqlite:///{tmp_path}/b", Quiet(), wait_seconds=0)
    with pytest.raises(Conflict, match="pg_dump"):
        move("postgresql://a/b", "postgresql://a/c", Quiet(), wait_seconds=0)


def test_older_schema_is_not_moved(database_path: Path, migrated: str) -> None:
    """A database of another release is refused, with what to do."""
    change(database_path, "UPDATE wireroom_version SET version_num = '0001'")
    with refused(database_path, migrated, Conflict, "schema 0001, this release"):
        pass


def test_target_that_lost_a_row_is_noticed(database_path: Path, migrated: str) -> None:
    """What the target does not give back is copied again before the end."""
    change(database_path, "INSERT INTO tasks (prompt) VALUES (?)", rows=[("x",)] * 10)

    def loses() -> None:
        with psycopg.connect(migrated) as raw:
            raw.execute("DELETE FROM tasks WHERE id = 4")

    there(database_path, migrated, Quiet("Reading the target back", loses))
    assert ask_server(migrated, "SELECT count(*) FROM tasks") == [(10,)]


def test_difference_at_the_end_is_told(
    database_path: Path, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that is not its source is never opened, and its source never sealed."""
    change(database_path, "INSERT INTO tasks (prompt) VALUES ('x')")
    sums = Copier.sums

    def loses(copier: Copier, tables: Sequence[Table]) -> list[Sum]:
        copier.target.run("DELETE FROM tasks")
        return sums(copier, tables)

    monkeypatch.setattr(Copier, "sums", loses)
    with refused(
        database_path, migrated, StoreDamaged, "tasks differs: 1 rows in the source, 0 in the target"
    ):
        pass


def test_ranges_grow_and_shrink_with_their_rows(database_path: Path, migrated: str) -> None:
    """A range that outgrows its size is cut anew, and one that loses all its rows is empty."""
    long: Row = ("x" * 50_000,)
    change(database_path, "INSERT INTO tasks (prompt) VALUES (?)", rows=[("x" * 4000,)] * 1200)

    def meanwhile() -> None:
        change(database_path, "UPDATE tasks SET prompt = ? WHERE id < 400", rows=[long])
        change(database_path, "DELETE FROM tasks WHERE id > 900")

    done = there(database_path, migrated, Quiet("Reading the target back", meanwhile))
    tasks = next(one for one in done.sums if one.table == "tasks")
    assert tasks.is_equal
    assert tasks.target_rows == 900
