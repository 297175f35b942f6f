"""Privacy mode: which messages of a group a bot is not told of. Pure.

Source: Telegram, Bot features, Privacy mode. Of bare commands Telegram tells a bot that wrote last in the
group; here it is told of every one.
"""

from __future__ import annotations

from wireroom.testing.bot_api.html_text import utf16_length
from wireroom.testing.bot_api.model import Json, Person


def is_hidden(bot: Person, payload: Json) -> bool:
    """Tell whether a bot in privacy mode, and no administrator, is not told of the message."""
    if payload["chat"]["type"] not in {"group", "supergroup"}:
        return False
    text = payload.get("text", payload.get("caption"))
    if text is None and not {"photo", "document", "voice"} & set(payload):
        return False
    replied = payload.get("reply_to_message", {})
    if replied.get("from", {}).get("id") == bot.id and "forum_topic_created" not in replied:
        return False
    first = (text or "").partition(" ")[0]
    if first.startswith("/"):
        return "@" in first and not first.lower().endswith(f"@{(bot.username or '').lower()}")
    return not any(_names(bot, text or "", one) for one in payload.get("entities", ()))


def _names(bot: Person, text: str, entity: Json) -> bool:
    wanted = f"@{(bot.username or '').lower()}"
    start = next((at for at in range(len(text)) if utf16_length(text[:at]) == entity["offset"]), 0)
    return entity["type"] == "mention" and text[start:].lower().startswith(wanted)
