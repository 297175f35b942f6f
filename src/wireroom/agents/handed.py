"""Hands an admitted call to the handler that makes it, so that it need not be read again.

For the engine whose one process both admits and makes calls, and only there: elsewhere another process may
have tried the call since. What is not here, after a restart or for its size, is read.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from wireroom.store.database import after_commit

_MOST = 1_000
_MOST_CHARS = 16_000
"""Of a request; a larger one costs more to keep than to read."""


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


class HandedCalls:
    """Admitted calls that nobody has begun yet, the newest of them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._calls: OrderedDict[int, Call] = OrderedDict()

    def put(self, conn: Connection, call: Call) -> None:
        """Keep the call once the unit that admits it is durable, which is before its job can begin."""
        if conn.dialect.name == "sqlite" and len(call.request) <= _MOST_CHARS:
            after_commit(conn, partial(self._keep, call))

    def take(self, call_id: int) -> Call | None:
        """Return the call, once; None when it must be read."""
        return self._calls.pop(call_id, None)

    def drop(self, conn: Connection, call_id: int) -> None:
        """Have the call read by its handler, once the unit that takes it back is durable."""
        after_commit(conn, partial(self._forget, call_id))

    def _keep(self, call: Call) -> None:
        self._calls[call.id] = call
        if len(self._calls) > _MOST:
            self._calls.popitem(last=False)

    def _forget(self, call_id: int) -> None:
        self._calls.pop(call_id, None)
