"""Callbacks that come in: what a remote runner says of a run that it was given.

The result is stored before the runner is told that it arrived; whoever waits for it is woken after the commit
and reads the row. The first result of a request id counts: a repetition, or one that comes after the run has
ended, changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection

from wireroom.store.database import after_commit
from wireroom.store.statement import Statement

_STORE = Statement("""
    INSERT INTO remote_results (request_id, payload, received_at) VALUES (:request_id, :payload, :now_ms)
    ON CONFLICT (request_id) DO NOTHING
""")
"""Keep the first result of a request."""

_FIND = Statement("SELECT payload FROM remote_results WHERE request_id = :request_id")
"""What a remote runner said of a request."""

_RUN_STATE = Statement("""
    SELECT state FROM runs WHERE id = :run_id
    UNION ALL
    SELECT state FROM runs WHERE request_id = :request_id
""")
"""Where the run stands that a request id belongs to."""

_FORGET = Statement("DELETE FROM remote_results WHERE received_at < :before_ms")
"""Drop results that nobody waits for any more."""

_CALL = re.compile(r"(.+?)(?:\.[0-9]+){1,2}")
_OPEN = frozenset({"queued", "running"})


class Received(StrEnum):
    """What became of a callback."""

    STORED = "stored"
    REPEATED = "repeated"
    """It had come before."""
    LATE = "late"
    """Its run has ended without it."""
    UNKNOWN = "unknown"
    """No run has this request id."""


def accept_callback(
    conn: Connection,
    request_id: str,
    payload: Mapping[str, Any],
    now_ms: int,
    *,
    publish: Callable[[str], None],
) -> Received:
    """Store what a remote runner said, and wake who waits for it once it is durable.

    Args:
        conn: The unit.
        request_id: What the runner was given: a run's id, with `.<epoch>` and `.<round>` if it has them
            (`Attempt.call_id`), or the run's own request id.
        payload: As it came; see contract of cursor-runner, section 2.9.
        now_ms: Now.
        publish: Wakes the readers of a topic; see `remote_topic`.
    """
    states = _run_states(conn, request_id)
    if not states:
        return Received.UNKNOWN
    if not states & _OPEN:
        return Received.LATE
    if not keep_result(conn, request_id, payload, now_ms):
        return Received.REPEATED
    after_commit(conn, lambda: publish(remote_topic(request_id)))
    return Received.STORED


def keep_result(conn: Connection, request_id: str, payload: Mapping[str, Any], now_ms: int) -> bool:
    """Keep what was said of the request; False when something was kept before."""
    body = msgspec.json.encode(payload).decode()
    return bool(_STORE.run(conn, request_id=request_id, payload=body, now_ms=now_ms))


def find_result(conn: Connection, request_id: str) -> dict[str, Any] | None:
    """Return what a remote runner said of the request, None while it has said nothing."""
    stored: str | None = _FIND.value(conn, request_id=request_id)
    return None if stored is None else msgspec.json.decode(stored, type=dict[str, Any])


def forget_results(conn: Connection, before_ms: int) -> int:
    """Drop the results that came before then; return how many."""
    return _FORGET.run(conn, before_ms=before_ms)


def remote_topic(request_id: str) -> str:
    """Return the feed's topic of a remote runner's result."""
    return f"remote:{request_id}"


def _run_states(conn: Connection, request_id: str) -> set[str]:
    found = _CALL.fullmatch(request_id)
    names = {request_id, found[1]} if found else {request_id}
    return {row[0] for name in names for row in _RUN_STATE.rows(conn, run_id=name, request_id=name)}
