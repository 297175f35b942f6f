"""Prepared statements for hot paths: plain SQL that both databases take, handed to the driver.

SQLAlchemy spends 60-100 µs on building and running a small statement, SQLite's driver 3-8 µs; a chat message
takes some thirty of them. What is not hot stays SQLAlchemy Core. Parameters are named (`:run_id`) and bound,
never formatted into the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, text

from wireroom.store.database import driver, sqlite_driver

Row = tuple[Any, ...]
_NAMED = re.compile(r"'[^']*'|(?<![:\w]):(\w+)")
"""A literal, which is left alone, or a parameter."""


class Statement:
    """One named SQL statement; give it as a module constant with a sentence on what it is for."""

    __slots__ = ("_in_order", "_positional", "_sql", "_text")

    def __init__(self, sql: str) -> None:
        """Keep the SQL, in the dialect that SQLite and PostgreSQL share."""
        self._sql = sql
        self._text = text(sql)
        # SQLite's driver looks each name up anew at each call: by position the same costs half.
        self._in_order = _picker([found[1] for found in _NAMED.finditer(sql) if found[1]])
        self._positional = _NAMED.sub(lambda found: "?" if found[1] else found[0], sql)

    def run(self, conn: Connection, **values: Any) -> int:
        """Execute it and return how many rows it changed."""
        raw = sqlite_driver(conn)
        if raw is not None:
            changed: int = raw.run(self._positional, self._in_order(values))
            return changed
        return int(conn.execute(self._text, values).rowcount)

    def row(self, conn: Connection, **values: Any) -> Row | None:
        """Execute it and return its first row, None when there is none; for answers of a row or a few."""
        raw = sqlite_driver(conn)
        if raw is not None:
            found: Row | None = raw.row(self._positional, self._in_order(values))
            return found
        first = conn.execute(self._text, values).first()
        return None if first is None else tuple(first)

    def value(self, conn: Connection, **values: Any) -> Any:
        """Execute it and return the first column of its first row, None when there is none."""
        found = self.row(conn, **values)
        return None if found is None else found[0]

    def rows(self, conn: Connection, **values: Any) -> Sequence[Row]:
        """Execute it and return all its rows."""
        raw = sqlite_driver(conn)
        if raw is not None:
            all_rows: list[Row] = raw.rows(self._positional, self._in_order(values))
            return all_rows
        return [tuple(row) for row in conn.execute(self._text, values)]

    def run_many(self, conn: Connection, values: Sequence[dict[str, Any]]) -> None:
        """Execute it once for each set of values."""
        raw = sqlite_driver(conn)
        if raw is not None:
            raw.executemany(self._positional, [self._in_order(one) for one in values])
        else:
            conn.execute(self._text, list(values))

    def plan(self, conn: Connection, **values: Any) -> str:
        """Return SQLite's query plan for it, for tests that hold it to its index."""
        rows = driver(conn).execute(f"EXPLAIN QUERY PLAN {self._sql}", values).fetchall()
        return "\n".join(str(row[3]) for row in rows)


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """Return what puts values by name into the order of the names."""
    match names:
        case []:
            return lambda _: ()
        case [only]:
            return lambda values: (values[only],)
        case _:
            return itemgetter(*names)
