"""One conversation with its newest messages, as programs read it; reading changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.store.statement import Row, Statement

_HEAD = Statement("""
    SELECT id, channel, lane, title, message_count, summary, summary_upto, created_at, active_at
    FROM conversations WHERE id = :id
""")
"""A conversation without its messages."""

_MESSAGES = Statement("""
    SELECT seq, role, substr(content, 1, :most_chars + 1), run_id, created_at FROM messages
    WHERE conversation_id = :id AND seq < :before ORDER BY seq DESC LIMIT :limit
""")
"""The newest messages before a number, newest first, none longer than can be shown."""

_WAITING = Statement("""
    SELECT NULL, 'user', substr(prompt, 1, :most_chars + 1), id, queued_at FROM runs
    WHERE conversation_id = :id AND state = 'queued' AND started_at IS NULL
    ORDER BY queued_at LIMIT :limit
""")
"""What was asked and has not begun; its message is written when it begins."""

_FACE = Statement("SELECT message_count, summary_upto FROM conversations WHERE id = :id")
"""What changes with every message."""

_WAITING_IDS = Statement("""
    SELECT id FROM runs WHERE conversation_id = :id AND state = 'queued' AND started_at IS NULL
    ORDER BY queued_at
""")
"""The questions whose turn has not come."""

_NO_END = 1 << 31
_AT_ONCE = 20


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
    is_cut: bool
    """The content goes on."""


@dataclass(frozen=True, slots=True)
class Face:
    """What of a conversation tells whether it must be read again."""

    message_count: int
    summary_upto: int
    waiting: Sequence[str]
    """Runs whose turn has not come."""


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


def read_face(conn: Connection, conversation_id: str) -> Face | None:
    """Return what tells whether the conversation has changed, None when there is none of this id."""
    row = _FACE.row(conn, id=conversation_id)
    if row is None:
        return None
    message_count, summary_upto = row
    waiting = [run_id for (run_id,) in _WAITING_IDS.rows(conn, id=conversation_id)]
    return Face(message_count, summary_upto, waiting)


def read_transcript(
    conn: Connection, conversation_id: str, *, limit: int, most_chars: int, before: int | None = None
) -> Transcript | None:
    """Return the conversation, None when there is none of this id.

    Args:
        conn: The reader's.
        conversation_id: Its id.
        limit: Most messages, and most waiting questions.
        most_chars: Most characters of messages, and of waiting questions; the newest message is always there,
            cut if it alone is longer.
        before: Only messages with a lower number.
    """
    head = _HEAD.row(conn, id=conversation_id)
    if head is None:
        return None
    found, channel, lane, title, message_count, summary, summary_upto, created_at, active_at = head
    waiting: Sequence[Row] = ()
    if before is None:
        waiting = _WAITING.rows(conn, id=conversation_id, limit=limit, most_chars=most_chars)
    newest = _newest(conn, conversation_id, limit, most_chars, _NO_END if before is None else before)
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
        messages=newest[::-1],
        waiting=fitting([_message(row, most_chars) for row in waiting], most_chars),
    )


def fitting(messages: Sequence[Message], most_chars: int) -> Sequence[Message]:
    """Return the first messages that have together at most `most_chars`, at least one. Pure."""
    left = most_chars
    for count, message in enumerate(messages):
        left -= len(message.content)
        if left < 0 and count:
            return messages[:count]
    return messages


def _newest(
    conn: Connection, conversation_id: str, limit: int, most_chars: int, before: int
) -> Sequence[Message]:
    """Return the newest messages, newest first; few are read at once, since each may be long."""
    read: list[Message] = []
    while len(read) < limit:
        wanted = min(_AT_ONCE, limit - len(read))
        rows = _MESSAGES.rows(conn, id=conversation_id, before=before, limit=wanted, most_chars=most_chars)
        read += [_message(row, most_chars) for row in rows]
        fit = fitting(read, most_chars)
        if len(rows) < wanted or len(fit) < len(read):
            return fit
        before = rows[-1][0]
    return read


def _message(row: Row, most_chars: int) -> Message:
    seq, role, content, run_id, created_at = row
    return Message(seq, role, content[:most_chars], run_id, created_at, len(content) > most_chars)
