"""Stops a run that works, or takes one that waits out of the queue."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection, select, update

from wireroom.jobs.port import CancelResult, Jobs
from wireroom.runs.events import append_events, state_event
from wireroom.runs.orphans import ensure_job
from wireroom.runs.records import KIND
from wireroom.runs.states import RunState
from wireroom.runs.telling import tell_end
from wireroom.store.schema import runs


class Cancelled(StrEnum):
    """What a wish to cancel found."""

    STOPPING = "stopping"
    """It is running and is being stopped."""
    REMOVED = "removed"
    """It was waiting and will not run."""
    OVER = "over"
    """It had ended."""
    UNKNOWN = "unknown"


def cancel_run(conn: Connection, jobs: Jobs, run_id: str, now_ms: int) -> Cancelled:
    """Stop a running run, or take a waiting one out of the queue and say so where it was asked."""
    query = select(runs.c.state, runs.c.epoch, runs.c.lane).where(runs.c.id == run_id).with_for_update()
    row = conn.execute(query).first()
    if row is None:
        return Cancelled.UNKNOWN
    if RunState(row.state).is_final:
        return Cancelled.OVER
    conn.execute(update(runs).where(runs.c.id == run_id).values(cancel_requested_at=now_ms))
    has_begun = row.state == RunState.RUNNING.value
    found = jobs.cancel(conn, kind=KIND, ref=run_id, keep=has_begun)
    if has_begun:
        # Its job's next start ends the run and what a crash left of its agent; nothing else would.
        ensure_job(conn, jobs, run_id, row.lane)
        return Cancelled.STOPPING
    if found is CancelResult.REQUESTED:
        return Cancelled.STOPPING
    append_events(
        conn, run_id, row.epoch, [state_event(RunState.CANCELLED, "Taken out of the queue.")], now_ms
    )
    conn.execute(
        update(runs)
        .where(runs.c.id == run_id)
        .values(state=RunState.CANCELLED, reason="Taken out of the queue.", finished_at=now_ms)
    )
    tell_end(conn, jobs, run_id, "⏹ Taken out of the queue.", now_ms=now_ms)
    return Cancelled.REMOVED
