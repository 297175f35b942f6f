"""Lists of conversations walk an index in its order and stop at their limit: no table is read or sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from wireroom.conversations.agent import AgentOrder, page_of_agent_conversations
from wireroom.conversations.listing import count_all_conversations, page_of_conversations
from wireroom.store.database import driver
from wireroom.store.sqlite import engine_for

Read = Callable[[Connection], object]


def _notes(lane: str | None, *, newest_first: bool) -> Read:
    return lambda conn: page_of_conversations(conn, lane=lane, limit=5, offset=5, newest_first=newest_first)


def _agents(order: AgentOrder, *, descending: bool) -> Read:
    return lambda conn: page_of_agent_conversations(
        conn, order=order, descending=descending, limit=5, offset=5
    )


LISTS: dict[str, Read] = {
    "all, newest first": _notes(None, newest_first=True),
    "all, oldest first": _notes(None, newest_first=False),
    "of a queue": _notes("queue:api", newest_first=True),
    "count": count_all_conversations,
    "count of a queue": lambda conn: count_all_conversations(conn, "queue:api"),
    **{f"agents by {order}": _agents(order, descending=True) for order in AgentOrder},
    **{f"agents by {order}, upwards": _agents(order, descending=False) for order in AgentOrder},
}


@pytest.fixture
def engine(database_path: Path) -> Iterator[Engine]:
    """Lend the engine of an empty, migrated file."""
    engine = engine_for(database_path, synchronous="NORMAL")
    yield engine
    engine.dispose()


@pytest.mark.parametrize("name", LISTS)
def test_list_is_read_by_index(engine: Engine, name: str) -> None:
    """Every step of the plan goes by an index; at most entries of one equal time are sorted."""
    with engine.connect() as conn:
        sent: list[str] = []
        raw = driver(conn)
        raw.set_trace_callback(sent.append)
        LISTS[name](conn)
        raw.set_trace_callback(None)
        [statement] = [sql for sql in sent if sql.startswith("SELECT")]
        steps = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]

    assert steps
    assert [step for step in steps if "INDEX" not in step and "LAST TERM" not in step] == []
