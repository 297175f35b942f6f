"""Notes every statement that is sent to PostgreSQL, as `store.watched` does on SQLite.

Those of units are told by SQLAlchemy, those of the job engine, which has its own connections, by its cursors.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Self

from psycopg import AsyncCursor
from sqlalchemy import Connection, Engine, event

from wireroom.perf.sql import Recorder
from wireroom.perf.sql_scope import current_scope
from wireroom.perf.sql_slow import look_closer

Look = Callable[[str, Callable[[str], None]], None]
"""Looks up the plan of a statement and calls back with it."""

_SENT_AT = "wireroom_sent_at"
_BOUND = re.compile(r"%\((\w+)\)s")
_EXPLAINED = re.compile(r"\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


class StatementWatch:
    """The statements of one engine; all are sent from the event loop's thread."""

    def __init__(self, engine: Engine, look: Look) -> None:
        """Begin to note what the engine sends."""
        self._recorder = Recorder()
        self._look = look
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)

    def close(self) -> None:
        """Be counted no longer."""
        self._recorder.retire()

    def _before(self, conn: Connection, *_: Any) -> None:
        conn.info[_SENT_AT] = perf_counter_ns()

    def _after(self, conn: Connection, cursor: Any, sql: str, *_: Any) -> None:
        self.note(sql, conn.info[_SENT_AT], cursor.rowcount)

    def note(self, sql: str, started_ns: int, rows: int) -> None:
        """Note a statement that has ended now; `rows` as the driver counts them."""
        now = perf_counter_ns()
        took = now - started_ns
        tally = self._recorder.tally_of(sql)
        tally.add(took)
        tally.rows += max(0, rows)
        if took > tally.alarm:
            look_closer(tally, took, lambda tell: self._look(sql, tell))
        scope = current_scope()
        if scope is not None:
            scope.note(tally, now)


class NotedCursor(AsyncCursor[Any]):
    """A cursor of psycopg that notes what it sends."""

    def __init__(self, *args: Any, watch: StatementWatch, **options: Any) -> None:
        """Open it as its parent does; `watch` notes."""
        super().__init__(*args, **options)
        self._watch = watch

    async def execute(self, query: Any, *args: Any, **options: Any) -> Self:
        """Send one statement."""
        started = perf_counter_ns()
        await super().execute(query, *args, **options)
        if isinstance(query, str):
            self._watch.note(query, started, self.rowcount)
        return self


def plan_of(conn: Connection, sql: str) -> str:
    """Return PostgreSQL's plan of a statement without its values; empty when it has none.

    Source: PostgreSQL manual, EXPLAIN, GENERIC_PLAN (16 and later); below that the server refuses.
    """
    if _EXPLAINED.match(sql) is None:
        return ""
    numbers: dict[str, int] = {}
    said = _BOUND.sub(lambda name: f"${numbers.setdefault(name[1], len(numbers) + 1)}", sql).replace(
        "%%", "%"
    )
    cursor = conn.connection.cursor()
    try:
        # Straight to the driver: the text has no values, and must not be noted as a statement of a room.
        cursor.execute(f"EXPLAIN (GENERIC_PLAN) {said}")
        return "\n".join(str(row[0]) for row in cursor.fetchall())
    finally:
        cursor.close()
