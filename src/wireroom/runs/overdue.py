"""Gives up the runs whose turn did not come in time, without waiting for it.

The executor looks at the deadline, too, but only when the turn has come: behind a run that works for hours,
chat and caller would be told hours late.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection, select

from wireroom.clock import Clock, to_ms
from wireroom.jobs.port import Jobs
from wireroom.runs.endings import end_without_agent
from wireroom.runs.feed import Feed, lane_topic, run_topic
from wireroom.runs.records import KIND
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict, spoken
from wireroom.store.chore import repeat
from wireroom.store.database import Database, after_commit
from wireroom.store.schema import runs
from wireroom.store.statement import Statement

_EVERY_SECONDS = 15.0
_BATCH = 50
_log = structlog.get_logger(__name__)

FIND_OVERDUE = Statement("""
    SELECT id FROM runs
    WHERE state = 'queued' AND queued_at < :before_ms AND started_at IS NULL AND cancel_requested_at IS NULL
    ORDER BY queued_at LIMIT :most
""")
"""The runs that have waited longest and never began."""


class Overdue:
    """Ends the runs that have waited longer than the limit for their first start."""

    def __init__(self, db: Database, jobs: Jobs, clock: Clock, feed: Feed, *, limit: timedelta) -> None:
        """Keep the neighbours."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._feed = feed
        self._limit = limit

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        await repeat("overdue runs", self.look, _EVERY_SECONDS)

    async def look(self) -> None:
        """End all that are overdue now, in batches; a look that finds none writes nothing."""
        while await self._db.read(self._find):
            if not (ended := await self._db.write(self._end_batch)):
                return
            _log.warning("runs_waited_too_long", run_ids=ended)

    def _find(self, conn: Connection) -> Sequence[str]:
        before_ms = to_ms(self._clock.now() - self._limit)
        return [run_id for (run_id,) in FIND_OVERDUE.rows(conn, before_ms=before_ms, most=_BATCH)]

    def _end_batch(self, conn: Connection) -> Sequence[str]:
        return [run_id for run_id in self._find(conn) if self._end(conn, run_id)]

    def _end(self, conn: Connection, run_id: str) -> bool:
        """End it with its job and tell whoever asked; False when it has begun or ended meanwhile."""
        query = select(runs.c.state, runs.c.lane).where(runs.c.id == run_id).with_for_update()
        row = conn.execute(query).first()
        if row is None or row.state != RunState.QUEUED.value:
            return False
        self._jobs.cancel(conn, kind=KIND, ref=run_id)
        end_without_agent(conn, self._jobs, run_id, too_late(self._limit), to_ms(self._clock.now()))
        for topic in (run_topic(run_id), lane_topic(row.lane)):
            after_commit(conn, partial(self._feed.publish, topic))
        return True


def too_late(limit: timedelta) -> Verdict:
    """Return how a run ends that waited longer than the limit. Pure."""
    reason = f"Its turn did not come within {spoken(limit)}, so it was given up."
    return Verdict(RunState.FAILED, "", reason, None, "queue_timeout")
