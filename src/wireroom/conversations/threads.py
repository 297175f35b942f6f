"""Units of work on conversations: which one a lane's next message joins, and what was said in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from wireroom.cache.changes import CONVERSATIONS_CHANGED
from wireroom.conversations.context import Turn, extended_summary
from wireroom.errors import NotFound
from wireroom.store.database import after_commit
from wireroom.store.statement import Row, Statement

_TITLE_CHARS = 60
_KEPT_WHOLE = 40
"""Newest messages that are told to an agent as they are."""
_FOLD_EVERY = 20
_SUMMARY_CHARS = 12_000

_COLUMNS = "id, channel, lane, workdir, backend, session_id, session_backend, title"
_CURRENT = Statement(f"SELECT {_COLUMNS} FROM conversations WHERE lane = :lane AND is_current = 1")
"""The conversation that a lane's next message joins."""

_BY_ID = Statement(f"SELECT {_COLUMNS} FROM conversations WHERE id = :id")
"""One conversation."""

_BEGIN = Statement("""
    INSERT INTO conversations
        (id, channel, lane, is_current, title, backend, workdir, message_count, created_at, active_at)
    VALUES (:id, :channel, :lane, 1, '', :backend, :workdir, 0, :now_ms, :now_ms)
    ON CONFLICT DO NOTHING
""")
"""Begin a conversation as its lane's current one, unless the lane has just got one."""

_CLOSE_CURRENT = Statement("UPDATE conversations SET is_current = 0 WHERE lane = :lane AND is_current = 1")
"""Let a lane's next message begin a new conversation."""

_SESSION_OF = Statement("""
    SELECT session_id, COALESCE(session_workdir, workdir), session_usage FROM conversations
    WHERE id = :id AND session_backend = :backend AND session_id IS NOT NULL
""")
"""A coding agent's session, with its folder and what it is known to have used."""

_COUNT_MESSAGE = Statement("""
    UPDATE conversations SET message_count = message_count + 1, active_at = :now_ms,
        title = CASE WHEN message_count = 0 THEN :title ELSE title END
    WHERE id = :id RETURNING message_count
""")
"""Take the next message number; the first message gives the title."""

_APPEND = Statement("""
    INSERT INTO messages (conversation_id, seq, role, content, run_id, created_at)
    VALUES (:id, :seq, :role, :content, :run_id, :now_ms)
""")
"""Add a message."""

_SUMMARY = Statement("SELECT summary, summary_upto FROM conversations WHERE id = :id")
"""What is remembered of the oldest messages, and up to which."""

_BETWEEN = Statement("""
    SELECT role, content FROM messages WHERE conversation_id = :id AND seq > :after AND seq <= :upto
    ORDER BY seq
""")
"""Messages in order, the first excluded and the last included."""

_RECENT = Statement("""
    SELECT role, content FROM messages WHERE conversation_id = :id AND seq > :after
    ORDER BY seq DESC LIMIT :limit
""")
"""The newest messages after one, newest first."""

_SET_SUMMARY = Statement("""
    UPDATE conversations SET summary = :summary, summary_upto = :upto WHERE id = :id
""")
"""Remember the oldest messages in short."""

_SESSION = Statement("""
    UPDATE conversations SET session_id = :session_id, session_backend = :backend, session_workdir = :workdir,
        session_usage = COALESCE(:usage, CASE WHEN session_id = :session_id AND session_backend = :backend
                                              THEN session_usage END)
    WHERE id = :id
""")
"""Remember the coding agent's session; what is known of another one's usage goes."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A thread of messages with one coding agent in one folder."""

    id: str
    channel: str
    lane: str
    workdir: str
    """The folder that its agent works in."""
    backend: str | None
    """The coding agent it is bound to; None for the default."""
    session_id: str | None
    """The coding agent's own session, valid for `session_backend` only."""
    session_backend: str | None
    title: str


@dataclass(frozen=True, slots=True)
class Session:
    """A coding agent's own session."""

    id: str
    workdir: str
    """The folder that it belongs to: agents find their sessions by folder."""
    usage: Mapping[str, int | float]
    """What it is known to have used, such as `{"cost_usd": 0.25}`; see `runs.session_usage`."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a conversation."""

    summary: str
    """The oldest messages in short, a line each."""
    turns: Sequence[Turn]
    """Those after them, oldest first."""


@dataclass(frozen=True, slots=True)
class NewConversation:
    """What a conversation starts with, should the lane have none."""

    id: str
    channel: str
    lane: str
    workdir: str
    backend: str | None = None


def begin_conversation(conn: Connection, wanted: NewConversation, now_ms: int) -> Conversation:
    """Close the lane's current conversation and begin the wanted one.

    When another unit begins one at the same moment, or one of this id exists, that one is returned.

    Raises:
        NotFound: it was deleted at the same moment.
    """
    _CLOSE_CURRENT.run(conn, lane=wanted.lane)
    after_commit(conn, CONVERSATIONS_CHANGED)
    begun = _insert(conn, wanted, now_ms)
    found = begun or find_current(conn, wanted.lane) or find_conversation(conn, wanted.id)
    if found is None:
        raise NotFound(f"Conversation {wanted.id} went while it began.")
    return found


def find_current(conn: Connection, lane: str) -> Conversation | None:
    """Return the lane's current conversation, None before its first message."""
    return _from_row(_CURRENT.row(conn, lane=lane))


def find_conversation(conn: Connection, conversation_id: str) -> Conversation | None:
    """Return the conversation, None when there is none of this id. Creates nothing."""
    return _from_row(_BY_ID.row(conn, id=conversation_id))


def session_of(conn: Connection, conversation_id: str, backend: str) -> Session | None:
    """Return the session that this coding agent has for the conversation, None if it has none."""
    found = _SESSION_OF.row(conn, id=conversation_id, backend=backend)
    if found is None:
        return None
    session_id, workdir, usage = found
    return Session(session_id, workdir, msgspec.json.decode(usage) if usage else {})


def append_message(
    conn: Connection, conversation_id: str, role: str, content: str, *, run_id: str | None, now_ms: int
) -> int:
    """Add a message at the end and return its number, 1 for the first.

    Now and then this folds the oldest messages into the conversation's summary; they stay as they are.
    """
    title = next(iter(content.strip().splitlines()), "")[:_TITLE_CHARS]
    seq: int = _COUNT_MESSAGE.value(conn, id=conversation_id, title=title, now_ms=now_ms)
    _APPEND.run(conn, id=conversation_id, seq=seq, role=role, content=content, run_id=run_id, now_ms=now_ms)
    after_commit(conn, CONVERSATIONS_CHANGED)
    if seq % _FOLD_EVERY == 0 and seq > _KEPT_WHOLE:
        _fold(conn, conversation_id, seq - _KEPT_WHOLE)
    return seq


def recall(conn: Connection, conversation_id: str) -> Memory:
    """Return what there is to tell an agent of a conversation. Changes nothing."""
    found = _SUMMARY.row(conn, id=conversation_id)
    if found is None:
        return Memory("", ())
    summary, upto = found
    newest = _RECENT.rows(conn, id=conversation_id, after=upto, limit=_KEPT_WHOLE + _FOLD_EVERY)
    return Memory(summary or "", [Turn(role, content) for role, content in reversed(newest)])


def _fold(conn: Connection, conversation_id: str, upto: int) -> None:
    found = _SUMMARY.row(conn, id=conversation_id)
    if found is not None:
        summary, after = found
        folded = [Turn(*row) for row in _BETWEEN.rows(conn, id=conversation_id, after=after, upto=upto)]
        longer = extended_summary(summary or "", folded, _SUMMARY_CHARS)
        _SET_SUMMARY.run(conn, id=conversation_id, summary=longer, upto=upto)


def remember_session(
    conn: Connection,
    conversation_id: str,
    *,
    backend: str,
    session_id: str | None,
    workdir: str,
    usage: Mapping[str, int | float] | None = None,
) -> None:
    """Note the coding agent's session for the next run; None forgets a session that was lost.

    Without `usage`, what the same session is known to have used stays; a new session has used nothing.
    """
    told = msgspec.json.encode(usage).decode() if usage else None
    _SESSION.run(
        conn, id=conversation_id, session_id=session_id, backend=backend, workdir=workdir, usage=told
    )


def _insert(conn: Connection, wanted: NewConversation, now_ms: int) -> Conversation | None:
    begun = _BEGIN.run(
        conn,
        id=wanted.id,
        channel=wanted.channel,
        lane=wanted.lane,
        backend=wanted.backend,
        workdir=wanted.workdir,
        now_ms=now_ms,
    )
    if not begun:
        return None
    return Conversation(
        wanted.id, wanted.channel, wanted.lane, wanted.workdir, wanted.backend, None, None, ""
    )


def _from_row(row: Row | None) -> Conversation | None:
    if row is None:
        return None
    found, channel, lane, workdir, backend, session_id, session_backend, title = row
    return Conversation(found, channel, lane, workdir, backend, session_id, session_backend, title)
