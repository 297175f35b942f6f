"""Units of work on queues: made, paused, given more places, emptied of what is over, deleted.

A queue is made on its first use. `default` is always there: it is what calls go through that name none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from wireroom.agents import statements as sql
from wireroom.agents.admission import Admission, hold_queues
from wireroom.agents.calls import CallState
from wireroom.agents.definition import DEFAULT_QUEUE, check_name
from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.store.statement import Row, Statement

MOST_CONCURRENCY = 1_000
_BATCH = 5_000
_OVER = (CallState.SUCCEEDED, CallState.DEAD, CallState.SKIPPED, CallState.CANCELLED)
_COLUMNS = {"waiting": "waiting", "running": "active", "succeeded": "completed", "dead": "failed"}

_ALL = text("SELECT name, paused, concurrency, created_at FROM queues ORDER BY name")
"""The queues."""

_ONE = Statement("SELECT name, paused, concurrency, created_at FROM queues WHERE name = :name")
"""One queue."""

_COUNTS = text("SELECT queue, state, count(*) FROM agent_calls GROUP BY queue, state")
"""Calls by queue and state, from the index alone."""

_COUNTS_OF_ONE = Statement("""
    SELECT queue, state, count(*) FROM agent_calls WHERE queue = :name GROUP BY state, queue
""")
"""Calls of one queue by state, from the index alone."""

_DELAYED = text("""
    SELECT queue, count(*) FROM agent_calls WHERE state = 'waiting' AND due_at > :now_ms GROUP BY queue
""")
"""Waiting calls whose time has not come."""

_DELAYED_OF_ONE = Statement("""
    SELECT queue, count(*) FROM agent_calls
    WHERE state = 'waiting' AND queue = :name AND due_at > :now_ms GROUP BY queue
""")
"""Waiting calls of one queue whose time has not come."""

_AGENT_NAMES = text("SELECT queue, name FROM agents ORDER BY queue, name")
"""Which agents use which queue."""

_AGENT_NAMES_OF_ONE = Statement("SELECT queue, name FROM agents WHERE queue = :name ORDER BY name")
"""Which agents use a queue."""

_CREATE = Statement("""
    INSERT INTO queues (name, paused, concurrency, kept, created_at)
    VALUES (:name, :paused, :concurrency, 1, :now_ms)
    ON CONFLICT (name) DO NOTHING
""")
"""Make a queue on purpose."""

_PAUSE = Statement("UPDATE queues SET paused = :paused WHERE name = :name")
"""Let a queue rest or go on."""

_WIDEN = Statement("UPDATE queues SET concurrency = :concurrency, kept = 1 WHERE name = :name")
"""Say how many calls of a queue are made at once."""

_DELETE = Statement("DELETE FROM queues WHERE name = :name")
"""Remove a queue."""

_PURGE = Statement("""
    DELETE FROM agent_calls WHERE id IN (
        SELECT id FROM agent_calls WHERE queue = :name AND state = :state LIMIT :most)
""")
"""Forget some calls of a queue that are over."""


@dataclass(slots=True)
class QueueView:
    """A queue as people see it."""

    name: str
    is_paused: bool
    concurrency: int
    created_at: int | None
    """None for the default queue before its first call."""
    waiting: int = 0
    """Due, and not begun."""
    delayed: int = 0
    """To be made later: tried again, or asked for by their targets."""
    active: int = 0
    completed: int = 0
    failed: int = 0
    """Dead letters."""
    agents: list[str] = field(default_factory=list)


class Queues:
    """Makes, changes and reads queues."""

    def __init__(self, admission: Admission, *, concurrency: int) -> None:
        """Keep what admits calls, and how many places a queue has that says nothing of it."""
        self._admission = admission
        self._concurrency = concurrency

    def list(self, conn: Connection, now_ms: int) -> list[QueueView]:
        """Return all queues by name, with live counts."""
        rows: dict[str, Row] = {row[0]: tuple(row) for row in conn.execute(_ALL)}
        rows.setdefault(DEFAULT_QUEUE, (DEFAULT_QUEUE, 0, None, None))
        found = {name: self._view(rows[name]) for name in sorted(rows)}
        _count(
            found,
            [tuple(row) for row in conn.execute(_COUNTS)],
            [tuple(row) for row in conn.execute(_DELAYED, {"now_ms": now_ms})],
            [tuple(row) for row in conn.execute(_AGENT_NAMES)],
        )
        return [*found.values()]

    def show(self, conn: Connection, name: str, now_ms: int) -> QueueView:
        """Return one queue, with live counts.

        Raises:
            NotFound: there is no such queue.
        """
        row = _ONE.row(conn, name=name)
        if row is None and name != DEFAULT_QUEUE:
            raise NotFound(f'Queue "{name}" not found')
        view = self._view(row or (name, 0, None, None))
        _count(
            {name: view},
            _COUNTS_OF_ONE.rows(conn, name=name),
            _DELAYED_OF_ONE.rows(conn, name=name, now_ms=now_ms),
            _AGENT_NAMES_OF_ONE.rows(conn, name=name),
        )
        return view

    def create(
        self,
        conn: Connection,
        name: str,
        now_ms: int,
        *,
        concurrency: int | None = None,
        paused: bool = False,
    ) -> None:
        """Make a queue that stays until it is deleted.

        Raises:
            BadInput: the name or the number cannot be meant.
            Conflict: there is one of this name.
        """
        check_name(name, "name")
        _check_concurrency(concurrency)
        if not _CREATE.run(conn, name=name, paused=int(paused), concurrency=concurrency, now_ms=now_ms):
            raise Conflict(f'Queue "{name}" exists already')

    def pause(self, conn: Connection, name: str, now_ms: int) -> None:
        """Begin no more calls of it; those that are being made go on.

        Raises:
            NotFound: there is no such queue.
        """
        self._check_known(conn, name, now_ms)
        _PAUSE.run(conn, name=name, paused=1)

    def resume(self, conn: Connection, name: str, now_ms: int) -> None:
        """Go on with what waits.

        Raises:
            NotFound: there is no such queue.
        """
        self._check_known(conn, name, now_ms)
        _PAUSE.run(conn, name=name, paused=0)
        self._admission.admit(conn, name, now_ms)

    def widen(self, conn: Connection, name: str, concurrency: int | None, now_ms: int) -> None:
        """Say how many of its calls are made at once, None for the setting's number; it holds from now on.

        Raises:
            BadInput: the number cannot be meant.
            NotFound: there is no such queue.
        """
        _check_concurrency(concurrency)
        self._check_known(conn, name, now_ms)
        _WIDEN.run(conn, name=name, concurrency=concurrency)
        self._admission.admit(conn, name, now_ms)

    def delete(self, conn: Connection, name: str, now_ms: int) -> None:
        """Remove an idle queue for good.

        Raises:
            NotFound: there is no such queue.
            Conflict: it is the default one, or agents or open calls need it.
        """
        if name == DEFAULT_QUEUE:
            raise Conflict("Cannot delete the default queue")
        hold_queues(conn, name)
        view = self.show(conn, name, now_ms)
        if view.agents or view.waiting or view.delayed or view.active:
            raise Conflict(f'Cannot delete queue "{name}" - it still has jobs. Remove all agents first.')
        _DELETE.run(conn, name=name)

    def purge(self, conn: Connection, name: str, now_ms: int) -> int:
        """Forget the calls of it that are over, a batch at most; return how many went.

        Raises:
            NotFound: there is no such queue.
        """
        self._check_known(conn, name, now_ms)
        return sum(_PURGE.run(conn, name=name, state=state.value, most=_BATCH) for state in _OVER)

    def _check_known(self, conn: Connection, name: str, now_ms: int) -> None:
        hold_queues(conn, name)
        if name == DEFAULT_QUEUE:
            sql.MAKE_QUEUE.run(conn, name=name, now_ms=now_ms)
        elif _ONE.row(conn, name=name) is None:
            raise NotFound(f'Queue "{name}" not found')

    def _view(self, row: Row) -> QueueView:
        name, paused, concurrency, created_at = row
        return QueueView(name, bool(paused), concurrency or self._concurrency, created_at)


def _count(
    found: Mapping[str, QueueView], counts: Sequence[Row], delayed: Sequence[Row], agents: Sequence[Row]
) -> None:
    """Fill in the figures; calls of a queue that was deleted since are nobody's."""
    for queue, state, number in counts:
        if queue in found and (column := _COLUMNS.get(state)) is not None:
            setattr(found[queue], column, number)
    for queue, number in delayed:
        if queue in found:
            found[queue].delayed = number
            found[queue].waiting -= number
    for queue, name in agents:
        if queue in found:
            found[queue].agents.append(name)


def _check_concurrency(value: int | None) -> None:
    if value is not None and not 1 <= value <= MOST_CONCURRENCY:
        raise BadInput(f"concurrency must be a whole number from 1 to {MOST_CONCURRENCY}.")
