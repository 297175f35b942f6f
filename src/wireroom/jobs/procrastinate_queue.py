"""Procrastinate's worker for one queue, with our rules of how a job ends.

Procrastinate brings the loop, LISTEN, heartbeats and aborts; added are endings by `jobs.endings`, batches and
fences by `jobs.procrastinate_manager`, and side tasks that survive a lost connection.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.job_context import AbortReason, JobContext
from procrastinate.jobs import Job as Row
from procrastinate.worker import Worker as StockWorker

from wireroom.clock import Clock, to_ms
from wireroom.jobs.crew import log_failure
from wireroom.jobs.endings import Ending, StopReason, after_failure, after_outcome, after_stop
from wireroom.jobs.port import Dead, Done, Handler, Job, QueueSpec, RunAgainAt
from wireroom.jobs.procrastinate_manager import FencedJobManager
from wireroom.jobs.tallies import QueueTally
from wireroom.perf.sql_scope import Scope
from wireroom.store import job_rows_postgres as rows

CLEAN_UP_SECONDS = 3.0
_ABORT_POLL_SECONDS = 1.0
_REASONS = {AbortReason.USER_REQUEST: StopReason.CANCEL, AbortReason.SHUTDOWN: StopReason.DRAIN}


class QueueWorker(StockWorker):
    """Procrastinate's worker for one queue, with our rules of how a job ends."""

    def __init__(
        self,
        connector: PsycopgConnector,
        spec: QueueSpec,
        handlers: Mapping[str, Handler],
        clock: Clock,
        *,
        draw: Callable[[], float],
        heartbeat: float,
        stalled_after: float,
    ) -> None:
        """Prepare; see `ProcrastinateWorker` for the arguments, durations in seconds."""
        app = App(connector=connector)
        perform: Any = self._perform
        app.task(name=rows.TASK, pass_context=True)(perform)
        super().__init__(
            app,
            queues=[spec.name],
            name=f"{socket.gethostname()}:{os.getpid()}:{spec.name}",
            concurrency=spec.concurrency,
            abort_job_polling_interval=_ABORT_POLL_SECONDS,
            # Until a drain says otherwise: a `run` that is cancelled does not wait for its handlers.
            shutdown_graceful_timeout=0.0,
            install_signal_handlers=False,
            update_heartbeat_interval=heartbeat,
            stalled_worker_timeout=stalled_after,
        )
        self.queue = spec.name
        self.drains = spec.drains
        self._tally = QueueTally(spec)
        self.manager = FencedJobManager(
            connector,
            queue=spec.name,
            kinds=handlers,
            free_slots=self._room,
            held_seconds=self._tally.seconds_held,
            wake_in=self._wake_in,
        )
        app.job_manager = self.manager
        self._spec = spec
        self._handlers = handlers
        self._clock = clock
        self._draw = draw
        self._strays: set[int] = set()
        self._alarm: asyncio.TimerHandle | None = None

    def stop_ref(self, kind: str, ref: str) -> bool:
        """Cancel the handlers of (kind, ref); False when none is at work here."""
        found = [
            (task, context)
            for task, context in self._running_jobs.items()
            if context.job.task_kwargs["kind"] == kind and context.job.task_kwargs["ref"] == ref
        ]
        for task, context in found:
            if context.job.id not in self._job_ids_to_abort:
                self._abort_job(task, context, AbortReason.USER_REQUEST)
        return bool(found)

    def look_now(self) -> None:
        """Look for jobs to claim, whatever was found before."""
        self._wake()

    def is_idle(self) -> bool:
        """Return whether nothing is at work here and nothing was due at the last look."""
        return self.manager.found_nothing and not self._running_jobs

    def _room(self) -> int:
        free, pace = self._spec.concurrency - len(self._running_jobs), self._spec.pace
        return free if pace is None else pace.room(free)

    async def _perform(self, context: JobContext, **_: Any) -> None:
        """Run the handler, as Procrastinate's task; it always succeeds, what counts is the noted ending."""
        job = _job_of(context.job)
        self._tally.started((to_ms(self._clock.now()) - _due_ms(context.job)) / 1_000)
        ending = await self._ending_of(job, context)
        self._tally.ended(ending)
        self.manager.note_ending(job.id, ending)

    async def _ending_of(self, job: Job, context: JobContext) -> Ending:
        try:
            with Scope("job", job.kind):
                outcome: Any = await self._handlers[job.kind](job)
        except asyncio.CancelledError as error:
            reason = context.abort_reason()
            if reason is not None:
                return after_stop(_REASONS[reason], self._clock.now())
            return self._failed(job, error)
        except Exception as error:  # noqa: BLE001 - the task's top: whatever a handler raises is a failed try
            return self._failed(job, error)
        if isinstance(outcome, Done | RunAgainAt | Dead):
            return after_outcome(outcome)
        return self._failed(job, TypeError(f"the handler returned {outcome!r} instead of an outcome"))

    def _failed(self, job: Job, error: BaseException) -> Ending:
        ending = after_failure(self._spec, job, error, self._clock.now(), self._draw())
        log_failure(job, error, ending)
        return ending

    def _wake_in(self, seconds: float) -> None:
        if seconds <= 0:
            self._wake()
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self.manager.note_wake()
        self._new_job_event.set()

    async def heed(self, notification: Any) -> None:
        """Look for jobs, or stop one, as a notification of the queue says."""
        self.manager.note_wake()
        await self._handle_notification(channel="", notification=notification)

    def _log_extra(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Spare Procrastinate's log fields, a quarter of what a job costs; `jobs.crew` and metrics say it."""
        return {}

    def _log_job_outcome(self, *_: Any, **__: Any) -> None:
        """Leave the outcome to our own log, for the same reason."""

    def _start_side_tasks(self) -> list[asyncio.Task[Any]]:
        """Start what runs beside the loop; the heartbeat and the listener are the process's own.

        Procrastinate's end with the first error, and its monitor of them ends as soon as there is no periodic
        task: a worker would live on and be taken for dead.
        """
        return [asyncio.create_task(self._poll_aborts(), name=f"jobs:aborts:{self.queue}")]

    async def _poll_aborts(self) -> None:
        await self._poll_jobs_to_abort()  # type: ignore[no-untyped-call]  # Procrastinate leaves it unannotated

    async def give_back_strays(self, claimed: Mapping[int, int]) -> None:
        """Give back claims that nobody runs: cancelled before the first step, or their answer was lost.

        Args:
            claimed: What the tables say is claimed here now, attempts by id; given back the second time.
        """
        known = {context.job.id for context in self._running_jobs.values()} | self.manager.fetched_ids()
        unknown = {row_id: attempts for row_id, attempts in claimed.items() if row_id not in known}
        for row_id in self._strays & unknown.keys():
            await self.manager.give_back(
                _stray(row_id, unknown[row_id]), run_at=None, counted=True, error=None
            )
        self._strays = set(unknown)

    async def _abort_running_jobs(self) -> None:
        """Cancel the handlers and wait a bounded time; what then still runs loses its claim."""
        for task, context in self._running_jobs.items():
            self._abort_job(task, context, AbortReason.SHUTDOWN)
        await asyncio.wait(self._running_jobs, timeout=CLEAN_UP_SECONDS)


def _job_of(row: Row) -> Job:
    """Return Procrastinate's row as the handler's job; its `attempts` counts the starts before this one."""
    arguments: dict[str, Any] = row.task_kwargs
    attempt = row.attempts + 1 - int(arguments.get("uncounted", 0))
    return Job(
        row.id or 0, row.queue, arguments["kind"], arguments["ref"], row.lock, attempt, row.attempts + 1
    )


def _due_ms(row: Row) -> int:
    arguments: dict[str, Any] = row.task_kwargs
    return max(int(arguments["at"]), 0 if row.scheduled_at is None else to_ms(row.scheduled_at))


def _stray(row_id: int, attempts: int) -> Row:
    return Row(id=row_id, queue="", lock=None, queueing_lock=None, task_name=rows.TASK, attempts=attempts)
