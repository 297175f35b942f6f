"""The `Jobs` port on PostgreSQL: Procrastinate's tables, written on the connection of the caller's unit.

key → lock, dedupe → queueing lock, priority with the sign turned (Procrastinate runs the highest first).
Jobs go in through Procrastinate's own function, so its NOTIFY wakes the workers when the unit commits. The
statements are in `store.job_rows_postgres`; the worker is in `jobs.procrastinate_worker`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from wireroom.clock import Clock, to_ms
from wireroom.jobs.port import CancelResult, Demand, Job, JobRef, QueueCounts, lost_claim
from wireroom.jobs.procrastinate_worker import ProcrastinateWorker
from wireroom.store import job_rows_postgres as rows

__all__ = ["ProcrastinateJobs", "ProcrastinateWorker"]


class ProcrastinateJobs:
    """Jobs as rows of Procrastinate in the same PostgreSQL database."""

    def __init__(self, clock: Clock) -> None:
        """Serve a process; `clock` only stamps when a job was enqueued."""
        self._clock = clock

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
        values = {
            "queue": queue,
            "kind": kind,
            "ref": ref,
            "key": key,
            "priority": -priority,
            "run_at": run_at,
            "dedupe": dedupe,
            "at": to_ms(self._clock.now()),
        }
        if dedupe is None:
            conn.execute(rows.ENQUEUE, values)
            return True
        try:
            with conn.begin_nested():
                conn.execute(rows.ENQUEUE, values)
        except IntegrityError as error:
            if rows.DEDUPE_INDEX in str(error.orig):
                return False
            raise
        return True

    def enqueue_all(self, conn: Connection, jobs: Sequence[JobRef], *, queue: str, kind: str) -> None:
        """Add jobs that are due at once; see `Jobs.enqueue_all`."""
        for job in jobs:
            self.enqueue(conn, queue=queue, kind=kind, ref=job.ref, key=job.key)

    def check_claim(self, conn: Connection, job: Job) -> None:
        """Refuse a unit of an older claim; see `Jobs.check_claim`."""
        if conn.execute(rows.CHECK_CLAIM, {"id": job.id, "attempts": job.epoch - 1}).first() is None:
            raise lost_claim(job)

    def finish(self, conn: Connection, job: Job) -> None:
        """Mark the job as finished in the caller's transaction; see `Jobs.finish`.

        The row, and with it the key, stays until the handler has returned; after a crash in between it is
        removed and not run again.
        """
        done = conn.execute(rows.FINISH_IN_UNIT, {"id": job.id, "attempts": job.epoch - 1})
        if not done.rowcount:
            raise lost_claim(job)

    def cancel(self, conn: Connection, *, kind: str, ref: str, keep: bool = False) -> CancelResult:
        """Remove the waiting job, or ask the running one to stop; see `Jobs.cancel`."""
        result = CancelResult.ABSENT
        for row in conn.execute(rows.BY_REF, {"kind": kind, "ref": ref}).all():
            if row.status == "doing":
                result = CancelResult.REQUESTED
            elif row.status == "todo" and result is CancelResult.ABSENT:
                result = CancelResult.HASTENED if keep else CancelResult.REMOVED
            if row.status in {"todo", "doing"}:
                change = rows.HASTEN if keep and row.status == "todo" else rows.CANCEL
                conn.execute(change, {"id": row.id})
                self._notify(conn, row.queue_name, row.id)
        return result

    def is_pending(self, conn: Connection, *, kind: str, ref: str) -> bool:
        """Tell whether such a job waits or runs; see `Jobs.is_pending`."""
        return bool(conn.scalar(rows.PENDING, {"kind": kind, "ref": ref}))

    def pending_refs(self, conn: Connection, *, kind: str) -> set[str]:
        """Return what such jobs point at; see `Jobs.pending_refs`."""
        return set(conn.scalars(rows.PENDING_REFS, {"kind": kind}))

    def retry_dead(self, conn: Connection, *, kind: str, ref: str) -> bool:
        """Put the dead job back to waiting; see `Jobs.retry_dead`."""
        revived = conn.execute(rows.REVIVE, {"kind": kind, "ref": ref}).all()
        for row in revived:
            self._notify(conn, row.queue_name, row.id)
        return bool(revived)

    def discard_dead(self, conn: Connection, *, kind: str, ref: str) -> bool:
        """Remove the dead job; see `Jobs.discard_dead`."""
        return bool(conn.execute(rows.DISCARD, {"kind": kind, "ref": ref}).rowcount)

    def discard_all_dead(self, conn: Connection, *, kind: str, refs: Sequence[str]) -> None:
        """Remove the dead jobs of these refs; see `Jobs.discard_all_dead`."""
        conn.execute(rows.DISCARD_ALL, {"kind": kind, "refs": list(refs)})

    def counts(self, conn: Connection) -> Mapping[str, QueueCounts]:
        """Return live counts by queue name; see `Jobs.counts`."""
        totals: dict[str, QueueCounts] = {}
        for queue, state, count in conn.execute(rows.COUNTS):
            totals[queue] = replace(totals.get(queue, QueueCounts()), **{state: count})
        return totals

    def oldest_due(self, conn: Connection) -> Mapping[str, int]:
        """Return, by queue, since when the job that waits longest is due; see `Jobs.oldest_due`."""
        return {queue: int(due_ms) for queue, due_ms in conn.execute(rows.OLDEST_DUE)}

    def demand(self, conn: Connection) -> Mapping[str, Demand]:
        """Return, by queue, what could keep a slot busy now; see `Jobs.demand`."""
        return {
            queue: Demand(running, startable, None if due_ms is None else int(due_ms))
            for queue, running, startable, due_ms in conn.execute(rows.DEMAND)
        }

    @staticmethod
    def _notify(conn: Connection, queue: str, row_id: int) -> None:
        """Wake the queue's workers at the commit; Procrastinate itself only does so for new rows."""
        conn.execute(rows.NOTIFY, {"queue": queue, "id": row_id})
