"""Units of work on callbacks: opened with the request, filled with its result, sent later by the sender.

A callback is opened in the transaction that accepts a request, and filled in the one that ends its run, so a
caller that was told "accepted" is told the end too, whatever crashes in between.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, select, update

from wireroom.callbacks.target import is_elevenlabs, read_target
from wireroom.jobs.port import JobRef, Jobs
from wireroom.store.schema import callbacks
from wireroom.store.statement import Statement

QUEUE = "callbacks"
KIND = "callback"
_BATCH = 500
"""Dead callbacks sent again by one statement."""

_OPEN = Statement("""
    INSERT INTO callbacks (run_id, url, secret, state, attempts, created_at)
    VALUES (:run_id, :url, :secret, 'waiting', 0, :now_ms)
    RETURNING id
""")
"""Add a callback."""

_FILL = Statement("""
    UPDATE callbacks SET state = 'pending', payload = :payload, due_at = :now_ms
    WHERE run_id = :run_id AND state = 'waiting'
    RETURNING id, url
""")
"""Give a run's open callbacks what they have to tell."""

_BEGIN = Statement("""
    UPDATE callbacks SET state = 'sending', attempts = attempts + 1, due_at = NULL
    WHERE id = :id AND state IN ('pending', 'sending')
    RETURNING url, secret, payload, attempts, created_at
""")
"""Count a try before it is made, so that one that kills the process is counted too."""

_SENT = Statement("""
    UPDATE callbacks SET state = 'sent', status_code = :status_code, error = NULL, sent_at = :now_ms,
        payload = NULL, secret = NULL
    WHERE id = :id AND state = 'sending'
""")
"""Close a callback that has arrived; what it told is with its run, and its secret is not needed any more."""

_DEAD = Statement("""
    UPDATE callbacks SET state = 'dead', status_code = :status_code, error = :error
    WHERE id = :id AND state = 'sending'
""")
"""Make a dead letter of a callback, whole, so that it can be sent again."""

_DELAY = Statement("""
    UPDATE callbacks SET state = 'pending', status_code = :status_code, error = :error, due_at = :due_at,
        attempts = attempts - :uncounted
    WHERE id = :id AND state = 'sending'
""")
"""Note why a try failed and when the next one is."""


class CallbackState(StrEnum):
    """The states of a callback."""

    WAITING = "waiting"
    """Its run has not ended."""
    PENDING = "pending"
    """What it tells is known; it waits for its next try."""
    SENDING = "sending"
    """A try is under way, or a crash cut one off; that one may have arrived."""
    SENT = "sent"
    DEAD = "dead"
    """Given up; listed, can be retried or discarded."""
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Try:
    """What one try needs to know."""

    url: str
    secret: str | None
    """What the caller's address said."""
    body: bytes
    attempts: int
    """Tries so far, this one included."""
    idempotency_key: str
    """The same for every try; no two callbacks share one, even after the database was begun anew."""


def open_callback(
    conn: Connection, run_id: str, url: str, now_ms: int, *, elevenlabs: bool = False
) -> int | None:
    """Promise the caller a callback at the end of the run; return its id.

    Args:
        conn: The unit that accepts the request.
        run_id: The new run.
        url: As the caller gave it; its `secret` parameter is kept apart.
        now_ms: Now.
        elevenlabs: Whether the voice agent is called (`ELEVENLABS_AGENT_ENABLED`); None is returned when
            the address is its and it is not.

    Raises:
        BadInput: the address cannot be meant.
    """
    target = read_target(url)
    if is_elevenlabs(target) and not elevenlabs:
        return None
    callback_id: int = _OPEN.value(conn, run_id=run_id, url=target.url, secret=target.secret, now_ms=now_ms)
    return callback_id


def fill_callback(
    conn: Connection, jobs: Jobs, run_id: str, payload: Mapping[str, object], now_ms: int
) -> None:
    """Send the run's callbacks on their way; does nothing for a run without one, or a second time."""
    body = msgspec.json.encode(payload).decode()
    for callback_id, url in _FILL.rows(conn, run_id=run_id, payload=body, now_ms=now_ms):
        _enqueue(conn, jobs, callback_id, url)


def retry_callback(conn: Connection, jobs: Jobs, callback_id: int, now_ms: int) -> bool:
    """Send a dead callback again, with the idempotency key that it had; False when it is not dead."""
    return bool(retry_callbacks(conn, jobs, [callback_id], now_ms))


def retry_callbacks(conn: Connection, jobs: Jobs, ids: Collection[int], now_ms: int) -> Sequence[int]:
    """Send dead callbacks again, with the keys that they had; return those that were dead, oldest first."""
    rows = conn.execute(
        update(callbacks)
        .where(callbacks.c.id.in_(ids), callbacks.c.state == CallbackState.DEAD)
        .values(state=CallbackState.PENDING, attempts=0, error=None, due_at=now_ms)
        .returning(callbacks.c.id, callbacks.c.url)
    ).all()
    again = [JobRef(str(row.id), _key(row.url)) for row in sorted(rows)]
    jobs.enqueue_all(conn, again, queue=QUEUE, kind=KIND)
    return [int(job.ref) for job in again]


def retry_all_dead(conn: Connection, jobs: Jobs, now_ms: int) -> int:
    """Send every dead callback again, oldest first; return how many."""
    done, ids = 0, dead_callbacks(conn, after=0, limit=_BATCH)
    while ids:
        done += len(retry_callbacks(conn, jobs, ids, now_ms))
        ids = dead_callbacks(conn, after=ids[-1], limit=_BATCH)
    return done


def dead_callbacks(conn: Connection, *, after: int, limit: int) -> Sequence[int]:
    """Return the ids of dead callbacks above `after`, oldest first."""
    query = select(callbacks.c.id).where(callbacks.c.state == CallbackState.DEAD, callbacks.c.id > after)
    return conn.execute(query.order_by(callbacks.c.id).limit(limit)).scalars().all()


def discard_callback(conn: Connection, callback_id: int) -> bool:
    """Drop a dead callback from the list of dead letters; False when it is not dead."""
    return bool(discard_callbacks(conn, [callback_id]))


def discard_callbacks(conn: Connection, ids: Collection[int]) -> Sequence[int]:
    """Drop dead callbacks from the list of dead letters; return those that were dead, oldest first."""
    done = conn.execute(
        update(callbacks)
        .where(callbacks.c.id.in_(ids), callbacks.c.state == CallbackState.DEAD)
        .values(state=CallbackState.DISCARDED, payload=None, secret=None)
        .returning(callbacks.c.id)
    )
    return sorted(done.scalars())


def begin_try(conn: Connection, callback_id: int) -> Try | None:
    """Count one more try and return what it needs; None when there is nothing to send."""
    row = _BEGIN.row(conn, id=callback_id)
    if row is None:
        return None
    url, secret, payload, attempts, created_at = row
    return Try(url, secret, payload.encode(), attempts, f"callback-{callback_id}-{created_at}")


def close_sent(conn: Connection, callback_id: int, status_code: int, now_ms: int) -> None:
    """Note that the receiver has it, and keep no copy."""
    _SENT.run(conn, id=callback_id, status_code=status_code, now_ms=now_ms)


def close_dead(conn: Connection, callback_id: int, reason: str, status_code: int | None) -> None:
    """Make it a dead letter."""
    _DEAD.run(conn, id=callback_id, status_code=status_code, error=reason)


def delay(
    conn: Connection,
    callback_id: int,
    reason: str,
    status_code: int | None,
    due_ms: int,
    *,
    counts: bool = True,
) -> None:
    """Note why the try failed and when the next one is; one that does not count is taken back."""
    _DELAY.run(
        conn,
        id=callback_id,
        status_code=status_code,
        error=reason,
        due_at=due_ms,
        uncounted=int(not counts),
    )


def _enqueue(conn: Connection, jobs: Jobs, callback_id: int, url: str) -> None:
    """Have it sent; callbacks of one receiver go one at a time, so that a slow one holds up only its own."""
    jobs.enqueue(
        conn,
        queue=QUEUE,
        kind=KIND,
        ref=str(callback_id),
        key=_key(url),
        dedupe=f"{KIND}:{callback_id}",
    )


def _key(url: str) -> str:
    """Return what has the callbacks of one receiver sent one at a time."""
    return f"{KIND}:{read_target(url).origin}"
