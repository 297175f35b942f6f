"""How our Procrastinate worker talks to its tables: claims and finishes in batches, each fenced.

Procrastinate's worker asks its `JobManager` for one job at a time and reports each end alone; this manager
fetches as many as there are free slots, and removes what ended together in one statement. It also survives a
restart of the server: what ended is kept until it is stored.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, LiteralString

import structlog
from procrastinate import jobs as procrastinate_jobs
from procrastinate.connector import BaseConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.manager import JobManager

from wireroom.jobs.endings import Bury, Ending, GiveBack, Remove
from wireroom.store import job_rows_postgres as rows

log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_RACE_PAUSE_SECONDS = 0.02


class FencedJobManager(JobManager):
    """The manager of one queue's worker."""

    def __init__(
        self,
        connector: BaseConnector,
        *,
        queue: str,
        kinds: Iterable[str],
        free_slots: Callable[[], int],
        held_seconds: Callable[[], float],
        wake_in: Callable[[float], None],
    ) -> None:
        """Serve one queue.

        Args:
            connector: Procrastinate's pool.
            queue: The queue to claim from.
            kinds: What the worker can handle; other jobs stay where they are.
            free_slots: How many more jobs the worker could start now.
            held_seconds: How long the queue's pace lets none start.
            wake_in: Called with the seconds until the worker should look again.
        """
        super().__init__(connector)
        self._queue = queue
        self._kinds = list(kinds)
        self._free_slots = free_slots
        self._held_seconds = held_seconds
        self._wake_in = wake_in
        self._woken_meanwhile = False
        self.found_nothing = False
        """Whether nothing was due at the last look, and nothing has asked for another since."""
        self._fetched: deque[procrastinate_jobs.Job] = deque()
        self._endings: dict[int, Ending] = {}
        self._removals: list[tuple[procrastinate_jobs.Job, asyncio.Future[None]]] = []
        self._remover: asyncio.Task[None] | None = None

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> procrastinate_jobs.Job | None:
        """Return the next claimed job; None when there is none, or the server does not answer."""
        del queues
        if not self._fetched:
            self._woken_meanwhile = False
            with suppress(ConnectorException):
                await self._fetch(worker_id)
        if self._fetched:
            return self._fetched.popleft()
        if self._woken_meanwhile:
            # The worker forgets what woke it while it was fetching.
            self._wake_in(_RACE_PAUSE_SECONDS)
        return None

    def note_wake(self) -> None:
        """Say that there may be work, so that a fetch under way does not end in sleep."""
        self._woken_meanwhile = True
        self.found_nothing = False

    def fetched_ids(self) -> set[int | None]:
        """Return the claims that wait in memory for the worker to take them."""
        return {job.id for job in self._fetched}

    def note_ending(self, job_id: int, ending: Ending) -> None:
        """Say what is to become of a job; the worker's report of its end, which follows, only triggers it."""
        self._endings[job_id] = ending

    async def finish_job(
        self, job: procrastinate_jobs.Job, status: procrastinate_jobs.Status, delete_job: bool
    ) -> None:
        """Store the noted ending, as often as it takes."""
        del status, delete_job
        if job.id is None:
            return
        match self._endings.pop(job.id, None):
            case Remove():
                await self._remove(job)
            case GiveBack(run_at, counted, error):
                await self.give_back(job, run_at=run_at, counted=counted, error=error)
            case Bury(error):
                await self._until_stored(rows.BURY, id=job.id, attempts=job.attempts, error=error)
                await self._remove(job)
            case None:
                await self.give_back(job, run_at=None, counted=False, error=None)
        self._wake_in(0.0)

    async def give_back(
        self, job: procrastinate_jobs.Job, *, run_at: datetime | None, counted: bool, error: str | None
    ) -> None:
        """Let a claimed job wait again; a finished one is removed instead."""
        await self._until_stored(
            rows.GIVE_BACK,
            id=job.id,
            attempts=job.attempts,
            run_at=run_at,
            uncounted=0 if counted else 1,
            error=error,
        )
        # Still there under this claim means that its effect was committed: only the row is left to remove.
        await self._remove(job)

    async def give_back_unstarted(self) -> None:
        """Give back what was claimed and not yet handed to the worker."""
        while self._fetched:
            await self.give_back(self._fetched.popleft(), run_at=None, counted=False, error=None)

    async def _fetch(self, worker_id: int) -> None:
        if (held := self._held_seconds()) > 0:
            self._wake_in(held)
            return
        limit = max(1, self._free_slots())
        try:
            found = await self.connector.execute_query_all_async(
                rows.FETCH, queue=self._queue, kinds=self._kinds, worker_id=worker_id, limit=limit
            )
        except UniqueViolation:
            # Two workers met at one lock, one job of which became due in between; the other has it.
            self._wake_in(_RACE_PAUSE_SECONDS)
            return
        found.sort(key=lambda row: (-row["priority"], row["id"]))
        self._fetched.extend(procrastinate_jobs.Job.from_row(row) for row in found)
        self.found_nothing = not found and not self._woken_meanwhile
        if not found:
            await self._set_alarm()

    async def _set_alarm(self) -> None:
        row = await self.connector.execute_query_one_async(rows.NEXT_DUE, queue=self._queue)
        if row["seconds"] is not None:
            self._wake_in(max(0.0, row["seconds"]))

    async def _remove(self, job: procrastinate_jobs.Job) -> None:
        """Remove the job together with all that end while the last removal is under way."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._removals.append((job, stored))
        if self._remover is None:
            self._remover = asyncio.create_task(self._remove_all(), name=f"jobs:remove:{self._queue}")
        await stored

    async def _remove_all(self) -> None:
        try:
            while self._removals:
                batch, self._removals = self._removals, []
                ids = [job.id for job, _ in batch]
                await self._until_stored(rows.REMOVE, ids=ids, attempts=[job.attempts for job, _ in batch])
                for _, stored in batch:
                    if not stored.done():
                        stored.set_result(None)
        finally:
            self._remover = None

    async def _until_stored(self, query: LiteralString, **arguments: Any) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self.connector.execute_query_async(query, **arguments)
            except ConnectorException as error:
                if pause == _FIRST_PAUSE_SECONDS:
                    log.warning(
                        "jobs_not_stored", queue=self._queue, error=f"{type(error).__name__}: {error}"
                    )
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
