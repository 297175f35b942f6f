"""Units of work on agent conversations: what other programs, such as a voice agent, keep here of their talks.

They are stored and shown; nothing is run for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select

from wireroom.errors import NotFound
from wireroom.store.schema import agent_conversations, agent_messages
from wireroom.store.statement import Statement

_COUNT_MESSAGE = Statement("""
    UPDATE agent_conversations SET message_count = message_count + 1, active_at = :now_ms
    WHERE id = :id RETURNING message_count
""")
"""Take the next message number."""

_APPEND = Statement("""
    INSERT INTO agent_messages (conversation_id, seq, role, content, source, extra, created_at)
    VALUES (:id, :seq, :role, :content, :source, :extra, :now_ms)
""")
"""Add a message."""


_METADATA = Statement("SELECT metadata FROM agent_conversations WHERE id = :id")
"""What was told of a conversation."""

_NOTE_SESSION = Statement("""
    UPDATE agent_conversations SET metadata = :metadata, active_at = :now_ms WHERE id = :id
""")
"""Tell something else of it."""


class AgentOrder(StrEnum):
    """By what lists are ordered; the value is the wire's word."""

    CREATED = "createdAt"
    ACTIVE = "lastAccessedAt"
    MESSAGES = "messageCount"


_COLUMNS = {
    AgentOrder.CREATED: agent_conversations.c.created_at,
    AgentOrder.ACTIVE: agent_conversations.c.active_at,
    AgentOrder.MESSAGES: agent_conversations.c.message_count,
}


@dataclass(frozen=True, slots=True)
class AgentMessage:
    """One message as it was given."""

    role: str
    """user, assistant, system or tool."""
    content: str
    source: str = "text"
    extra: Mapping[str, Any] | None = None
    """message_id, tool_name, tool_args, tool_output, as far as given."""


@dataclass(frozen=True, slots=True)
class StoredAgentMessage:
    """One message as readers see it."""

    seq: int
    role: str
    content: str
    source: str
    extra: Mapping[str, Any]
    created_at: int


@dataclass(frozen=True, slots=True)
class AgentConversation:
    """An agent conversation without its messages."""

    id: str
    agent_id: str | None
    metadata: Mapping[str, Any] | None
    status: str
    message_count: int
    created_at: int
    active_at: int


def create_agent_conversation(
    conn: Connection,
    conversation_id: str,
    *,
    agent_id: str | None,
    metadata: Mapping[str, Any] | None,
    now_ms: int,
) -> None:
    """Begin an agent conversation."""
    conn.execute(
        insert(agent_conversations).values(
            id=conversation_id,
            agent_id=agent_id,
            metadata=None if metadata is None else msgspec.json.encode(metadata).decode(),
            created_at=now_ms,
            active_at=now_ms,
        )
    )


def note_agent_session(
    conn: Connection, conversation_id: str, session: Mapping[str, Any], now_ms: int
) -> None:
    """Note the newest talk of a conversation among what its caller told of it, as `voiceSession`.

    Raises:
        NotFound: there is no such conversation.
    """
    row = _METADATA.row(conn, id=conversation_id)
    if row is None:
        raise NotFound(f"There is no agent conversation {conversation_id}.")
    told = {} if row[0] is None else msgspec.json.decode(row[0])
    metadata = msgspec.json.encode({**told, "voiceSession": session}).decode()
    _NOTE_SESSION.run(conn, id=conversation_id, metadata=metadata, now_ms=now_ms)


def append_agent_message(conn: Connection, conversation_id: str, message: AgentMessage, now_ms: int) -> int:
    """Add a message at the end and return its number.

    Raises:
        NotFound: there is no such conversation.
    """
    seq: int | None = _COUNT_MESSAGE.value(conn, id=conversation_id, now_ms=now_ms)
    if seq is None:
        raise NotFound("Agent conversation not found")
    _APPEND.run(
        conn,
        id=conversation_id,
        seq=seq,
        role=message.role,
        content=message.content,
        source=message.source,
        extra=msgspec.json.encode(message.extra).decode() if message.extra else None,
        now_ms=now_ms,
    )
    return seq


def find_agent_conversation(conn: Connection, conversation_id: str) -> AgentConversation | None:
    """Return the conversation, None when there is none of this id. Changes nothing."""
    query = select(agent_conversations).where(agent_conversations.c.id == conversation_id)
    row = conn.execute(query).first()
    return None if row is None else _conversation(row)


def agent_messages_of(conn: Connection, conversation_id: str, *, limit: int) -> Sequence[StoredAgentMessage]:
    """Return the newest messages, oldest first."""
    query = (
        select(agent_messages)
        .where(agent_messages.c.conversation_id == conversation_id)
        .order_by(agent_messages.c.seq.desc())
        .limit(limit)
    )
    return [_message(row) for row in reversed(conn.execute(query).all())]


def page_of_agent_conversations(
    conn: Connection, *, order: AgentOrder, descending: bool, limit: int, offset: int
) -> Sequence[AgentConversation]:
    """Return one page of agent conversations, without their messages."""
    ways = [
        column.desc() if descending else column.asc()
        for column in (_COLUMNS[order], agent_conversations.c.id)
    ]
    query = select(agent_conversations).order_by(*ways).limit(limit).offset(offset)
    return [_conversation(row) for row in conn.execute(query)]


def count_agent_conversations(conn: Connection) -> int:
    """Return how many agent conversations there are."""
    total: int = conn.execute(select(func.count()).select_from(agent_conversations)).scalar_one()
    return total


def _conversation(row: Row[*tuple[Any, ...]]) -> AgentConversation:
    return AgentConversation(
        id=row.id,
        agent_id=row.agent_id,
        metadata=None if row.metadata is None else msgspec.json.decode(row.metadata),
        status=row.status,
        message_count=row.message_count,
        created_at=row.created_at,
        active_at=row.active_at,
    )


def _message(row: Row[*tuple[Any, ...]]) -> StoredAgentMessage:
    extra = {} if row.extra is None else msgspec.json.decode(row.extra)
    return StoredAgentMessage(row.seq, row.role, row.content, row.source, extra, row.created_at)
