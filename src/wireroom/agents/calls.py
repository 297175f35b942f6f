"""Units of work on calls: each arrow of a call's life is one function and one transaction.

    waiting ──admitted──▶ running ──▶ succeeded | dead | cancelled
       ▲                     │
       └──── tried later ────┘          skipped: a slot of which no call was made, and why

When a call is admitted, and what that means, is in `agents.admission`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from wireroom.agents import statements as sql
from wireroom.agents.admission import Admission, hold_queues
from wireroom.agents.handed import Call
from wireroom.agents.missed import Skip


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
class Tried:
    """What one try brought."""

    attempts: int
    """Tries that have ended, this one included."""
    status_code: int | None = None
    duration_ms: int | None = None
    error: str | None = None
    response_head: str | None = None


class Calls:
    """Adds and ends calls."""

    def __init__(self, admission: Admission) -> None:
        """Keep what gives calls to the engine."""
        self._admission = admission

    def add(self, conn: Connection, new: NewCall, now_ms: int) -> int | None:
        """Store a call and admit what its queue has room for; None when slot or idempotency key is known."""
        gate = self._admission
        room = gate.room_of(conn, new.queue, now_ms) or gate.room_of_new(conn, new.queue, now_ms)
        may_wait = new.due_at > now_ms or new.catch_up or new.alone
        begins = not may_wait and room.places > 0 and not room.has_calls
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
            state=(CallState.RUNNING if begins else CallState.WAITING).value,
            started_at=now_ms if begins else None,
            now_ms=now_ms,
        )
        if call_id is None:
            return None
        if begins:
            gate.give(conn, _begun(call_id, new, now_ms))
        elif new.due_at > now_ms:
            gate.admit_at(conn, new.queue, new.due_at)
        else:
            gate.admit(conn, new.queue, now_ms)
        return call_id

    def handed(self, call_id: int) -> Call | None:
        """Return a call that this process has just admitted, once; None when it must be loaded."""
        return self._admission.handed.take(call_id)

    def load(self, conn: Connection, call_id: int) -> Call | None:
        """Return a call that is to be made, None when it is over or was taken back."""
        row = sql.LOAD_CALL.row(conn, id=call_id)
        if row is None:
            return None
        return Call(*row)

    def end(self, conn: Connection, call: Call, state: CallState, tried: Tried, now_ms: int) -> bool:
        """Store how a call ended and admit the next; False when it was taken back meanwhile."""
        hold_queues(conn, call.queue)
        ended = sql.END_CALL.run(
            conn,
            id=call.id,
            state=state.value,
            keeps_request=int(state is CallState.DEAD),
            now_ms=now_ms,
            **_columns(tried),
        )
        self._admission.admit_next(conn, call.queue, now_ms, was_catch_up=bool(call.catch_up))
        return bool(ended)

    def try_later(self, conn: Connection, call: Call, tried: Tried, due_ms: int, now_ms: int) -> None:
        """Put a call back that failed, to be tried at `due_ms`; its place goes to the next."""
        hold_queues(conn, call.queue)
        if sql.PUT_BACK.run(conn, id=call.id, due_ms=due_ms, **_columns(tried)):
            self._admission.admit_at(conn, call.queue, due_ms)
        self._admission.admit_next(conn, call.queue, now_ms, was_catch_up=bool(call.catch_up))

    def retry(self, conn: Connection, call_id: int, now_ms: int) -> bool:
        """Let a dead call wait again, with all its tries; False when it is not dead."""
        return bool(self.retry_all(conn, [call_id], now_ms))

    def retry_all(self, conn: Connection, ids: Collection[int], now_ms: int) -> Sequence[int]:
        """Let dead calls wait again, with all their tries; return those that were dead, oldest first."""
        found = conn.execute(sql.DEAD_CALLS, {"ids": list(ids)}).all()
        queues = sorted({row.queue for row in found})
        hold_queues(conn, *queues)
        revived = conn.execute(sql.REVIVE_CALLS, {"ids": [row.id for row in found], "now_ms": now_ms})
        done = sorted(revived.scalars())
        for queue in queues:
            sql.MAKE_QUEUE.run(conn, name=queue, now_ms=now_ms)
            self._admission.admit(conn, queue, now_ms)
        return done


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


def _begun(call_id: int, new: NewCall, now_ms: int) -> Call:
    """Return what `load` would find of a call that begins at once."""
    return Call(
        id=call_id,
        agent_id=new.agent_id,
        agent_name=new.agent_name,
        queue=new.queue,
        action=new.action,
        request=new.request,
        retry=new.retry,
        attempts=0,
        again=new.again,
        catch_up=int(new.catch_up),
        alone=int(new.alone),
        created_at=now_ms,
        run_id=None,
    )


def _columns(tried: Tried) -> dict[str, object]:
    return {
        "attempts": tried.attempts,
        "status_code": tried.status_code,
        "duration_ms": tried.duration_ms,
        "error": tried.error,
        "response_head": tried.response_head,
    }
