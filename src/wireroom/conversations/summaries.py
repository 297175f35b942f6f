"""The list of a lane's conversations, for the page's history; summaries only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from wireroom.store.schema import conversations


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A conversation without its messages."""

    id: str
    lane: str
    title: str
    """The beginning of its first message; empty before that."""
    is_current: bool
    message_count: int
    created_at: int
    active_at: int


def list_conversations(
    conn: Connection, lane: str, *, limit: int, offset: int
) -> Sequence[ConversationSummary]:
    """Return one page of the lane's conversations, the most recently active first."""
    query = _summaries().where(conversations.c.lane == lane).limit(limit).offset(offset)
    query = query.order_by(conversations.c.active_at.desc(), conversations.c.id.desc())
    return [_summary(row) for row in conn.execute(query)]


def count_conversations(conn: Connection, lane: str) -> int:
    """Return how many conversations the lane has had."""
    query = select(func.count()).select_from(conversations).where(conversations.c.lane == lane)
    total: int = conn.execute(query).scalar_one()
    return total


def summary_of(conn: Connection, conversation_id: str) -> ConversationSummary | None:
    """Return one conversation's summary, None when there is none of this id."""
    row = conn.execute(_summaries().where(conversations.c.id == conversation_id)).first()
    return None if row is None else _summary(row)


def current_summary(conn: Connection, lane: str) -> ConversationSummary | None:
    """Return the summary of the lane's current conversation, None before its first message."""
    query = _summaries().where(conversations.c.lane == lane, conversations.c.is_current == 1)
    row = conn.execute(query).first()
    return None if row is None else _summary(row)


def _summaries() -> Select[*tuple[Any, ...]]:
    return select(
        conversations.c.id,
        conversations.c.lane,
        conversations.c.title,
        conversations.c.is_current,
        conversations.c.message_count,
        conversations.c.created_at,
        conversations.c.active_at,
    )


def _summary(row: Row[*tuple[Any, ...]]) -> ConversationSummary:
    return ConversationSummary(
        id=row.id,
        lane=row.lane,
        title=row.title,
        is_current=bool(row.is_current),
        message_count=row.message_count,
        created_at=row.created_at,
        active_at=row.active_at,
    )
