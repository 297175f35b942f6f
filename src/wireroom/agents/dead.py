"""Dead letters among agents' calls, of all queues together: listed, counted, discarded many in one go.

To try them again is `calls.Calls.retry_all`, since that admits them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, update

from wireroom.agents.calls import CallState
from wireroom.agents.queries import CALL_COLUMNS, CallView
from wireroom.store.schema import agent_calls
from wireroom.store.statement import Statement

_NEWEST = Statement(f"""
    SELECT {CALL_COLUMNS} FROM agent_calls WHERE state = 'dead' AND id < :before ORDER BY id DESC LIMIT :limit
""")
"""Dead calls, newest first."""

_COUNT = Statement("SELECT count(*) FROM agent_calls WHERE state = 'dead'")
"""How many calls are dead."""

_IDS = Statement("SELECT id FROM agent_calls WHERE state = 'dead' AND id > :after ORDER BY id LIMIT :limit")
"""Dead calls from a number on, oldest first."""

DISCARDED = "Discarded as a dead letter."
"""The reason of a call that somebody gave up for good."""


def list_dead_calls(conn: Connection, *, limit: int, before: int) -> Sequence[CallView]:
    """Return dead calls below the number `before`, newest first."""
    return [CallView(*row) for row in _NEWEST.rows(conn, limit=limit, before=before)]


def count_dead_calls(conn: Connection) -> int:
    """Return how many calls are dead."""
    return int(_COUNT.value(conn))


def dead_call_ids(conn: Connection, *, after: int, limit: int) -> Sequence[int]:
    """Return the ids of dead calls above `after`, oldest first."""
    return [row[0] for row in _IDS.rows(conn, after=after, limit=limit)]


def discard_dead_calls(conn: Connection, ids: Collection[int]) -> Sequence[int]:
    """Cancel dead calls and forget what they would have sent; return those that were dead, oldest first."""
    done = conn.execute(
        update(agent_calls)
        .where(agent_calls.c.id.in_(ids), agent_calls.c.state == CallState.DEAD)
        .values(state=CallState.CANCELLED, request=None, reason=DISCARDED)
        .returning(agent_calls.c.id)
    )
    return sorted(done.scalars())
