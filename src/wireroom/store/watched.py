"""The SQLite driver's connection, with every statement noted: its shape, its time, for whom it is.

Whatever hands it statements, `Statement`, SQLAlchemy or the job engine, is noted by the same few lines. What
the store itself says around units, such as BEGIN, goes through `unwatched` and is not.
Neighbours: figures `perf.sql`, repetitions `perf.sql_scope`, slow ones `perf.sql_slow`.
"""

from __future__ import annotations

import contextlib
from time import perf_counter_ns
from typing import Any

import pysqlite3

from wireroom.perf.sql import QUICK_BUCKETS, QUICK_NS, Recorder, Tally, bucket_of
from wireroom.perf.sql_scope import Scope
from wireroom.perf.sql_slow import look_closer

_new_cursor = pysqlite3.Connection.cursor
"""Not by calling the class: the driver refers to each cursor, and lets go of dead ones only when it makes one
here. Source: pysqlite3 0.6, src/connection.c, `_pysqlite_drop_unused_cursor_references`."""
_execute = pysqlite3.Cursor.execute
_executemany = pysqlite3.Cursor.executemany
_fetchall = pysqlite3.Cursor.fetchall


class WatchedCursor(pysqlite3.Cursor):  # type: ignore[misc]  # the driver has no types
    """A cursor that notes what it sends; the time to fetch all rows is added to the statement's."""

    __slots__ = ("tally",)
    connection: WatchedConnection
    tally: Tally | None

    def execute(self, sql: str, parameters: Any = (), /) -> WatchedCursor:
        """Send one statement."""
        started = perf_counter_ns()
        _execute(self, sql, parameters)
        self.tally = self.connection.note(sql, started)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> WatchedCursor:
        """Send one statement for each set of values; noted as one."""
        started = perf_counter_ns()
        _executemany(self, sql, parameters)
        self.tally = self.connection.note(sql, started)
        return self

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        started = perf_counter_ns()
        rows: list[Any] = _fetchall(self)
        tally = self.tally
        if tally is not None:
            took = perf_counter_ns() - started
            tally.ns += took
            tally.rows += len(rows)
            if took > tally.alarm:
                self.connection.look(tally, took)
        return rows


class WatchedConnection(pysqlite3.Connection):  # type: ignore[misc]  # the driver has no types
    """A connection that one thread at a time uses."""

    scope: Scope | None = None
    """The request or job that the unit now running belongs to; set by the thread that runs it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Open it as its parent does."""
        super().__init__(*args, **options)
        self._recorder = Recorder()
        self._known = self._recorder.by_text
        # For what is read to its end at once: a cursor a statement costs as much as many a statement itself.
        self._own = _new_cursor(self)

    def cursor(self, factory: type[WatchedCursor] = WatchedCursor) -> WatchedCursor:
        """Return a new cursor, for SQLAlchemy."""
        cursor: WatchedCursor = super().cursor(factory)
        cursor.tally = None
        return cursor

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Send one statement and return the driver's cursor with its answer, which may be read later.

        The time to fetch more than the first row is not noted, see `rows`.
        """
        return self._send(_new_cursor(self), sql, parameters)

    def run(self, sql: str, parameters: Any = (), /) -> int:
        """Send one statement without an answer, and return how many rows it changed."""
        return int(self._send(self._own, sql, parameters).rowcount)

    def row(self, sql: str, parameters: Any = (), /) -> Any:
        """Send one statement whose answer is short, and return its first row, or None."""
        found = self._send(self._own, sql, parameters).fetchall()
        return found[0] if found else None

    def rows(self, sql: str, parameters: Any = (), /) -> list[Any]:
        """Send one statement and return all its rows, with the time to fetch them."""
        started = perf_counter_ns()
        found: list[Any] = self._own.execute(sql, parameters).fetchall()
        self.note(sql, started).rows += len(found)
        return found

    def _send(self, cursor: Any, sql: str, parameters: Any) -> Any:
        """Send one statement; the lines of `note` are repeated here, for this is the hot path."""
        started = perf_counter_ns()
        cursor.execute(sql, parameters)
        now = perf_counter_ns()
        took = now - started
        try:
            tally = self._known[sql]
        except KeyError:
            tally = self._recorder.tally_of(sql)
        tally.ns += took
        tally.counts[QUICK_BUCKETS[took >> 8] if took < QUICK_NS else bucket_of(took)] += 1
        if took > tally.alarm:
            self.look(tally, took)
        scope = self.scope
        if scope is not None:
            sent = scope.sent
            sent.append(tally)
            if len(sent) >= scope.batch:
                scope.look(now)
        return cursor

    def executemany(self, sql: str, parameters: Any, /) -> WatchedCursor:
        """Send one statement for each set of values; noted as one."""
        return self.cursor().executemany(sql, parameters)

    def note(self, sql: str, started_ns: int) -> Tally:
        """Note a statement that has ended now."""
        now = perf_counter_ns()
        took = now - started_ns
        tally = self._recorder.tally_of(sql)
        tally.add(took)
        if took > tally.alarm:
            self.look(tally, took)
        if self.scope is not None:
            self.scope.note(tally, now)
        return tally

    def close(self) -> None:
        """Close it as its parent does; its figures go with it."""
        self._recorder.retire()
        super().close()

    def look(self, tally: Tally, took_ns: int) -> None:
        """Look closer at a call that was slower than those before it."""
        look_closer(tally, took_ns, lambda tell: tell(plan_of(self, tally.text)))


def unwatched(connection: Any) -> Any:
    """Return a cursor of the connection whose statements are not noted."""
    return _new_cursor(connection)


def plan_of(connection: Any, sql: str) -> str:
    """Return SQLite's query plan of a statement, without its values; empty when it has none."""
    cursor = unwatched(connection)
    with contextlib.suppress(pysqlite3.Error):
        nothing = (None,) * sql.count("?") if "?" in sql else _Nothing()
        rows = cursor.execute(f"EXPLAIN QUERY PLAN {sql}", nothing).fetchall()
        return "\n".join(row[3] for row in rows)
    return ""


class _Nothing(dict[str, None]):
    """NULL for every named value: a plan does not follow from values."""

    def __missing__(self, name: str) -> None:
        return None
