"""Reads of callbacks for people and programs: what is on its way, and the dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from wireroom.callbacks.outbox import CallbackState
from wireroom.store.schema import callbacks


@dataclass(frozen=True, slots=True)
class CallbackView:
    """A callback as people see it."""

    id: int
    run_id: str | None
    address: str
    """Where it goes, without the query, which may hold what is secret to the receiver."""
    state: CallbackState
    error: str | None
    """Why it is dead, or what the last try said."""
    status_code: int | None
    """The last answer's."""
    attempts: int
    created_at: int
    due_at: int | None
    """When it is tried next."""
    sent_at: int | None


def list_callbacks(
    conn: Connection,
    *,
    state: str | None = None,
    limit: int = 50,
    offset: int = 0,
    before: int | None = None,
) -> Sequence[CallbackView]:
    """Return one page of callbacks, newest first; with `before`, those of lower numbers only."""
    query = (
        select(
            callbacks.c.id,
            callbacks.c.run_id,
            callbacks.c.url,
            callbacks.c.state,
            callbacks.c.error,
            callbacks.c.status_code,
            callbacks.c.attempts,
            callbacks.c.created_at,
            callbacks.c.due_at,
            callbacks.c.sent_at,
        )
        .order_by(callbacks.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    if state is not None:
        query = query.where(callbacks.c.state == state)
    if before is not None:
        query = query.where(callbacks.c.id < before)
    return [
        CallbackView(
            id=row.id,
            run_id=row.run_id,
            address=row.url.partition("?")[0],
            state=CallbackState(row.state),
            error=row.error,
            status_code=row.status_code,
            attempts=row.attempts,
            created_at=row.created_at,
            due_at=row.due_at,
            sent_at=row.sent_at,
        )
        for row in conn.execute(query)
    ]


def count_callbacks(conn: Connection, *, state: str | None = None) -> int:
    """Return how many callbacks the whole list has."""
    query = select(func.count()).select_from(callbacks)
    if state is not None:
        query = query.where(callbacks.c.state == state)
    total: int = conn.execute(query).scalar_one()
    return total


def callback_state(conn: Connection, callback_id: int) -> CallbackState | None:
    """Return where a callback stands, None when there is none of this id."""
    query = select(callbacks.c.state).where(callbacks.c.id == callback_id)
    state: str | None = conn.execute(query).scalar_one_or_none()
    return None if state is None else CallbackState(state)
