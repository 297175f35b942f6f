"""Units of work on conversations: which one a lane's next message joins, and what was said in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Row, insert, select, update

from wireroom.conversations.context import Turn
from wireroom.store.schema import conversations, messages

_TITLE_CHARS = 60


@dataclass(frozen=True, slots=True)
class Conversation:
    """A thread of messages with one coding agent in one folder."""

    id: str
    channel: str
    lane: str
    workdir: Path
    backend: str | None
    """The coding agent it is bound to; None for the default."""
    session_id: str | None
    """The coding agent's own session, valid for `session_backend` only."""
    session_backend: str | None
    title: str


@dataclass(frozen=True, slots=True)
class NewConversation:
    """What a conversation starts with, should the lane have none."""

    id: str
    channel: str
    lane: str
    workdir: Path
    backend: str | None = None


def current_conversation(conn: Connection, wanted: NewConversation, now_ms: int) -> Conversation:
    """Return the lane's current conversation, or begin the wanted one."""
    found = find_current(conn, wanted.lane)
    return found or _insert(conn, wanted, now_ms)


def begin_conversation(conn: Connection, wanted: NewConversation, now_ms: int) -> Conversation:
    """Close the lane's current conversation and begin the wanted one."""
    closing = update(conversations).where(
        conversations.c.lane == wanted.lane, conversations.c.is_current == 1
    )
    conn.execute(closing.values(is_current=0))
    return _insert(conn, wanted, now_ms)


def find_current(conn: Connection, lane: str) -> Conversation | None:
    """Return the lane's current conversation, None before its first message."""
    query = select(conversations).where(conversations.c.lane == lane, conversations.c.is_current == 1)
    row = conn.execute(query).first()
    return None if row is None else _from_row(row)


def find_conversation(conn: Connection, conversation_id: str) -> Conversation | None:
    """Return the conversation, None when there is none of this id. Creates nothing."""
    row = conn.execute(select(conversations).where(conversations.c.id == conversation_id)).first()
    return None if row is None else _from_row(row)


def append_message(
    conn: Connection, conversation_id: str, role: str, content: str, *, run_id: str | None, now_ms: int
) -> int:
    """Add a message at the end and return its number, 1 for the first."""
    counted = (
        update(conversations)
        .where(conversations.c.id == conversation_id)
        .values(message_count=conversations.c.message_count + 1, active_at=now_ms)
        .returning(conversations.c.message_count)
    )
    seq: int = conn.execute(counted).scalar_one()
    conn.execute(
        insert(messages).values(
            conversation_id=conversation_id,
            seq=seq,
            role=role,
            content=content,
            run_id=run_id,
            created_at=now_ms,
        )
    )
    if seq == 1:
        title = content.strip().splitlines()[0][:_TITLE_CHARS] if content.strip() else ""
        conn.execute(update(conversations).where(conversations.c.id == conversation_id).values(title=title))
    return seq


def recent_turns(conn: Connection, conversation_id: str, limit: int) -> Sequence[Turn]:
    """Return the newest turns, oldest first; at most `limit`."""
    query = (
        select(messages.c.role, messages.c.content)
        .where(messages.c.conversation_id == conversation_id)
        .order_by(messages.c.seq.desc())
        .limit(limit)
    )
    return [Turn(row.role, row.content) for row in reversed(conn.execute(query).all())]


def remember_session(conn: Connection, conversation_id: str, *, backend: str, session_id: str | None) -> None:
    """Note the coding agent's session for the next run; None forgets a session that was lost."""
    conn.execute(
        update(conversations)
        .where(conversations.c.id == conversation_id)
        .values(session_id=session_id, session_backend=backend)
    )


def _insert(conn: Connection, wanted: NewConversation, now_ms: int) -> Conversation:
    conn.execute(
        insert(conversations).values(
            id=wanted.id,
            channel=wanted.channel,
            lane=wanted.lane,
            is_current=1,
            backend=wanted.backend,
            workdir=str(wanted.workdir),
            created_at=now_ms,
            active_at=now_ms,
        )
    )
    return Conversation(
        wanted.id, wanted.channel, wanted.lane, wanted.workdir, wanted.backend, None, None, ""
    )


def _from_row(row: Row[tuple[object, ...]]) -> Conversation:
    return Conversation(
        id=row.id,
        channel=row.channel,
        lane=row.lane,
        workdir=Path(row.workdir),
        backend=row.backend,
        session_id=row.session_id,
        session_backend=row.session_backend,
        title=row.title,
    )
