"""Reads the audit: who did what, newest first, in pieces that cost the same however long it has grown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, ScalarSelect, func, select

from wireroom.api.requests import LARGEST
from wireroom.store.schema import audit

MOST_NAMES = 300
"""Of one column, that are offered to choose from."""


@dataclass(frozen=True, slots=True)
class WantedEntries:
    """Which entries are asked for; None: any."""

    limit: int
    who: str | None = None
    action: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    """Before it."""
    before_id: int | None = None
    """Behind this entry in the list."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done."""

    id: int
    created_at: int
    who: str
    action: str
    subject: str
    detail: str | None


def list_entries(conn: Connection, wanted: WantedEntries) -> Sequence[Entry]:
    """Return entries, newest first."""
    rows = audit.c
    query = select(rows.id, rows.created_at, rows.who, rows.action, rows.subject, rows.detail).where(
        rows.id < (wanted.before_id or LARGEST)
    )
    if wanted.who is not None:
        query = query.where(rows.who == wanted.who)
    if wanted.action is not None:
        query = query.where(rows.action == wanted.action)
    if wanted.since_ms is not None:
        query = query.where(rows.id >= _first_since(wanted.since_ms))
    if wanted.until_ms is not None:
        query = query.where(rows.id <= _last_before(wanted.until_ms))
    found = conn.execute(query.order_by(rows.id.desc()).limit(wanted.limit))
    return [Entry(*row) for row in found]


def names_in_audit(conn: Connection) -> tuple[Sequence[str], Sequence[str]]:
    """Return who is in the audit, and which actions."""
    return _names(conn, audit.c.who), _names(conn, audit.c.action)


def _names(conn: Connection, column: Column[str]) -> Sequence[str]:
    """Return a column's different values, from each to the next one by the column's index."""
    first = select(func.min(column).label("name")).cte("names", recursive=True)
    following = select(func.min(column)).where(column > first.c.name).scalar_subquery()
    names = first.union_all(select(following).where(first.c.name.is_not(None)))
    query = select(names.c.name).where(names.c.name.is_not(None)).limit(MOST_NAMES)
    return list(conn.scalars(query))


def _first_since(since_ms: int) -> ScalarSelect[int]:
    rows = audit.alias("since").c
    return (
        select(rows.id)
        .where(rows.created_at >= since_ms)
        .order_by(rows.created_at, rows.id)
        .limit(1)
        .scalar_subquery()
    )


def _last_before(until_ms: int) -> ScalarSelect[int]:
    rows = audit.alias("until").c
    return (
        select(rows.id)
        .where(rows.created_at < until_ms)
        .order_by(rows.created_at.desc(), rows.id.desc())
        .limit(1)
        .scalar_subquery()
    )
