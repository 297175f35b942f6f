"""The `Jobs` port on the SQLite file: what a room may do to jobs inside its unit of work.

Any process may use it; only the one that owns the file's work runs an `EmbeddedWorker` beside it. The SQL is
in `store.job_rows`; the loop that runs jobs is in `jobs.embedded_worker`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.jobs.embedded_worker import EmbeddedWorker
from wireroom.jobs.port import CancelResult, Demand, Job, JobRef, QueueCounts, lost_claim
from wireroom.store import job_rows
from wireroom.store.database import after_commit, driver

__all__ = ["EmbeddedJobs", "EmbeddedWorker"]

_COUNTED_AS = {"behind": "waiting"}


class EmbeddedJobs:
    """Jobs as rows of the same SQLite file."""

    def __init__(self, clock: Clock, worker: EmbeddedWorker | None = None) -> None:
        """Serve a process.

        Args:
            clock: Where `now` comes from.
            worker: The worker of this process, told at once of what commits; None in a process that only
                enqueues (the owner then notices within about 0.3 s).
        """
        self._clock = clock
        self._worker = worker

    def enqueue(
        self,
        conn: Connection,
        *,
        queue: str,
        kind: str,
        ref: str,
        key: str | None = None,
        priority: int = 0,
        run_at: datetime | None = None,
        dedupe: str | None = None,
    ) -> bool:
        """Add a job in the caller's transaction; see `Jobs.enqueue`."""
        now_ms = to_ms(self._clock.now())
        added = job_rows.insert(
            driver(conn),
            queue=queue,
            kind=kind,
            ref=ref,
            key=key,
            priority=priority,
            run_at_ms=now_ms if run_at is None else to_ms(run_at),
            dedupe=dedupe,
            now_ms=now_ms,
        )
        if added:
            self._wake_after(conn, queue)
        return added

    def enqueue_all(self, conn: Connection, jobs: Sequence[JobRef], *, queue: str, kind: str) -> None:
        """Add jobs that are due at once; see `Jobs.enqueue_all`."""
        if jobs:
            job_rows.insert_due(driver(conn), jobs, queue=queue, kind=kind, now_ms=to_ms(self._clock.now()))
            self._wake_after(conn, queue)

    def check_claim(self, conn: Connection, job: Job) -> None:
        """Accept: one process owns the file's work, and takes no job from a handler that runs."""

    def finish(self, conn: Connection, job: Job) -> None:
        """Finish the job in the caller's transaction; see `Jobs.finish`."""
        if not job_rows.remove_one(driver(conn), job_rows.Claim(job.id, job.epoch)):
            raise lost_claim(job)

    def cancel(self, conn: Connection, *, kind: str, ref: str, keep: bool = False) -> CancelResult:
        """Remove the waiting job, or ask the running one to stop; see `Jobs.cancel`."""
        raw = driver(conn)
        result = CancelResult.ABSENT
        for row in job_rows.by_ref(raw, kind, ref):
            if row.state == "running":
                job_rows.request_cancel(raw, row.id)
                result = CancelResult.REQUESTED
                if self._worker is not None:
                    after_commit(conn, partial(self._worker.stop_requested, kind=kind, ref=ref))
            elif row.state != "dead":
                taken = self._hasten(conn, row) if keep else self._remove(conn, row)
                if result is CancelResult.ABSENT:
                    result = taken
        return result

    def is_pending(self, conn: Connection, *, kind: str, ref: str) -> bool:
        """Tell whether such a job waits or runs; see `Jobs.is_pending`."""
        return any(row.state != "dead" for row in job_rows.by_ref(driver(conn), kind, ref))

    def pending_refs(self, conn: Connection, *, kind: str) -> set[str]:
        """Return what such jobs point at; see `Jobs.pending_refs`."""
        return job_rows.pending_refs(driver(conn), kind)

    def retry_dead(self, conn: Connection, *, kind: str, ref: str) -> bool:
        """Put the dead job back to waiting; see `Jobs.retry_dead`."""
        raw = driver(conn)
        dead = [row for row in job_rows.by_ref(raw, kind, ref) if row.state == "dead"]
        for row in dead:
            job_rows.revive(raw, row.id, to_ms(self._clock.now()))
        if dead:
            self._wake_after(conn)
        return bool(dead)

    def discard_dead(self, conn: Connection, *, kind: str, ref: str) -> bool:
        """Remove the dead job; see `Jobs.discard_dead`."""
        raw = driver(conn)
        dead = [row for row in job_rows.by_ref(raw, kind, ref) if row.state == "dead"]
        for row in dead:
            job_rows.delete(raw, row.id)
        return bool(dead)

    def discard_all_dead(self, conn: Connection, *, kind: str, refs: Sequence[str]) -> None:
        """Remove the dead jobs of these refs; see `Jobs.discard_all_dead`."""
        job_rows.delete_dead(driver(conn), kind, refs)

    def counts(self, conn: Connection) -> Mapping[str, QueueCounts]:
        """Return live counts by queue name; see `Jobs.counts`."""
        totals: dict[str, QueueCounts] = {}
        for queue, state, count in job_rows.counts(driver(conn), to_ms(self._clock.now())):
            name = _COUNTED_AS.get(state, state)
            before = totals.get(queue, QueueCounts())
            totals[queue] = replace(before, **{name: getattr(before, name) + count})
        return totals

    def oldest_due(self, conn: Connection) -> Mapping[str, int]:
        """Return, by queue, since when the job that waits longest is due; see `Jobs.oldest_due`."""
        return job_rows.oldest_due(driver(conn), to_ms(self._clock.now()))

    def demand(self, conn: Connection) -> Mapping[str, Demand]:
        """Return, by queue, what could keep a slot busy now; see `Jobs.demand`."""
        rows = job_rows.demand(driver(conn), to_ms(self._clock.now()))
        return {queue: Demand(running, startable, due_ms) for queue, running, startable, due_ms in rows}

    def _remove(self, conn: Connection, row: job_rows.Found) -> CancelResult:
        raw = driver(conn)
        job_rows.delete(raw, row.id)
        if row.key is not None:
            job_rows.release(raw, [row.key])
            self._wake_after(conn)
        return CancelResult.REMOVED

    def _hasten(self, conn: Connection, row: job_rows.Found) -> CancelResult:
        job_rows.hasten(driver(conn), row.id, to_ms(self._clock.now()))
        self._wake_after(conn)
        return CancelResult.HASTENED

    def _wake_after(self, conn: Connection, queue: str | None = None) -> None:
        """Have the worker look at the queue, or at all of them, once this is committed."""
        if self._worker is not None:
            after_commit(conn, self._worker.wake if queue is None else self._worker.waker(queue))
