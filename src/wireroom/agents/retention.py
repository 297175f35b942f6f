"""Forgets calls that were over long ago, and the one-time agents and queues that nothing is left of."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection, text

from wireroom.agents import statements as sql
from wireroom.agents.admission import hold_queues
from wireroom.clock import Clock, to_ms
from wireroom.store.chore import repeat
from wireroom.store.database import Database
from wireroom.store.statement import Statement

_EVERY_SECONDS = 3600.0
_BATCH = 1_000
_log = structlog.get_logger(__name__)

_FORGET_CALLS = Statement("""
    DELETE FROM agent_calls WHERE id IN (
        SELECT id FROM agent_calls WHERE finished_at IS NOT NULL AND finished_at < :before_ms
        ORDER BY finished_at LIMIT :most)
""")
"""Forget the calls that ended first."""

_FORGET_AGENTS = text("""
    DELETE FROM agents WHERE id IN (
        SELECT a.id FROM agents AS a
        WHERE a.schedule IS NULL AND a.updated_at < :before_ms
            AND NOT EXISTS (SELECT 1 FROM agent_calls AS c WHERE c.agent_id = a.id)
        LIMIT :most)
        AND schedule IS NULL AND updated_at < :before_ms
""")
"""Forget one-time agents without any call."""


_UNUSED_QUEUES = text("""
    SELECT name FROM queues AS q
    WHERE name <> 'default' AND kept = 0 AND paused = 0 AND created_at < :before_ms
        AND NOT EXISTS (SELECT 1 FROM agents AS a WHERE a.queue = q.name)
        AND NOT EXISTS (SELECT 1 FROM agent_calls AS c WHERE c.queue = q.name)
    LIMIT :most
""")
"""Queues that were made on first use, and that nothing is left of."""


async def forget_old_calls(db: Database, clock: Clock, age: timedelta) -> None:
    """Forget what ended longer than `age` ago, every hour, until cancelled."""

    async def forget() -> None:
        before_ms = to_ms(clock.now() - age)
        while forgotten := await db.write(partial(forget_before, before_ms=before_ms)):
            _log.info("agent_calls_forgotten", rows=forgotten)

    await repeat("agent calls", forget, _EVERY_SECONDS)


def forget_before(conn: Connection, before_ms: int) -> int:
    """Forget a batch of what ended before then; return how many rows went."""
    calls = _FORGET_CALLS.run(conn, before_ms=before_ms, most=_BATCH)
    agents = conn.execute(_FORGET_AGENTS, {"before_ms": before_ms, "most": _BATCH})
    unused = conn.execute(_UNUSED_QUEUES, {"before_ms": before_ms, "most": _BATCH}).scalars().all()
    hold_queues(conn, *unused)
    queues = sum(sql.DROP_QUEUE_IF_UNUSED.run(conn, name=name) for name in unused)
    return calls + agents.rowcount + queues
