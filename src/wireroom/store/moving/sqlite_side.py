"""A SQLite file as one side of a move."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pysqlite3

from wireroom.errors import BadInput, StoreBusy, StoreDamaged
from wireroom.store.moving.job_table import JOB_TABLE, SQLITE_INSERT, SQLITE_JOBS
from wireroom.store.moving.rows import Row
from wireroom.store.moving.side import MARKS, Clash, Side
from wireroom.store.moving.sqlite_tables import table_of
from wireroom.store.moving.tables import (
    JOBS,
    MOVED,
    MOVING,
    NEVER_MOVED,
    RANGES,
    Dialect,
    Kind,
    Plan,
    Table,
    addition,
    definition,
    quoted,
)
from wireroom.store.owner import OwnerLock
from wireroom.store.sqlite import connect
from wireroom.store.sqlite_errors import translate
from wireroom.store.watched import unwatched

_DIALECT = Dialect(
    {Kind.INTEGER: "INTEGER", Kind.NUMBER: "REAL", Kind.TEXT: "TEXT", Kind.BYTES: "BLOB"},
    "INTEGER PRIMARY KEY AUTOINCREMENT",
)
_LOCK_SECONDS = 60.0


class SqliteSide(Side):
    """A SQLite file; other processes may use it meanwhile unless it is frozen."""

    mark = "?"

    def __init__(self, path: Path) -> None:
        """Open the file, which exists; one that is no database of a service, such as a backup, to read only.

        Raises:
            StoreUnavailable: it cannot be opened; the class says why.
        """
        super().__init__(f"sqlite:///{path.resolve()}")
        self.path = path
        self._raw = _open_to_read(path) if _is_backup(path) else connect(path)
        self._say = unwatched(self._raw)
        self._owner = OwnerLock(path)
        self._owned = False

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a statement."""
        try:
            found: list[Any] = self._say.execute(sql, values).fetchall()
        except pysqlite3.DatabaseError as error:
            if "decode" in str(error).lower():
                raise BadInput(
                    f"{self.path} holds text that is not UTF-8: {error}. Correct it there, then go on."
                ) from error
            raise translate(error, self.path) from error
        return found

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Send a statement."""
        try:
            self._say.execute(sql, values)
        except pysqlite3.DatabaseError as error:
            raise translate(error, self.path) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Side.transaction`."""
        with self._between("BEGIN IMMEDIATE", "COMMIT"):
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See `Side.snapshot`."""
        with self._between("BEGIN", "ROLLBACK"):
            yield

    @contextmanager
    def frozen(self, tables: Sequence[Table]) -> Iterator[None]:  # noqa: ARG002 - the file is locked as a whole
        """See `Side.frozen`: readers go on, writers wait for as long as they are patient."""
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                self.run("BEGIN IMMEDIATE")
                break
            except StoreBusy:
                if time.monotonic() > until:
                    raise
        with self._between("", "COMMIT"):
            yield

    def readable(self, tables: Sequence[Table]) -> AbstractContextManager[None]:  # noqa: ARG002 - they are
        """See `Side.readable`: every table is stored in that order."""
        return nullcontext()

    @contextmanager
    def _between(self, begin: str, end: str) -> Iterator[None]:
        if begin:
            self.run(begin)
        try:
            yield
            self.run(end)
        except BaseException:
            if self._raw.in_transaction:
                self._say.execute("ROLLBACK")
            raise

    def at_work(self) -> str | None:
        """See `Side.at_work`: the right to work on the file is taken and kept."""
        if not self._owned:
            try:
                self._owner.acquire()
            except StoreBusy as error:
                return str(error).split(" already", maxsplit=1)[0]
            self._owned = True
        return None

    def described(self) -> dict[str, Table]:
        """See `Side.described`."""
        found = self.rows("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        names = {name for (name,) in found if not name.startswith("sqlite_")} - NEVER_MOVED
        return {name: JOB_TABLE if name == JOBS else table_of(self.rows, name) for name in sorted(names)}

    def has_table(self, name: str) -> bool:
        """See `Side.has_table`."""
        return bool(self.rows("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (name,)))

    def relation(self, table: Table) -> str:
        """See `Side.relation`."""
        return SQLITE_JOBS if table.name == JOBS else quoted(table.name)

    def stored_as(self, table: Table) -> str:
        """See `Side.stored_as`."""
        return quoted(table.name)

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """See `Side.insert`."""
        columns = ", ".join(quoted(name) for name in table.names())
        marks = ", ".join("?" * len(table.columns))
        plain = f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ({marks})"
        try:
            self._say.executemany(SQLITE_INSERT if table.name == JOBS else plain, rows)
        except pysqlite3.IntegrityError as error:
            if "UNIQUE" in str(error):
                raise Clash(str(error)) from error
            raise BadInput(f"A row of table {table.name} was refused: {error}.") from error
        except pysqlite3.OperationalError as error:
            raise translate(error, self.path) from error

    def size_bytes(self) -> int:
        """See `Side.size_bytes`."""
        return int(self.rows("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0][0])

    def last_number(self, table: Table) -> int | None:
        """See `Side.last_number`: only a table with AUTOINCREMENT remembers it."""
        if not self.has_table("sqlite_sequence"):
            return None
        found = self.rows("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,))
        return int(found[0][0]) if found else None

    def seal(self, tables: Sequence[Table], to: str, now: str) -> None:
        """See `Side.seal`: by triggers, which stop every program that writes to the file."""
        self.run(f"CREATE TABLE IF NOT EXISTS {MOVED} (target TEXT NOT NULL, moved_at TEXT NOT NULL)")
        self.run(f"DELETE FROM {MOVED}")
        self.run(f"INSERT INTO {MOVED} VALUES (?, ?)", (to, now))
        told = f"This database has moved to {to}: write there".replace("'", "''")
        for table in tables:
            for event in ("INSERT", "UPDATE", "DELETE"):
                name = quoted(f"{MOVED}_{table.name}_{event.lower()}")
                self.run(
                    f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {event} ON {quoted(table.name)}"
                    f" BEGIN SELECT RAISE(ABORT, '{told}'); END"
                )

    def reopen(self) -> None:
        """See `Side.reopen`."""
        like = f"{MOVED}_%"
        with self.transaction():
            for (name,) in self.rows(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE ?", (like,)
            ):
                self.run(f"DROP TRIGGER {quoted(name)}")
            self.run(f"DROP TABLE IF EXISTS {MOVED}")

    def prepare(self, plan: Plan, source: str) -> None:
        """See `Side.prepare`; a power cut costs the copy, not the file: it is made durable at the end."""
        self.run("PRAGMA foreign_keys=OFF")
        self.run("PRAGMA synchronous=NORMAL")
        with self.transaction():
            for statement in MARKS:
                self.run(statement)
            if self.filled_from() is None:
                self.run(f"INSERT INTO {MOVING} VALUES (?, '[]')", (source,))
            for table in plan.create:
                self.run(f"DROP TABLE IF EXISTS {quoted(table.name)}")
                self.run(definition(table, _DIALECT))
            for name, column in plan.add:
                self.run(addition(name, column, _DIALECT))

    def complete(self, tables: Sequence[tuple[Table, int | None]]) -> None:
        """See `Side.complete`."""
        broken = self.rows("PRAGMA foreign_key_check")
        if broken:
            table_name, _, parent, _ = broken[0]
            raise StoreDamaged(f"A row of table {table_name} refers to one of {parent} that is not there.")
        with self.transaction():
            for table, number in tables:
                if number is not None and self.last_number(table) is not None:
                    self.run(
                        "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, table.name)
                    )
                elif number is not None and self._counts_up(table):
                    self.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, number))

    def release(self) -> None:
        """See `Side.release`."""
        self.run("PRAGMA synchronous=FULL")
        with self.transaction():
            self.run(f"DROP TABLE IF EXISTS {RANGES}")
            self.run(f"DROP TABLE IF EXISTS {MOVING}")
        self.run("PRAGMA foreign_keys=ON")
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """See `Side.close`."""
        self._raw.close()
        self._owner.release()

    def clear(self, tables: Sequence[Table]) -> None:
        """See `Side.clear`."""
        with self.transaction():
            for table in tables:
                self.run(f"DELETE FROM {quoted(table.name)}")

    def damage(self) -> list[str]:
        """See `Side.damage`."""
        pages = [str(text) for (text,) in self.rows("PRAGMA integrity_check(5)") if text != "ok"]
        lost = [
            f"A row of {table} refers to one of {parent} that is not there"
            for table, _, parent, _ in self.rows("PRAGMA foreign_key_check")[:5]
        ]
        return pages + lost

    def copy_into(self, path: Path) -> None:
        """Write a copy of one moment to another file, while others go on writing here.

        Source: https://www.sqlite.org/backup.html
        """
        other = connect(path)
        try:
            self._raw.backup(other)
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            other.execute("PRAGMA journal_mode=DELETE").fetchall()
        finally:
            other.close()

    def _counts_up(self, table: Table) -> bool:
        sql = "SELECT 1 FROM sqlite_schema WHERE name = ? AND upper(sql) LIKE '%AUTOINCREMENT%'"
        return bool(self.rows(sql, (table.name,)))


def _is_backup(path: Path) -> bool:
    """Tell whether the file is without a write-ahead log, as backups are and no database that was served.

    Source: https://www.sqlite.org/fileformat.html, 1.3.3, bytes 18 and 19.
    """
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\x01\x01"


def _open_to_read(path: Path) -> Any:
    try:
        return pysqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0
        )
    except pysqlite3.Error as error:
        raise translate(error, path) from error
