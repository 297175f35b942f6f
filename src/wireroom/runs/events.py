"""The log of a run, as rows: what the agent said and did, and how the run's state moved.

Readers keep a cursor (the number of the last event they have) and continue from it on any replica.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.errors import LeaseLost
from wireroom.store.schema import run_events
from wireroom.store.statement import Statement

_COUNT_EVENTS = Statement("""
    UPDATE runs SET event_count = event_count + :added WHERE id = :run_id AND epoch = :epoch
    RETURNING event_count
""")
"""Take the next numbers of the log; nothing comes back to an attempt that is not the newest."""

_APPEND = Statement("""
    INSERT INTO run_events (run_id, seq, created_at, kind, payload)
    VALUES (:run_id, :seq, :now_ms, :kind, :payload)
""")
"""Add one event."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as readers see it."""

    seq: int
    """1, 2, 3 … within the run."""
    at_ms: int
    kind: str
    payload: dict[str, Any]


def append_events(
    conn: Connection, run_id: str, epoch: int, events: Sequence[AgentEvent], now_ms: int
) -> int:
    """Add events at the end of the run's log and return the last number.

    Raises:
        LeaseLost: a newer attempt has begun.
    """
    if not events:
        return 0
    last: int | None = _COUNT_EVENTS.value(conn, run_id=run_id, epoch=epoch, added=len(events))
    if last is None:
        raise LeaseLost(f"Attempt {epoch} of {run_id} is no longer the newest.")
    append_numbered(conn, run_id, last - len(events) + 1, events, now_ms)
    return last


def append_numbered(
    conn: Connection, run_id: str, first: int, events: Sequence[AgentEvent], now_ms: int
) -> None:
    """Add events under numbers that the caller has taken from the run's row in this very transaction."""
    _APPEND.run_many(
        conn,
        [
            {
                "run_id": run_id,
                "seq": seq,
                "now_ms": now_ms,
                "kind": event.kind.value,
                "payload": msgspec.json.encode(event.payload).decode(),
            }
            for seq, event in enumerate(events, start=first)
        ],
    )


def read_events(conn: Connection, run_id: str, *, after: int = 0, limit: int = 500) -> Sequence[StoredEvent]:
    """Return the events after the cursor, oldest first, at most `limit`."""
    query = (
        select(run_events)
        .where(run_events.c.run_id == run_id, run_events.c.seq > after)
        .order_by(run_events.c.seq)
        .limit(limit)
    )
    return [
        StoredEvent(row.seq, row.created_at, row.kind, msgspec.json.decode(row.payload))
        for row in conn.execute(query)
    ]


def text_so_far(conn: Connection, run_id: str) -> str:
    """Return what the agent had said in its last attempt, or its last round of work, of a run cut off."""
    query = (
        select(run_events.c.kind, run_events.c.payload)
        .where(
            run_events.c.run_id == run_id,
            run_events.c.kind.in_([EventKind.TEXT.value, EventKind.STATE.value, EventKind.ROUND.value]),
        )
        .order_by(run_events.c.seq)
    )
    pieces: list[str] = []
    for row in conn.execute(query):
        payload = msgspec.json.decode(row.payload)
        if row.kind == EventKind.TEXT.value:
            pieces.append(payload["text"])
        elif row.kind == EventKind.STATE.value or payload["kind"] == "work":
            pieces.clear()
    return "".join(pieces)


def state_event(state: str, reason: str | None) -> AgentEvent:
    """Return the event that tells of a move."""
    return AgentEvent(EventKind.STATE, {"state": state, "reason": reason})
