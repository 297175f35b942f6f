"""One database of a move, as the move sees it, and the statements that both kinds have in common.

Rows are read in the order of their key, by ranges of it, on any number of snapshots. A target is written by
one process alone; what of a table is there stands in a table of the target, changed together with the rows.
Neighbours: `sqlite_side`, `postgres_side`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from wireroom.store.moving.rows import (
    CHUNK_ROWS,
    PIECE_BYTES,
    Chunk,
    Key,
    Range,
    Row,
    chunk_of,
    key_of,
    read_key,
    write_key,
)
from wireroom.store.moving.tables import MOVED, MOVING, RANGES, Kind, Plan, Table, quoted

_READ_BYTES = PIECE_BYTES // 8
_MOST_ROWS = 128 * CHUNK_ROWS

MARKS = (
    f"CREATE TABLE IF NOT EXISTS {MOVING} (source TEXT NOT NULL, later TEXT NOT NULL)",
    f"""CREATE TABLE IF NOT EXISTS {RANGES} (table_name TEXT NOT NULL, high TEXT NOT NULL,
    rows BIGINT NOT NULL, digest TEXT, PRIMARY KEY (table_name, high))""",
)
"""`later`: statements, as a JSON list, that give the target back what it did without meanwhile."""


class Clash(Exception):
    """A row is still there that the source has changed or removed since; copy the range again later."""


class Side(ABC):
    """A database that is read or written by a move; used by one thread."""

    mark: ClassVar[str]
    """What stands for a value in a statement."""
    binary: str = ""
    """What has text ordered by its bytes, as Python does; empty where it is so anyway."""

    def __init__(self, name: str) -> None:
        """Name it for people: its address without a password."""
        self.name = name
        self._limits: dict[str, int] = {}
        self._read_as: dict[str, dict[str, str]] = {}

    # What the kinds of database do each in their way.

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a statement."""

    @abstractmethod
    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Send a statement."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[object]:
        """Have what is sent within committed together, or undone when it raises."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[object]:
        """Have what is read within be of one moment; nothing may be written."""

    @abstractmethod
    def frozen(self, tables: Sequence[Table]) -> AbstractContextManager[object]:
        """Let nobody else write within; what is sent is committed together at the end.

        Raises:
            StoreBusy: somebody writes, and went on for longer than is waited.
        """

    @abstractmethod
    def readable(self, tables: Sequence[Table]) -> AbstractContextManager[object]:
        """Have what lets tables be read in the order of their keys quickly; not within a transaction."""

    @abstractmethod
    def at_work(self) -> str | None:
        """Return who works on it, for people, or None; then nobody will until it is closed or told."""

    @abstractmethod
    def described(self) -> dict[str, Table]:
        """Return its tables by name, that of jobs in its one shape."""

    @abstractmethod
    def has_table(self, name: str) -> bool:
        """Tell whether there is such a table."""

    @abstractmethod
    def relation(self, table: Table) -> str:
        """Return what a table's rows are selected from."""

    @abstractmethod
    def stored_as(self, table: Table) -> str:
        """Return the name of the table that rows are deleted from, quoted."""

    @abstractmethod
    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows within a transaction.

        Raises:
            Clash: one of them contradicts a row that is there.
            BadInput: one of them is not taken; the message says which, and why.
        """

    @abstractmethod
    def size_bytes(self) -> int:
        """Return how large the database is."""

    @abstractmethod
    def last_number(self, table: Table) -> int | None:
        """Return the highest number that the table has given to a row, if it gives numbers."""

    @abstractmethod
    def seal(self, tables: Sequence[Table], to: str, now: str) -> None:
        """Refuse every later write to the tables, whoever writes, and note why; within `frozen`."""

    @abstractmethod
    def reopen(self) -> None:
        """Undo `seal`."""

    @abstractmethod
    def prepare(self, plan: Plan, source: str) -> None:
        """Make it ready to be filled; harmless when it is."""

    @abstractmethod
    def complete(self, tables: Sequence[tuple[Table, int | None]]) -> None:
        """Put back what `prepare` took, and let tables go on numbering after these numbers.

        Raises:
            StoreDamaged: the rows do not fit together.
        """

    @abstractmethod
    def release(self) -> None:
        """Take the marks off: it is a database like any other, and durable."""

    @abstractmethod
    def clear(self, tables: Sequence[Table]) -> None:
        """Remove every row of the tables."""

    @abstractmethod
    def damage(self) -> list[str]:
        """Return what the database itself finds wrong with its pages and references."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""

    # What they have in common.

    def tables(self) -> dict[str, Table]:
        """Return its tables by name, and read them from now on as they are here."""
        found = self.described()
        self._read_as = {
            name: {one.name: one.read_as for one in table.columns if one.read_as}
            for name, table in found.items()
        }
        return found

    def chunks(self, table: Table, low: Key | None, high: Key | None) -> Iterator[Chunk]:
        """Read the rows above `low` up to `high`, in the order of their key."""
        limit = self._limits.get(table.name, CHUNK_ROWS)
        while True:
            where, values = self._within(table, low, high)
            rows = self.rows(
                f"{self._select(table)}{where} ORDER BY {self.order_of(table)} LIMIT {limit}", values
            )
            size = 0
            for first in range(0, len(rows), CHUNK_ROWS):
                chunk = chunk_of(rows[first : first + CHUNK_ROWS])
                size += len(chunk.packed)
                yield chunk
            if len(rows) < limit:
                return
            low = key_of(table, rows[-1])
            limit = self._limits[table.name] = _next_limit(limit, size)

    def count(self, table: Table) -> int:
        """Return how many rows there are."""
        return int(self.rows(f"SELECT count(*) FROM {self.relation(table)}")[0][0])

    def ranges(self, table: Table) -> list[Range]:
        """Return what was recorded of a table, in the order of its key."""
        sql = f"SELECT high, rows, digest FROM {RANGES} WHERE table_name = {self.mark}"
        found = [Range(read_key(high), rows, digest) for high, rows, digest in self.rows(sql, (table.name,))]
        return sorted(found, key=lambda one: one.high)

    def replace(self, table: Table, low: Key | None, known: Key | None, rows: Sequence[Row]) -> None:
        """Let exactly these rows be above `low` up to `known`; None: nothing was there."""
        if known is not None:
            where, values = self._within(table, low, known)
            self.run(f"DELETE FROM {self.stored_as(table)}{where}", values)
        if rows:
            self.insert(table, rows)

    def record(self, table: Table, done: Range) -> None:
        """Record what a range holds."""
        self.run(
            f"INSERT INTO {RANGES} (table_name, high, rows, digest) VALUES ({', '.join([self.mark] * 4)})"
            " ON CONFLICT (table_name, high) DO UPDATE SET rows = excluded.rows, digest = excluded.digest",
            (table.name, write_key(done.high), done.rows, done.digest),
        )

    def filled_from(self) -> str | None:
        """Return the name of the source of a copy that was begun here, None without one."""
        if not self.has_table(MOVING):
            return None
        found = self.rows(f"SELECT source FROM {MOVING}")
        return str(found[0][0]) if found else None

    def moved_to(self) -> str | None:
        """Return where its data has gone, None while it is here."""
        if not self.has_table(MOVED):
            return None
        return str(self.rows(f"SELECT target FROM {MOVED}")[0][0])

    def first_with_rows(self, tables: Sequence[Table]) -> str | None:
        """Return the name of a table that is not empty, None when all are."""
        for table in tables:
            if self.rows(f"SELECT 1 FROM {self.relation(table)} LIMIT 1"):
                return table.name
        return None

    def _select(self, table: Table) -> str:
        read_as = self._read_as.get(table.name, {})
        columns = ", ".join(read_as.get(name) or quoted(name) for name in table.names())
        return f"SELECT {columns} FROM {self.relation(table)}"

    def order_of(self, table: Table) -> str:
        """Return the key's columns as rows are ordered by them."""
        return ", ".join(self._key_column(table, column) for column in table.key)

    def _key_column(self, table: Table, column: str) -> str:
        is_text = table.kind_of(column) is Kind.TEXT
        return f"{quoted(column)}{self.binary}" if is_text else quoted(column)

    def _within(self, table: Table, low: Key | None, high: Key | None) -> tuple[str, list[Any]]:
        columns = f"({self.order_of(table)})"
        marks = f"({', '.join([self.mark] * len(table.key))})"
        bounds = [(">", low), ("<=", high)]
        parts = [f"{columns} {sign} {marks}" for sign, bound in bounds if bound is not None]
        values = [value for _, bound in bounds if bound is not None for value in bound]
        return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


def _next_limit(limit: int, size: int) -> int:
    """Return how many rows to read next, after so many were so large: whole chunks, about `_READ_BYTES`."""
    wanted = limit * _READ_BYTES // max(size, 1)
    chunks = min(max(wanted, CHUNK_ROWS), limit * 8, _MOST_ROWS) // CHUNK_ROWS
    return max(chunks, 1) * CHUNK_ROWS
