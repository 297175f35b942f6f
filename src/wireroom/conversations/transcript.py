"""One conversation with its newest messages, as programs read it; reading changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.store.statement import Statement

_HEAD = Statement("""
    SELECT id, channel, lane, title, message_count, summary, summary_upto, created_at, active_at
    FROM conversations WHERE id = :id
""")
"""A conversation without its messages."""

_MESSAGES = Statement("""
    SELECT seq, role, content, run_id, created_at FROM messages
    WHERE conversation_id = :id AND seq < :before ORDER BY seq DESC LIMIT :limit
""")
"""The newest messages before a number, newest first."""

_WAITING = Statement("""
    SELECT id, prompt, queued_at FROM runs
    WHERE conversation_id = :id AND state = 'queued' AND started_at IS NULL
    ORDER BY queued_at LIMIT :limit
""")
"""What was asked and has not begun; its message is written when it begins."""

_NO_END = 1 << 31


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    seq: int | None
    """1, 2, 3 … within the conversation; None for a question that waits for its turn."""
    role: str
    """user, assistant or system."""
    content: str
    run_id: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation and its newest messages, oldest first."""

    id: str
    channel: str
    lane: str
    title: str
    message_count: int
    """Messages in all, without questions that wait."""
    summary: str | None
    """What was said up to message `summary_upto`, in short."""
    summary_upto: int
    created_at: int
    active_at: int
    messages: Sequence[Message]
    waiting: Sequence[Message]
    """Questions whose turn has not come."""


def read_transcript(
    conn: Connection, conversation_id: str, *, limit: int, before: int | None = None
) -> Transcript | None:
    """Return the conversation, None when there is none of this id.

    Args:
        conn: The reader's.
        conversation_id: Its id.
        limit: Most messages, and most waiting questions.
        before: Only messages with a lower number.
    """
    head = _HEAD.row(conn, id=conversation_id)
    if head is None:
        return None
    end = _NO_END if before is None else before
    newest = _MESSAGES.rows(conn, id=conversation_id, before=end, limit=limit)
    waiting = _WAITING.rows(conn, id=conversation_id, limit=limit) if before is None else ()
    found, channel, lane, title, message_count, summary, summary_upto, created_at, active_at = head
    return Transcript(
        id=found,
        channel=channel,
        lane=lane,
        title=title,
        message_count=message_count,
        summary=summary,
        summary_upto=summary_upto,
        created_at=created_at,
        active_at=active_at,
        messages=[Message(*row) for row in reversed(newest)],
        waiting=[Message(None, "user", prompt, run_id, at) for run_id, prompt, at in waiting],
    )
