"""`/rich`: whether a chat is shown rich messages; each person chooses in their own chat."""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom.conversations.chat_settings import change_chat_settings, read_chat_settings
from wireroom.delivery.looks import Look, look_of

_MEANINGS = {
    Look.ON: "every answer with more than plain paragraphs is a rich message",
    Look.AUTO: "answers with a table, a plan or a long diff are rich messages",
    Look.OFF: "every answer is text",
}
_USAGE = "Choose with `/rich on`, `/rich off` or `/rich auto`."
_OLD_APPS = "If your app is too old to show them, it says so instead; `/rich off` brings text."


def rich_reply(conn: Connection, lane: str, chat_id: int, wanted: str, now_ms: int) -> str:
    """Choose how answers look in the chat, or show it, and return what to say.

    Args:
        conn: The unit's.
        lane: Of the chat.
        chat_id: Negative for groups, where AUTO means OFF.
        wanted: "on", "off", "auto", or nothing to show it.
        now_ms: The time.
    """
    word = wanted.strip().lower()
    if word not in set(Look):
        look = look_of(read_chat_settings(conn, lane).rich, chat_id)
        return f"✨ Rich messages: **{look}**, so {_MEANINGS[look]}. {_USAGE}"
    chosen = None if word == Look.AUTO else word
    change_chat_settings(conn, lane, now_ms, rich=chosen)
    look = look_of(chosen, chat_id)
    hint = "" if look is Look.OFF else f" {_OLD_APPS}"
    return f"✨ From now on {_MEANINGS[look]}.{hint}"
