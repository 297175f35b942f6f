"""Units of work on calls: each arrow of a call's life is one function and one transaction.

    waiting ──admitted──▶ running ──▶ succeeded | dead | cancelled
       ▲                     │
       └──── tried later ────┘          skipped: a slot of which no call was made, and why

A call waits in its *queue* until it is admitted: the queue is not paused, has a free place, and the call is
due. Admission gives it to the job engine in the same transaction, so a call is at work if and only if it has
a job. Whatever may make room or work for a queue admits within its own transaction: a new call, an end, a
queue that goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, text

from wireroom.agents import statements as sql
from wireroom.agents.missed import Skip
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
    ORDER BY name
""")
"""Queues with due calls."""


class CallState(StrEnum):
    """The states of a call."""

    WAITING = "waiting"
    RUNNING = "running"
    """Given to a worker."""
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    """It failed for good; listed, can be tried again."""
    SKIPPED = "skipped"
    """Slots that were not run, with the reason."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call to make."""

    agent_id: int
    agent_name: str
    queue: str
    action: str
    """call or prompt."""
    request: str
    """See `request.encode_request`."""
    retry: str
    """See `definition.Retry`, as JSON."""
    due_at: int
    reason: str
    slot_at: int | None = None
    catch_up: bool = False
    alone: bool = False
    """Not beside another call of its agent."""
    again: int = 0
    """How often its target has asked to be called again."""
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a worker has."""

    id: int
    agent_id: int
    agent_name: str
    queue: str
    action: str
    request: str
    retry: str
    attempts: int
    """Tries that have ended."""
    again: int
    catch_up: int
    """1 for a call of a missed slot."""
    alone: int
    created_at: int
    run_id: str | None

    @property
    def idempotency_key(self) -> str:
        """The same for every try; no two calls share one, even after the database was begun anew."""
        return f"agent-call-{self.id}-{self.created_at}"


@dataclass(frozen=True, slots=True)
class Tried:
    """What one try brought."""

    attempts: int
    """Tries that have ended, this one included."""
    status_code: int | None = None
    duration_ms: int | None = None
    error: str | None = None
    response_head: str | None = None


class Calls:
    """Adds, admits and ends calls."""

    def __init__(self, jobs: Jobs, *, concurrency: int, catch_ups: int) -> None:
        """Keep the rules.

        Args:
            jobs: The engine.
            concurrency: Calls of one queue at once, unless the queue says otherwise.
            catch_ups: Calls for missed slots at once, in all queues together.
        """
        self._jobs = jobs
        self._concurrency = concurrency
        self._catch_ups = catch_ups

    def add(self, conn: Connection, new: NewCall, now_ms: int) -> int | None:
        """Store a call and admit what its queue has room for; None when slot or idempotency key is known."""
        sql.MAKE_QUEUE.run(conn, name=new.queue, now_ms=now_ms)
        call_id: int | None = sql.ADD_CALL.value(
            conn,
            agent_id=new.agent_id,
            agent_name=new.agent_name,
            queue=new.queue,
            action=new.action,
            slot_at=new.slot_at,
            due_at=new.due_at,
            reason=new.reason,
            catch_up=int(new.catch_up),
            alone=int(new.alone),
            again=new.again,
            idempotency_key=new.idempotency_key,
            request=new.request,
            retry=new.retry,
            now_ms=now_ms,
        )
        if call_id is None:
            return None
        if new.due_at > now_ms:
            self._admit_at(conn, new.queue, new.due_at)
        else:
            self.admit(conn, new.queue, now_ms)
        return call_id

    def admit(self, conn: Connection, queue: str, now_ms: int) -> None:
        """Give the engine as many of the queue's due calls as it has room for; catch-ups last."""
        _lock(conn, queue)
        row = sql.QUEUE_RULES.row(conn, name=queue)
        if row is None or row[0]:
            return
        room = (row[1] or self._concurrency) - int(sql.COUNT_RUNNING.value(conn, queue=queue))
        room -= self._take(conn, queue, room, now_ms, catch_up=False)
        if room > 0 and sql.HAS_CATCH_UP.value(conn, queue=queue, now_ms=now_ms):
            _lock(conn, _LOCK_OF_CATCH_UPS)
            left = self._catch_ups - int(sql.COUNT_CATCH_UPS.value(conn))
            self._take(conn, queue, min(room, left), now_ms, catch_up=True)

    def load(self, conn: Connection, call_id: int) -> Call | None:
        """Return a call that is to be made, None when it is over or was taken back."""
        row = sql.LOAD_CALL.row(conn, id=call_id)
        if row is None:
            return None
        return Call(*row)

    def end(self, conn: Connection, call: Call, state: CallState, tried: Tried, now_ms: int) -> bool:
        """Store how a call ended and admit the next; False when it was taken back meanwhile."""
        ended = sql.END_CALL.run(
            conn,
            id=call.id,
            state=state.value,
            keeps_request=int(state is CallState.DEAD),
            now_ms=now_ms,
            **_columns(tried),
        )
        self._admit_next(conn, call, now_ms)
        return bool(ended)

    def try_later(self, conn: Connection, call: Call, tried: Tried, due_ms: int, now_ms: int) -> None:
        """Put a call back that failed, to be tried at `due_ms`; its place goes to the next."""
        if sql.PUT_BACK.run(conn, id=call.id, due_ms=due_ms, **_columns(tried)):
            self._admit_at(conn, call.queue, due_ms)
        self._admit_next(conn, call, now_ms)

    def retry(self, conn: Connection, call_id: int, now_ms: int) -> bool:
        """Let a dead call wait again, with all its tries; False when it is not dead."""
        queue: str | None = sql.REVIVE_CALL.value(conn, id=call_id, now_ms=now_ms)
        if queue is None:
            return False
        sql.MAKE_QUEUE.run(conn, name=queue, now_ms=now_ms)
        self.admit(conn, queue, now_ms)
        return True

    def _take(self, conn: Connection, queue: str, room: int, now_ms: int, *, catch_up: bool) -> int:
        taken = 0
        while taken < room:
            row = sql.TAKE_CALL.row(conn, queue=queue, catch_up=int(catch_up), now_ms=now_ms)
            if row is None:
                break
            call_id, action = row
            self._jobs.enqueue(conn, queue=CALL_QUEUE, kind=_KINDS[action], ref=str(call_id))
            taken += 1
        return taken

    def _admit_next(self, conn: Connection, ended: Call, now_ms: int) -> None:
        self.admit(conn, ended.queue, now_ms)
        if not ended.catch_up:
            return
        # Its place may go to another queue, but in a transaction that holds that queue's lock alone.
        for (queue,) in conn.execute(_QUEUES_WITH_CATCH_UPS, {"now_ms": now_ms}):
            if queue != ended.queue:
                self._jobs.enqueue(
                    conn, queue=TIME_QUEUE, kind=ADMIT_KIND, ref=queue, dedupe=f"{ADMIT_KIND}:{queue}"
                )

    def _admit_at(self, conn: Connection, queue: str, due_ms: int) -> None:
        self._jobs.enqueue(conn, queue=TIME_QUEUE, kind=ADMIT_KIND, ref=queue, run_at=from_ms(due_ms))


def note_skip(
    conn: Connection, *, agent_id: int, agent_name: str, queue: str, action: str, skip: Skip, now_ms: int
) -> None:
    """Write down that no call is made for these slots, and why."""
    sql.NOTE_SKIP.run(
        conn,
        agent_id=agent_id,
        agent_name=agent_name,
        queue=queue,
        action=action,
        first=skip.first,
        last=skip.last,
        slots=skip.count,
        reason=skip.reason,
        now_ms=now_ms,
    )


def queues_to_admit(conn: Connection, now_ms: int) -> Sequence[str]:
    """Return the queues with calls that are due."""
    return conn.execute(_QUEUES_WITH_DUE, {"now_ms": now_ms}).scalars().all()


def _columns(tried: Tried) -> dict[str, object]:
    return {
        "attempts": tried.attempts,
        "status_code": tried.status_code,
        "duration_ms": tried.duration_ms,
        "error": tried.error,
        "response_head": tried.response_head,
    }


def _lock(conn: Connection, name: str) -> None:
    """Have units that admit to one queue go one at a time; on SQLite all units do."""
    if conn.dialect.name == "postgresql":
        conn.execute(_LOCK, {"space": _LOCKS, "name": name})
