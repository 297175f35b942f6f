"""Every list and look-up of the API is served by an index, however much there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, event

from wireroom.api import chat_view
from wireroom.conversations import summaries as conversations
from wireroom.delivery import queries as deliveries
from wireroom.runs import events
from wireroom.runs import summaries as runs
from wireroom.store.database import driver
from wireroom.store.sqlite import SqliteDatabase

Query = Callable[[Connection], object]

QUERIES: dict[str, tuple[Query, set[str]]] = {
    "places": (lambda c: chat_view.places(c, "l"), {"ix_runs_unfinished"}),
    "where to watch from": (lambda c: chat_view.watch_start(c, "l"), {"ix_runs_lane", "ix_runs_unfinished"}),
    "watched runs": (lambda c: chat_view.watched_runs(c, "l", 5, {}), {"ix_runs_lane"}),
    "a conversation's runs": (lambda c: chat_view.conversation_rows(c, "x", 5), {"ix_runs_conversation"}),
    "some runs": (lambda c: chat_view.rows_of(c, ["a", "b"]), {"sqlite_autoindex_runs_1"}),
    "a log": (lambda c: events.read_events(c, "x"), {"run_events USING PRIMARY KEY"}),
    "conversations": (
        lambda c: conversations.list_conversations(c, "l", limit=5, offset=0),
        {"ix_conversations_lane"},
    ),
    "count of conversations": (
        lambda c: conversations.count_conversations(c, "l"),
        {"ix_conversations_lane"},
    ),
    "current conversation": (
        lambda c: conversations.current_summary(c, "l"),
        {"uq_conversations_current"},
    ),
    "runs": (
        lambda c: runs.list_summaries(c, lane=None, state=None, limit=5, offset=0),
        {"ix_runs_queued_at"},
    ),
    "runs of a lane": (
        lambda c: runs.list_summaries(c, lane="l", state=None, limit=5, offset=0),
        {"ix_runs_lane"},
    ),
    "runs in a state": (
        lambda c: runs.list_summaries(c, lane=None, state="failed", limit=5, offset=0),
        {"ix_runs_state"},
    ),
    "dead letters": (lambda c: deliveries.list_deliveries(c, state="dead"), {"ix_deliveries_state"}),
    "count of dead letters": (
        lambda c: deliveries.count_deliveries(c, state="dead"),
        {"ix_deliveries_state"},
    ),
    "where a run answers": (lambda c: deliveries.recipient_of_run(c, "x"), {"ix_deliveries_run"}),
}


@pytest.mark.parametrize("name", QUERIES)
async def test_query_uses_its_index(database: SqliteDatabase, name: str) -> None:
    """The plan names the index, and no table is scanned row by row."""
    query, indexes = QUERIES[name]
    plan = await database.read(lambda conn: _plan(conn, query))
    assert {index for index in indexes if any(index in step for step in plan)} == indexes, plan
    assert not [step for step in plan if step.startswith("SCAN") and "USING" not in step], plan


def _plan(conn: Connection, query: Query) -> list[str]:
    statements: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        statements.append((statement, parameters))

    event.listen(conn, "before_cursor_execute", note)
    try:
        query(conn)
    finally:
        event.remove(conn, "before_cursor_execute", note)
    raw = driver(conn)
    return [
        str(row[3])
        for statement, parameters in statements
        for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    ]
