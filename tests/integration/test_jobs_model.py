"""The embedded engine against a model of a few lines: whatever is done in whatever order, both agree.

The machine drives the engine's own units (`EmbeddedJobs`, `Turn`, recovery) on one connection with a clock it
moves, and keeps the worker's books itself; the worker's loop is held by the contract suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pysqlite3
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from wireroom.clock import from_ms, to_ms
from wireroom.errors import LeaseLost
from wireroom.jobs.claims import Candidate
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.embedded_turn import Ended, Turn
from wireroom.jobs.endings import Bury, Ending, GiveBack, Remove
from wireroom.jobs.port import CancelResult, Job, QueueCounts
from wireroom.store import job_rows
from wireroom.store.database import driver, take_callbacks
from wireroom.store.schema import metadata
from wireroom.store.watched import WatchedConnection
from wireroom.testing.clock import ManualClock

_ROOM = {"a": 2, "b": 1}
# Few queues and keys, so that jobs meet.
_QUEUES = st.sampled_from(["a", "a", "b"])
_KEYS = st.sampled_from(["x", "x", "y", None])


@dataclass
class _Model:
    """A job as the model knows it."""

    id: int
    ref: str
    queue: str
    key: str | None
    priority: int
    run_at: int
    dedupe: str | None
    state: str = "waiting"
    attempts: int = 0


class JobsMachine(RuleBasedStateMachine):
    """Enqueues, claims, ends, cancels, crashes and waits, at random."""

    running = Bundle("running")

    def __init__(self) -> None:
        super().__init__()
        engine = create_engine(
            "sqlite://",
            module=pysqlite3,
            creator=lambda: pysqlite3.connect(":memory:", isolation_level=None, factory=WatchedConnection),
            poolclass=StaticPool,
            isolation_level="AUTOCOMMIT",
        )
        metadata.create_all(engine)
        self.conn = engine.connect()
        self.raw = driver(self.conn)
        self.clock = ManualClock()
        self.jobs = EmbeddedJobs(self.clock)
        self.model: dict[int, _Model] = {}
        self.claims: dict[int, Job] = {}
        self.ended: list[Ended] = []
        self.next_epoch = 1
        self.refs = 0
        self.sweep = False
        self.claimable = set(_ROOM)

    def teardown(self) -> None:
        """Close the connection."""
        self.conn.close()

    @property
    def now_ms(self) -> int:
        """The clock's reading as the engine stores it."""
        return to_ms(self.clock.now())

    @rule(
        queue=_QUEUES,
        key=_KEYS,
        priority=st.integers(-1, 1),
        delay=st.sampled_from([0, 0, 0, 0, 1_000]),
        dedupe=st.sampled_from([None, None, "d", "e"]),
    )
    def enqueue(self, queue: str, key: str | None, priority: int, delay: int, dedupe: str | None) -> None:
        """Add a job; a dedupe that waits already is refused."""
        self.refs += 1
        key = key and f"{queue}:{key}"
        added = self.jobs.enqueue(
            self.conn,
            queue=queue,
            kind="k",
            ref=str(self.refs),
            key=key,
            priority=priority,
            run_at=from_ms(self.now_ms + delay) if delay else None,
            dedupe=dedupe,
        )
        assert added == (not self._waits(dedupe))
        if added:
            self.claimable.add(queue)
            self._learn(queue, key, priority, self.now_ms + delay, dedupe)

    @rule(queue=_QUEUES, key=_KEYS, delay=st.sampled_from([0, 2_000]))
    def insert_by_plain_sql(self, queue: str, key: str | None, delay: int) -> None:
        """Another program inserts a `waiting` row, whatever its time."""
        self.refs += 1
        key = key and f"{queue}:{key}"
        self.raw.execute(
            "INSERT INTO jobs (queue, kind, ref, key, run_at, state, enqueued_at)"
            " VALUES (?, 'k', ?, ?, ?, 'waiting', ?)",
            (queue, str(self.refs), key, self.now_ms + delay, self.now_ms),
        )
        self.claimable = set(_ROOM)
        self._learn(queue, key, 0, self.now_ms + delay, None)

    @rule(pick=st.integers(0, 1_000))
    def delete_by_plain_sql(self, pick: int) -> None:
        """Another program deletes a waiting row; the worker sweeps once it notices."""
        waiting = [job for job in self.model.values() if job.state == "waiting"]
        if waiting:
            job = waiting[pick % len(waiting)]
            self.raw.execute("DELETE FROM jobs WHERE id = ?", (job.id,))
            del self.model[job.id]
            self.sweep = True
            self.claimable = set(_ROOM)

    @rule(target=running)
    def take_a_turn(self) -> Any:
        """Store what ended and claim: exactly the jobs that the model would start."""
        expected = self._settle_and_choose()
        started: list[Job] = []
        unfinished = True
        while unfinished:
            turn = self._turn()
            result = turn(self.conn)
            self.claimable = (self.claimable - turn.claimable) | result.left
            for offset, candidate in enumerate(result.started):
                started.append(self._claimed(candidate, result.first_epoch + offset))
            unfinished = not self.claimable.isdisjoint(self._room())
        assert {(job.id, job.attempt) for job in started} == expected
        for queue in self._room():
            for job in self._delayed(queue):
                assert result.next_due_ms is not None
                assert result.next_due_ms <= job.run_at
        return multiple(*started)

    @rule(job=consumes(running), how=st.sampled_from(["done", "again", "retry", "bury", "finish"]))
    def end(self, job: Job, how: str) -> None:
        """A handler ends; its job stays claimed until the next turn, unless it finished it itself."""
        if self.claims.get(job.epoch) is not job:
            self._refused(job)
            return
        if how == "finish":
            self.jobs.finish(self.conn, job)
            self.model.pop(job.id)
            self._refused(job)
        del self.claims[job.epoch]
        self.ended.append(Ended(job, self._ending(how)))

    @rule(pick=st.integers(0, 1_000))
    def cancel(self, pick: int) -> None:
        """Cancel by reference: a waiting job goes, a running one is asked, a dead one is absent."""
        job = self._picked(pick)
        state = job.state if job else "absent"
        answer = self.jobs.cancel(self.conn, kind="k", ref=job.ref if job else "nobody")
        assert answer is {"waiting": CancelResult.REMOVED, "running": CancelResult.REQUESTED}.get(
            state, CancelResult.ABSENT
        )
        if job and state == "waiting":
            del self.model[job.id]
            self.claimable = set(_ROOM)
        if state == "running":
            assert job_rows.cancelled_epochs(self.raw)

    @rule(pick=st.integers(0, 1_000), retry=st.booleans())
    def treat_dead(self, pick: int, retry: bool) -> None:
        """Retry or discard by reference: only a dead job answers."""
        job = self._picked(pick)
        act = self.jobs.retry_dead if retry else self.jobs.discard_dead
        assert act(self.conn, kind="k", ref=job.ref if job else "nobody") == bool(job and job.state == "dead")
        if job and job.state == "dead" and retry:
            job.dedupe = None if self._waits(job.dedupe) else job.dedupe
            job.state, job.run_at, job.attempts = "waiting", self.now_ms, 0
            self.claimable = set(_ROOM)
        elif job and job.state == "dead":
            del self.model[job.id]

    @rule(milliseconds=st.sampled_from([1, 999, 1_000, 5_000]))
    def wait(self, milliseconds: int) -> None:
        """Time passes."""
        self.clock.advance(timedelta(milliseconds=milliseconds))

    @precondition(lambda self: self.claims or self.ended)
    @rule()
    def crash(self) -> None:
        """The process dies and starts again: what was running waits, with the lost start counted."""
        self.claims.clear()
        self.ended.clear()
        self.claimable = set(_ROOM)
        highest = job_rows.requeue_all(self.raw, self.now_ms)
        assert highest < self.next_epoch
        for job in sorted((job for job in self.model.values() if job.state == "running"), key=lambda j: j.id):
            job.dedupe = None if self._waits(job.dedupe) else job.dedupe
            job.state, job.run_at = "waiting", self.now_ms

    @invariant()
    def counts_agree(self) -> None:
        """The live counts are the model's."""
        take_callbacks(self.conn)
        found = self.jobs.counts(self.conn)
        for queue in _ROOM:
            mine = [job for job in self.model.values() if job.queue == queue]
            states = [job.state for job in mine]
            assert found.get(queue, QueueCounts()).running == states.count("running")
            assert found.get(queue, QueueCounts()).dead == states.count("dead")
            counted = found.get(queue, QueueCounts())
            assert counted.waiting + counted.delayed == states.count("waiting")
            assert counted.delayed <= len(self._delayed(queue))

    def _learn(self, queue: str, key: str | None, priority: int, run_at: int, dedupe: str | None) -> None:
        row_id = self.raw.execute("SELECT max(id) FROM jobs").fetchone()[0]
        self.model[row_id] = _Model(row_id, str(self.refs), queue, key, priority, run_at, dedupe)

    def _waits(self, dedupe: str | None) -> bool:
        return dedupe is not None and any(
            job.dedupe == dedupe and job.state == "waiting" for job in self.model.values()
        )

    def _delayed(self, queue: str) -> list[_Model]:
        mine = [job for job in self.model.values() if job.queue == queue and job.state == "waiting"]
        return [job for job in mine if job.run_at > self.now_ms]

    def _picked(self, pick: int) -> _Model | None:
        jobs = list(self.model.values())
        return jobs[pick % len(jobs)] if jobs else None

    def _ending(self, how: str) -> Ending:
        match how:
            case "again":
                return GiveBack(from_ms(self.now_ms + 1_500), counted=False)
            case "retry":
                return GiveBack(from_ms(self.now_ms + 500), counted=True, error="e")
            case "bury":
                return Bury("e")
            case _:
                return Remove()

    def _refused(self, job: Job) -> None:
        """A claim that is over cannot finish anything."""
        try:
            self.jobs.finish(self.conn, job)
        except LeaseLost:
            return
        raise AssertionError(f"the stale claim {job} finished something")

    def _settle_and_choose(self) -> set[tuple[int, int]]:
        """Apply the endings to the model, start what it would start, return (id, attempt) of those."""
        for ended in self.ended:
            self._settle(ended)
        busy = {job.key for job in self.claims.values()}
        chosen: set[tuple[int, int]] = set()
        left = self._room()
        for queue in list(left):
            due = [
                job
                for job in self.model.values()
                if job.queue == queue and job.state == "waiting" and job.run_at <= self.now_ms
            ]
            for job in sorted(due, key=lambda job: (job.priority, job.id)):
                if left[queue] and (job.key is None or job.key not in busy):
                    left[queue] -= 1
                    busy.add(job.key)
                    job.state = "running"
                    job.attempts += 1
                    chosen.add((job.id, job.attempts))
        return chosen

    def _settle(self, ended: Ended) -> None:
        job = self.model.get(ended.job.id)
        if job is None or job.state != "running":
            return
        match ended.ending:
            case Remove():
                del self.model[job.id]
            case GiveBack(run_at, counted):
                job.dedupe = None if self._waits(job.dedupe) else job.dedupe
                job.state, job.run_at = "waiting", to_ms(run_at)
                job.attempts -= 0 if counted else 1
            case Bury():
                job.state = "dead"

    def _room(self) -> dict[str, int]:
        """Return the free slots by queue, only queues that have some, as the worker counts them."""
        busy = [job.queue for job in self.claims.values()]
        free = {queue: slots - busy.count(queue) for queue, slots in _ROOM.items()}
        return {queue: slots for queue, slots in free.items() if slots}

    def _turn(self) -> Turn:
        room = self._room()
        turn = Turn(
            ended=self.ended,
            room=room,
            claimable=self.claimable & room.keys(),
            kinds=("k",),
            busy_keys={job.key for job in self.claims.values() if job.key is not None},
            now_ms=self.now_ms,
            worker="model",
            first_epoch=self.next_epoch,
            sweep=self.sweep,
        )
        self.ended, self.sweep = [], False
        return turn

    def _claimed(self, candidate: Candidate, epoch: int) -> Job:
        job = Job(
            candidate.id,
            candidate.queue,
            candidate.kind,
            candidate.ref,
            candidate.key,
            candidate.attempts + 1,
            epoch,
        )
        self.claims[epoch] = job
        self.next_epoch = epoch + 1
        return job


def test_embedded_engine_agrees_with_its_model() -> None:
    """Any sequence of operations gives the counts, the claims and the refusals of the model."""
    run_state_machine_as_test(
        JobsMachine,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
