"""The loop that runs the embedded engine's jobs: one turn after another, one commit a turn.

A turn (`jobs.embedded_turn`) carries everything that ended since the last one and claims what may start, so
that under load many jobs share a commit and an idle worker starts a job one commit after its enqueue.
What ended is kept in memory until a turn has stored it, whatever the disk says meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from wireroom.clock import Clock, came_within, to_ms
from wireroom.errors import StoreLost
from wireroom.jobs.claims import Candidate
from wireroom.jobs.crew import Crew, Report, log_failure
from wireroom.jobs.embedded_turn import Ended, Turn, TurnResult
from wireroom.jobs.endings import Ending, StopReason, after_failure, after_outcome, after_stop
from wireroom.jobs.port import Handler, Job, QueueSpec
from wireroom.jobs.tallies import QueueTally
from wireroom.store import job_rows
from wireroom.store.database import Unit, driver
from wireroom.store.owner import OwnerLock
from wireroom.store.sqlite import SqliteDatabase

T = TypeVar("T")
log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
_LAST_WORDS_SECONDS = 2.0
_SHORTEST_TIMER_SECONDS = 0.001


class EmbeddedWorker:
    """Runs the jobs of one SQLite file; see `Worker`."""

    def __init__(
        self,
        db: SqliteDatabase,
        queues: Sequence[QueueSpec],
        clock: Clock,
        *,
        check_every: timedelta = timedelta(seconds=5),
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing runs until `run`.

        Args:
            db: The database whose work this is.
            queues: The queues to claim from, with their limits.
            clock: Where `now` comes from.
            check_every: How often to look at the queue without being told to, and to write heartbeats.
            draw: Random numbers in [0, 1), for the jitter of retries.
        """
        self._db = db
        self._clock = clock
        self._check_every = check_every.total_seconds()
        self._draw = draw
        self._tallies = {spec.name: QueueTally(spec) for spec in queues}
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._handlers: Mapping[str, Handler] = {}
        self._crew = Crew()
        self._ended: list[Ended] = []
        self._busy_keys: set[str] = set()
        self._next_epoch = 0
        self._next_due_ms: int | None = None
        self._checked_at = 0.0
        self._claimable = set(self._tallies)
        self._wakers = {name: partial(self._wake_queue, name) for name in self._tallies}
        self._look_for_cancels = False
        self._sweep = False
        self._woken = asyncio.Event()
        self._draining = asyncio.Event()
        self._over = asyncio.Event()
        self._over.set()
        self._abandoned = asyncio.Event()

    async def run(self, handlers: Mapping[str, Handler]) -> None:
        """Own the file's work and run it until `drain`; see `Worker.run`.

        A `run` that is cancelled instead of drained ends like a crash: its handlers are cancelled and the
        next start runs their jobs again.

        Raises:
            StoreBusy: another process owns the work.
        """
        with OwnerLock(self._db.path):
            self._handlers = handlers
            self._over.clear()
            try:
                await self._recover()
                self._db.on_outside_change(self._outside_changed)
                while not self._is_finished():
                    await self._wait_for_work()
                    await self._turn()
            finally:
                if not self._draining.is_set():
                    await self._crew.dismiss(0.0)
                self._over.set()

    async def drain(self, grace: timedelta) -> None:
        """Stop claiming, let handlers end, cancel the rest; see `Worker.drain`."""
        self._draining.set()
        self._woken.set()
        await self._crew.dismiss(grace.total_seconds())
        if not await came_within(_LAST_WORDS_SECONDS, self._over.wait()):
            log.warning("jobs_abandoned", jobs=len(self._crew) + len(self._ended))
            self._abandoned.set()
            self._woken.set()

    def cancel_running(self, *, kind: str, ref: str) -> bool:
        """Cancel the handler of (kind, ref); see `Worker.cancel_running`."""
        return self._crew.stop_ref(kind, ref, StopReason.CANCEL)

    def stop_requested(self, *, kind: str, ref: str) -> None:
        """Take note of a committed request to stop (kind, ref), even when its claim is not yet known here."""
        if not self.cancel_running(kind=kind, ref=ref):
            self._look_for_cancels = True
            self.wake()

    def wake(self) -> None:
        """Look at all queues now."""
        self._claimable = set(self._tallies)
        self._woken.set()

    def waker(self, queue: str) -> Callable[[], None]:
        """Return what makes the worker look at one queue; the same object each time."""
        return self._wakers.get(queue, self.wake)

    def _wake_queue(self, queue: str) -> None:
        self._claimable.add(queue)
        self._woken.set()

    def _outside_changed(self) -> None:
        self._look_for_cancels = True
        self._sweep = True
        self.wake()

    def _is_finished(self) -> bool:
        if self._abandoned.is_set():
            return True
        return self._draining.is_set() and not (self._crew or self._ended or self._may_claim())

    async def _recover(self) -> None:
        """Let what a dead process left running wait again, and start the epochs above all earlier ones."""
        now_ms = to_ms(self._clock.now())
        highest = await self._store(lambda conn: job_rows.requeue_all(driver(conn), now_ms), keeping=0)
        self._next_epoch = max((highest or 0) + 1, now_ms * 1_000)

    async def _wait_for_work(self) -> None:
        """Return when something ended, may be claimed or is due for a look."""
        while not self._has_work():
            self._woken.clear()
            timer = asyncio.get_running_loop().call_later(self._seconds_to_timer(), self._timer_rang)
            try:
                await self._woken.wait()
            finally:
                timer.cancel()

    def _has_work(self) -> bool:
        return bool(self._ended) or self._look_for_cancels or self._is_finished() or self._may_claim()

    def _may_claim(self) -> bool:
        return not self._claimable.isdisjoint(self._room())

    def _seconds_to_timer(self) -> float:
        wait = self._checked_at + self._check_every - self._clock.monotonic()
        for name in self._claimable:
            wait = min(wait, self._tallies[name].seconds_held() or wait)
        if self._next_due_ms is not None and self._room() and not self._draining.is_set():
            wait = min(wait, (self._next_due_ms - to_ms(self._clock.now())) / 1_000)
        return max(wait, _SHORTEST_TIMER_SECONDS)

    def _timer_rang(self) -> None:
        if self._clock.monotonic() - self._checked_at >= self._check_every:
            self._look_for_cancels = True
        self.wake()

    async def _turn(self) -> None:
        turn = self._plan_turn()
        result = await self._store(turn, keeping=len(turn.ended))
        if result is not None:
            self._obey(turn, result)

    async def _store(self, unit: Unit[T], *, keeping: int) -> T | None:
        """Write the unit, as often as it takes; None when the worker was told to give up.

        Raises:
            StoreLost: this process can write no more; whoever runs the worker ends the service.
        """
        pause = _FIRST_PAUSE_SECONDS
        # A claim that a power cut undoes is a job that waits; only an ending is worth an fsync.
        write = self._db.write if keeping else self._db.write_unsynced
        while not self._abandoned.is_set():
            try:
                result = await write(unit)
            except StoreLost:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the store says, what ended is stored later
                if pause == _FIRST_PAUSE_SECONDS:
                    log.warning("jobs_not_stored", endings=keeping, error=f"{type(error).__name__}: {error}")
            else:
                if pause > _FIRST_PAUSE_SECONDS:
                    log.info("jobs_stored_again", endings=keeping)
                return result
            await came_within(pause, self._abandoned.wait())
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        return None

    def _plan_turn(self) -> Turn:
        now = self._clock.monotonic()
        beat = now - self._checked_at >= self._check_every
        if beat:
            self._checked_at = now
        ended, self._ended = self._ended, []
        for one in ended:
            self._tallies[one.job.queue].free += 1
            if one.job.key is not None:
                self._busy_keys.discard(one.job.key)
        room = self._room()
        claimable = self._claimable & room.keys()
        turn = Turn(
            ended=ended,
            room=room,
            claimable=claimable,
            kinds=tuple(self._handlers),
            busy_keys=self._busy_keys,
            now_ms=to_ms(self._clock.now()),
            worker=self._name,
            first_epoch=self._next_epoch,
            look_for_cancels=self._look_for_cancels,
            beat=beat,
            known=self._crew.claims() if beat else frozenset(),
            sweep=self._sweep,
        )
        self._claimable = self._claimable - claimable
        for name in claimable:
            self._tallies[name].note_claim()
        self._look_for_cancels = self._sweep = False
        return turn

    def _room(self) -> dict[str, int]:
        """Return how many jobs may be claimed of each queue that is served now."""
        draining = self._draining.is_set()
        return {
            name: room
            for name, tally in self._tallies.items()
            if (tally.spec.drains or not draining) and (room := tally.room()) > 0
        }

    def _obey(self, turn: Turn, result: TurnResult) -> None:
        for ended in turn.ended:
            self._tallies[ended.job.queue].ended(ended.ending)
        self._next_due_ms = result.next_due_ms
        self._claimable |= result.left
        self._next_epoch += len(result.started)
        now_ms = to_ms(self._clock.now())
        for offset, candidate in enumerate(result.started):
            self._start(candidate, result.first_epoch + offset, now_ms)
        for epoch in result.cancelled_epochs:
            self._crew.stop(epoch, StopReason.CANCEL)

    def _start(self, candidate: Candidate, epoch: int, now_ms: int) -> None:
        _, row_id, queue, kind, ref, key, run_at, attempts = candidate
        job = Job(row_id, queue, kind, ref, key, attempts + 1, epoch)
        self._tallies[queue].started((now_ms - run_at) / 1_000)
        if key is not None:
            self._busy_keys.add(key)
        if self._draining.is_set() and not self._tallies[queue].spec.drains:
            self._ended.append(Ended(job, after_stop(StopReason.DRAIN, self._clock.now())))
            return
        self._crew.start(job, self._handlers[kind], self._handled)

    def _handled(self, job: Job, report: Report) -> None:
        self._ended.append(Ended(job, self._ending_of(job, report)))
        self._woken.set()

    def _ending_of(self, job: Job, report: Report) -> Ending:
        now = self._clock.now()
        if report.stopped is not None:
            return after_stop(report.stopped, now)
        if report.outcome is not None:
            return after_outcome(report.outcome)
        ending = after_failure(self._tallies[job.queue].spec, job, report.error, now, self._draw())
        log_failure(job, report.error, ending)
        return ending
