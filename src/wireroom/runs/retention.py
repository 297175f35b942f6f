"""Deletes conversations that nobody has used for as long as the settings say, with all that hangs on them.

Deletes nothing that is not over: a conversation stays while a run of it waits or works, or an answer is still
to be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Column, Connection, Select, Table, delete, select

from wireroom.cache.changes import CONVERSATIONS_CHANGED
from wireroom.clock import Clock, to_ms
from wireroom.store.chore import repeat
from wireroom.store.database import Database, after_commit
from wireroom.store.schema import (
    agent_conversations,
    agent_messages,
    callbacks,
    conversations,
    deliveries,
    delivery_parts,
    messages,
    permissions,
    run_attempts,
    run_events,
    run_rounds,
    runs,
)

_log = structlog.get_logger(__name__)
_EVERY_SECONDS = 3600.0
_BATCH = 20
_OF_RUNS: tuple[Table, ...] = (run_events, run_rounds, run_attempts, permissions, callbacks)


async def forget_old_conversations(db: Database, clock: Clock, age: timedelta) -> None:
    """Delete what was last used longer than `age` ago, every hour, until cancelled."""

    async def forget_all() -> None:
        before_ms = to_ms(clock.now() - age)
        while forgotten := await db.write(lambda conn: forget_before(conn, before_ms, _BATCH)):
            _log.info("conversations_forgotten", conversations=forgotten)

    await repeat("retention", forget_all, _EVERY_SECONDS)


def forget_before(conn: Connection, before_ms: int, limit: int) -> int:
    """Delete at most so many conversations last used before that time; return how many went."""
    old = _old(conn, before_ms, limit)
    # As queries: the runs of twenty conversations may be more than a statement takes values.
    of_runs = select(runs.c.id).where(runs.c.conversation_id.in_(old))
    of_deliveries = select(deliveries.c.id).where(deliveries.c.run_id.in_(of_runs))
    _delete(conn, delivery_parts.c.delivery_id, of_deliveries)
    _delete(conn, deliveries.c.run_id, of_runs)
    for table in _OF_RUNS:
        _delete(conn, table.c.run_id, of_runs)
    _delete(conn, runs.c.id, of_runs)
    _delete(conn, messages.c.conversation_id, old)
    _delete(conn, conversations.c.id, old)
    after_commit(conn, CONVERSATIONS_CHANGED)
    aged = select(agent_conversations.c.id).where(agent_conversations.c.active_at < before_ms).limit(limit)
    voices = conn.execute(aged).scalars().all()
    _delete(conn, agent_messages.c.conversation_id, voices)
    _delete(conn, agent_conversations.c.id, voices)
    return len(old) + len(voices)


def _old(conn: Connection, before_ms: int, limit: int) -> Sequence[str]:
    at_work = select(runs.c.id).where(
        runs.c.conversation_id == conversations.c.id, runs.c.state.in_(("queued", "running"))
    )
    unsent = (
        select(deliveries.c.id)
        .join(runs, deliveries.c.run_id == runs.c.id)
        .where(runs.c.conversation_id == conversations.c.id, deliveries.c.state.in_(("waiting", "pending")))
    )
    untold = (
        select(callbacks.c.id)
        .join(runs, callbacks.c.run_id == runs.c.id)
        .where(
            runs.c.conversation_id == conversations.c.id,
            callbacks.c.state.in_(("waiting", "pending", "sending")),
        )
    )
    query = select(conversations.c.id).where(
        conversations.c.active_at < before_ms, ~at_work.exists(), ~unsent.exists(), ~untold.exists()
    )
    return conn.execute(query.order_by(conversations.c.active_at).limit(limit)).scalars().all()


def _delete(conn: Connection, column: Column[Any], values: Sequence[str] | Select[Any]) -> None:
    conn.execute(delete(column.table).where(column.in_(values)))
