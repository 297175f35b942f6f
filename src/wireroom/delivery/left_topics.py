"""Answers whose topic is closed or gone: they go to the chat itself, and say where they come from.

What was shown in the topic is shown again with the rest: a deleted topic shows nothing any more, and half an
answer in each of two places is worth less than a whole one.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection

from wireroom.conversations.topics import CLOSED, GONE, TopicKey, find_topic, note_state
from wireroom.store.statement import Statement

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")

_LEAVE = Statement("""
    UPDATE deliveries SET thread_id = NULL, reply_to = NULL, left_topic = :name WHERE id = :delivery_id
""")
"""Send a delivery to the chat itself; an answer to a message of the topic would lead back into it."""

_DROP_PARTS = Statement("DELETE FROM delivery_parts WHERE delivery_id = :delivery_id AND seq > 0")
"""Forget how the answer was cut."""

_CUT_ANEW = Statement("UPDATE delivery_parts SET content = NULL WHERE delivery_id = :delivery_id")
"""Let the answer be cut again, with where it comes from at its head."""

_BEGIN_ANEW = Statement("""
    UPDATE delivery_parts
    SET state = 'new', message_id = NULL, doubt = 0, lost_after = NULL, updated_at = :now_ms
    WHERE delivery_id = :delivery_id
""")
"""Let every part be placed again."""


def leave_topic(
    conn: Connection, delivery_id: int, key: TopicKey, now_ms: int, *, is_closed: bool, is_cut: bool
) -> None:
    """Send the delivery, from its beginning, to the chat instead of its topic, and note the topic's end.

    Args:
        conn: The sender's unit.
        delivery_id: The delivery.
        key: Its topic.
        now_ms: The time.
        is_closed: The topic is closed, not gone.
        is_cut: Its parts are cut from its body; those of a file or a voice message are not, and stay.
    """
    note_state(conn, key, CLOSED if is_closed else GONE)
    topic = find_topic(conn, key)
    _LEAVE.run(conn, delivery_id=delivery_id, name=topic.name if topic else "")
    if is_cut:
        _DROP_PARTS.run(conn, delivery_id=delivery_id)
        _CUT_ANEW.run(conn, delivery_id=delivery_id)
    _BEGIN_ANEW.run(conn, delivery_id=delivery_id, now_ms=now_ms)


def opening_from(left_topic: str | None, opening: str) -> str:
    """Return what the placeholder says, below where it comes from. Pure; plain text."""
    return opening if left_topic is None else f"{_origin(left_topic)}\n{opening}"


def body_from(left_topic: str | None, body: str | None) -> str | None:
    """Return the answer below where it comes from. Pure; Markdown."""
    if left_topic is None or body is None:
        return body
    origin = _PUNCTUATION.sub(r"\\\g<0>", _origin(left_topic))
    return f"{origin}\n\n{body}"


def _origin(name: str) -> str:
    topic = f"the topic “{name}”, which" if name else "a topic that"
    return f"↪️ From {topic} is closed or gone:"
