"""Units of work on the topics of a chat: their names, whether they can be written to, which are projects.

Telegram lists no topics: what is known is what was told, by service messages and by those who write in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, tuple_

from wireroom.store.schema import topics
from wireroom.store.statement import Row, Statement

OPEN, CLOSED, GONE = "open", "closed", "gone"
_MOST_LISTED = 50
_LANE_NUMBERS = 3

_NOTE = Statement("""
    INSERT INTO topics (bot_id, chat_id, thread_id, name, state, made_by_bot, is_project, noted_at)
    VALUES (:bot_id, :chat_id, :thread_id, :name, :state, :made_by_bot, :is_project, :now_ms)
    ON CONFLICT (bot_id, chat_id, thread_id) DO UPDATE SET
        name = CASE WHEN excluded.name = '' THEN topics.name ELSE excluded.name END,
        state = excluded.state,
        made_by_bot = CASE WHEN excluded.made_by_bot = 1 THEN 1 ELSE topics.made_by_bot END,
        is_project = CASE WHEN excluded.is_project = 1 THEN 1 ELSE topics.is_project END
""")
"""Note what is known of a topic; a name that nobody tells stays."""

_STATE = Statement("""
    UPDATE topics SET state = :state WHERE bot_id = :bot_id AND chat_id = :chat_id AND thread_id = :thread_id
""")
"""Note whether a topic can be written to."""

_ONE = Statement("""
    SELECT thread_id, name, state, is_project FROM topics
    WHERE bot_id = :bot_id AND chat_id = :chat_id AND thread_id = :thread_id
""")
"""One topic."""

_OF_CHAT = Statement("""
    SELECT thread_id, name, state, is_project FROM topics
    WHERE bot_id = :bot_id AND chat_id = :chat_id AND state <> 'gone' ORDER BY thread_id LIMIT :limit
""")
"""The topics of a chat, oldest first."""


@dataclass(frozen=True, slots=True)
class TopicKey:
    """A topic of a chat."""

    bot_id: int
    chat_id: int
    thread_id: int


@dataclass(frozen=True, slots=True)
class Topic:
    """What is known of a topic."""

    thread_id: int
    name: str
    """Empty when it was never told."""
    state: str
    """open, closed or gone."""
    is_project: bool
    """Whatever is said in it is meant for the bot."""


def note_topic(
    conn: Connection,
    key: TopicKey,
    now_ms: int,
    *,
    name: str = "",
    state: str = OPEN,
    made_by_bot: bool = False,
    is_project: bool = False,
) -> None:
    """Note a topic, new or known; what is not told of it stays, and a project stays one."""
    _NOTE.run(
        conn,
        **_where(key),
        name=name,
        state=state,
        made_by_bot=int(made_by_bot),
        is_project=int(is_project),
        now_ms=now_ms,
    )


def note_state(conn: Connection, key: TopicKey, state: str) -> None:
    """Note that the topic is open, closed or gone; one that nobody heard of stays unknown."""
    _STATE.run(conn, **_where(key), state=state)


def find_topic(conn: Connection, key: TopicKey) -> Topic | None:
    """Return what is known of the topic, None when nothing is."""
    row = _ONE.row(conn, **_where(key))
    return None if row is None else _from_row(row)


def topics_of_chat(conn: Connection, bot_id: int, chat_id: int) -> Sequence[Topic]:
    """Return the topics of the chat that are not gone, oldest first, at most fifty."""
    return [_from_row(row) for row in _OF_CHAT.rows(conn, bot_id=bot_id, chat_id=chat_id, limit=_MOST_LISTED)]


def names_of_lanes(conn: Connection, lanes: Iterable[str]) -> dict[str, str]:
    """Return the names of those of the lanes that are topics whose name was told."""
    keys = {lane: key for lane in lanes if (key := topic_of_lane(lane)) is not None}
    if not keys:
        return {}
    table = topics.c
    place = (table.bot_id, table.chat_id, table.thread_id)
    wanted = tuple_(*place).in_([(key.bot_id, key.chat_id, key.thread_id) for key in keys.values()])
    named = {TopicKey(*row[:3]): row[3] for row in conn.execute(select(*place, table.name).where(wanted))}
    return {lane: named[key] for lane, key in keys.items() if named.get(key)}


def topic_of_lane(lane: str) -> TopicKey | None:
    """Return the topic of `telegram:1:-1002:5`; None for a lane that is none. Pure."""
    channel, *numbers = lane.split(":")
    if channel != "telegram" or len(numbers) != _LANE_NUMBERS:
        return None
    bot_id, chat_id, thread_id = (int(number) for number in numbers)
    return TopicKey(bot_id, chat_id, thread_id) if thread_id else None


def _where(key: TopicKey) -> dict[str, int]:
    return {"bot_id": key.bot_id, "chat_id": key.chat_id, "thread_id": key.thread_id}


def _from_row(row: Row) -> Topic:
    thread_id, name, state, is_project = row
    return Topic(thread_id, name, state, bool(is_project))
