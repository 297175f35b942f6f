"""Admits calls: gives those to the job engine that are due and have a place in their queue.

A call waits in its *queue* until the queue is not paused, has a free place, and the call is due. Admission
marks it as running and enqueues its job in one transaction, so a call is at work if and only if it has a job.
Whatever may make room or work for a queue admits within its own transaction: a new call, an end, a queue that
goes on. What comes with time alone, or concerns another queue, has a job of kind `agent-admit`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from wireroom.agents import statements as sql
from wireroom.agents.handed import Call, HandedCalls
from wireroom.clock import from_ms
from wireroom.jobs.port import Jobs
from wireroom.runs.telling import AGENT_QUEUE

CALL_QUEUE = AGENT_QUEUE
CALL_KIND = "agent-call"
PROMPT_KIND = "agent-prompt"
TIME_QUEUE = "agent-times"
ADMIT_KIND = "agent-admit"
_KINDS = {"call": CALL_KIND, "prompt": PROMPT_KIND}
_LOCKS = 0x6167656E  # "agen"
_LOCK_OF_CATCH_UPS = "catch-ups"

_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:name))")
"""Hold the name until the transaction ends."""

_QUEUES_WITH_CATCH_UPS = text("""
    SELECT name FROM queues AS q WHERE EXISTS (
        SELECT 1 FROM agent_calls AS c
        WHERE c.state = 'waiting' AND c.queue = q.name AND c.catch_up = 1 AND c.due_at <= :now_ms)
""")
"""Queues with due calls for missed slots: a step of the index for each queue."""

_QUEUES_WITH_DUE = text("""
    SELECT name FROM queues AS q WHERE EXISTS (
        SELECT 1 FROM agent_calls AS c
        WHERE c.state = 'waiting' AND c.queue = q.name AND c.catch_up IN (0, 1) AND c.due_at <= :now_ms)
""")
"""Queues with due calls."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a queue has room for."""

    places: int
    """0 or less: none."""
    has_calls: bool
    """Calls wait in it that are due."""
    has_catch_ups: bool
    """Calls for missed slots do."""


class Admission:
    """Admits calls."""

    def __init__(self, jobs: Jobs, handed: HandedCalls, *, concurrency: int, catch_ups: int) -> None:
        """Keep the rules.

        Args:
            jobs: The engine.
            handed: Takes what is admitted, for the handler of this process.
            concurrency: Calls of one queue at once, unless the queue says otherwise.
            catch_ups: Calls for missed slots at once, in all queues together.
        """
        self.handed = handed
        self._jobs = jobs
        self._concurrency = concurrency
        self._catch_ups = catch_ups

    def room_of(self, conn: Connection, queue: str, now_ms: int) -> Room | None:
        """Return what the queue has room for, and have nobody else admit to it; None when it was deleted."""
        hold_queues(conn, queue)
        row = sql.ROOM.row(conn, name=queue, concurrency=self._concurrency, now_ms=now_ms)
        return None if row is None else Room(*row)

    def room_of_new(self, conn: Connection, queue: str, now_ms: int) -> Room:
        """Make a queue that `room_of` has not found; it has all its places."""
        sql.MAKE_QUEUE.run(conn, name=queue, now_ms=now_ms)
        return Room(self._concurrency, has_calls=False, has_catch_ups=False)

    def admit(self, conn: Connection, queue: str, now_ms: int) -> None:
        """Give the engine as many of the queue's due calls as it has room for; catch-ups last."""
        room = self.room_of(conn, queue, now_ms)
        if room is None:
            return
        places = room.places
        if room.has_calls:
            places -= self._take(conn, queue, places, now_ms, catch_up=False)
        if room.has_catch_ups and places > 0:
            _lock(conn, _LOCK_OF_CATCH_UPS)
            left = self._catch_ups - int(sql.COUNT_CATCH_UPS.value(conn))
            self._take(conn, queue, min(places, left), now_ms, catch_up=True)

    def admit_due(self, conn: Connection, now_ms: int) -> None:
        """Have every queue with due calls looked at, each in a unit of its own."""
        for (queue,) in conn.execute(_QUEUES_WITH_DUE, {"now_ms": now_ms}).all():
            self._admit_soon(conn, queue)

    def admit_next(self, conn: Connection, queue: str, now_ms: int, *, was_catch_up: bool) -> None:
        """Give the place of a call that has ended to the next."""
        self.admit(conn, queue, now_ms)
        if not was_catch_up:
            return
        # It may go to another queue, but in a transaction that holds that queue's lock alone.
        for (other,) in conn.execute(_QUEUES_WITH_CATCH_UPS, {"now_ms": now_ms}).all():
            if other != queue:
                self._admit_soon(conn, other)

    def admit_at(self, conn: Connection, queue: str, due_ms: int) -> None:
        """Have the queue looked at when a call of it becomes due."""
        ref = admission_ref(queue, due_ms)
        self._jobs.enqueue(conn, queue=TIME_QUEUE, kind=ADMIT_KIND, ref=ref, run_at=from_ms(due_ms))

    def give(self, conn: Connection, call: Call) -> None:
        """Give an admitted call to the engine."""
        self.handed.put(conn, call)
        self._jobs.enqueue(conn, queue=CALL_QUEUE, kind=_KINDS[call.action], ref=str(call.id))

    def _take(self, conn: Connection, queue: str, room: int, now_ms: int, *, catch_up: bool) -> int:
        taken = 0
        while taken < room:
            row = sql.TAKE_CALL.row(conn, queue=queue, catch_up=int(catch_up), now_ms=now_ms)
            if row is None:
                break
            self.give(conn, Call(*row))
            taken += 1
        return taken

    def _admit_soon(self, conn: Connection, queue: str) -> None:
        self._jobs.enqueue(conn, queue=TIME_QUEUE, kind=ADMIT_KIND, ref=queue, dedupe=f"{ADMIT_KIND}:{queue}")


def hold_queues(conn: Connection, *names: str) -> None:
    """Have nobody else change what is open in these queues until the unit is over.

    Before the first row of their calls is written, and for all queues of the unit at once: in any other order
    two units could wait for each other. On SQLite units go one at a time.
    """
    for name in sorted(set(names)):
        _lock(conn, name)


def admission_ref(queue: str, due_ms: int) -> str:
    """Return what the job points at that admits when a call of the queue is due, such as `q:179…`."""
    return f"{queue}:{due_ms}"


def read_admission(ref: str) -> tuple[str, int]:
    """Return the queue, and before which time there is nothing to admit."""
    queue, _, due_ms = ref.partition(":")
    return queue, int(due_ms or 0)


def _lock(conn: Connection, name: str) -> None:
    if conn.dialect.name == "postgresql":
        conn.execute(_LOCK, {"space": _LOCKS, "name": name})
