"""What follows a group that became a supergroup, and so got another id: unit of work.

Conversation, requests, choices and messages on their way go on under the new id. People are known by their
own ids. What waits keeps its order; what is asked in the new chat meanwhile does not wait for it.
"""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom.cache.changes import CONVERSATIONS_CHANGED
from wireroom.delivery.outgoing import move_chat
from wireroom.intake.update import lane_name
from wireroom.store.database import after_commit
from wireroom.store.statement import Statement

_CLOSE_DOUBLE = Statement("""
    UPDATE conversations SET is_current = 0 WHERE lane = :old AND is_current = 1
        AND EXISTS (SELECT 1 FROM conversations AS new WHERE new.lane = :new AND new.is_current = 1)
""")
"""Where one has begun under the new id already, that one goes on."""

_CONVERSATIONS = Statement("UPDATE conversations SET lane = :new WHERE lane = :old")
"""Take conversations along."""

_RUNS = Statement("UPDATE runs SET lane = :new WHERE lane = :old")
"""Take requests along, those that are over for `/retry` and `/diff`."""

_CHOICES = Statement("""
    UPDATE chat_settings SET lane = :new WHERE lane = :old
        AND NOT EXISTS (SELECT 1 FROM chat_settings AS there WHERE there.lane = :new)
""")
"""Take along what people chose, unless they chose anew."""

_DELIVERIES = Statement("""
    UPDATE deliveries SET lane = :new WHERE lane = :old AND state IN ('waiting', 'pending')
""")
"""Name the new lane on what is still to be sent."""


def follow_group(conn: Connection, bot_id: int, old_chat_id: int, new_chat_id: int) -> None:
    """Take everything of a group along to the supergroup that it became; doing it again changes nothing.

    Telegram tells of it in both chats. A basic group has no topics, so it is one lane.
    """
    lanes = {"old": lane_name(bot_id, old_chat_id, None), "new": lane_name(bot_id, new_chat_id, None)}
    for statement in (_CLOSE_DOUBLE, _CONVERSATIONS, _RUNS, _CHOICES, _DELIVERIES):
        statement.run(conn, **lanes)
    move_chat(conn, bot_id, old_chat_id, new_chat_id)
    after_commit(conn, CONVERSATIONS_CHANGED)
