"""No unfinished run is without a job: only its job's handler can bring it to an end."""

from __future__ import annotations

from sqlalchemy import Connection, select, text

from wireroom.jobs.port import Jobs
from wireroom.runs.records import KIND, QUEUE
from wireroom.store.schema import runs

_UNFINISHED = text("state IN ('queued', 'running')")


def ensure_job(conn: Connection, jobs: Jobs, run_id: str, lane: str) -> bool:
    """Give an unfinished run a job if none waits or runs, reviving a dead one; True when it had none."""
    if jobs.is_pending(conn, kind=KIND, ref=run_id):
        return False
    if not jobs.retry_dead(conn, kind=KIND, ref=run_id):
        jobs.enqueue(conn, queue=QUEUE, kind=KIND, ref=run_id, key=lane)
    return True


def find_orphans(conn: Connection, jobs: Jobs) -> list[str]:
    """Return the unfinished runs that no job points at, oldest first."""
    query = select(runs.c.id).where(_UNFINISHED).order_by(runs.c.queued_at, runs.c.id)
    pending = jobs.pending_refs(conn, kind=KIND)
    return [run_id for run_id in conn.scalars(query) if run_id not in pending]


def adopt_orphans(conn: Connection, jobs: Jobs, run_ids: list[str]) -> list[str]:
    """Give each of these runs a job, unless it has ended or got one meanwhile; return those that did."""
    query = (
        select(runs.c.id, runs.c.lane)
        .where(runs.c.id.in_(run_ids), _UNFINISHED)
        .order_by(runs.c.queued_at, runs.c.id)
        .with_for_update()
    )
    return [run.id for run in conn.execute(query).all() if ensure_job(conn, jobs, run.id, run.lane)]
