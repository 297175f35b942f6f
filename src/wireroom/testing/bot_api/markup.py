"""Checks of what stands beside the text: keyboards, commands, reactions. Pure."""

from __future__ import annotations

import re
from typing import Any

from wireroom.testing.bot_api.errors import bad_request
from wireroom.testing.bot_api.params import Params
from wireroom.testing.bot_api.text import is_link

_MAX_CALLBACK_BYTES = 64
_MAX_BUTTONS = 100
_MAX_COMMANDS = 100
_MAX_DESCRIPTION = 256
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_ACTIONS = (
    *(
        "url",
        "callback_data",
        "web_app",
        "login_url",
        "switch_inline_query",
        "copy_text",
        "callback_game",
        "pay",
    ),
    *("switch_inline_query_current_chat", "switch_inline_query_chosen_chat"),
)
_OTHER_MARKUP = ("keyboard", "remove_keyboard", "force_reply")

# Source: Telegram Bot API, ReactionTypeEmoji.
_EMOJI = (
    "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 "
    "💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ "
    "🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 "
    "👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 "
    "🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡 "
)
REACTIONS = frozenset(_EMOJI.split())


def read_keyboard(params: Params, *, only_inline: bool) -> dict[str, Any] | None:
    """Return the inline keyboard to keep with the message; None without one or for another kind of markup.

    Raises:
        ApiRefusal: 400; a button or the whole is malformed, or it is another kind and `only_inline`.
    """
    markup = params.mapping("reply_markup")
    if not markup:
        return None
    if "inline_keyboard" not in markup:
        if only_inline or not any(kind in markup for kind in _OTHER_MARKUP):
            raise bad_request("inline keyboard expected")
        return None
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    if sum(map(len, rows)) > _MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    kept = [[_checked_button(button) for button in row] for row in rows if row]
    return {"inline_keyboard": kept} if kept else None


def _checked_button(button: Any) -> dict[str, Any]:
    if not isinstance(button, dict):
        raise bad_request("can't parse inline keyboard button: expected an Object")
    found = {name: value for name, value in button.items() if value is not None}
    if not isinstance(found.get("text"), str) or not found["text"].strip():
        raise bad_request("can't parse inline keyboard button: text must be non-empty")
    if sum(action in found for action in _ACTIONS) != 1:
        raise bad_request(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    data = found.get("callback_data")
    if data is not None and not _is_callback_data(data):
        raise bad_request("BUTTON_DATA_INVALID")
    if "url" in found and not is_link(found["url"]):
        raise bad_request(f"inline keyboard button URL '{found['url']}' is invalid: wrong HTTP URL")
    return found


def _is_callback_data(data: object) -> bool:
    return isinstance(data, str) and 1 <= len(data.encode("utf-8", "replace")) <= _MAX_CALLBACK_BYTES


def read_commands(params: Params) -> list[dict[str, str]]:
    """Return the commands of setMyCommands.

    Raises:
        ApiRefusal: 400; a name is not 1-32 of a-z, 0-9 and _, a description not 1-256 long, or too many.
    """
    given = params.array("commands")
    if len(given) > _MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    return [_checked_command(command) for command in given]


def _checked_command(command: Any) -> dict[str, str]:
    if not isinstance(command, dict):
        raise bad_request("can't parse commands list: expected an Object")
    name = str(command.get("command", "")).removeprefix("/")
    description = str(command.get("description", ""))
    if _COMMAND.fullmatch(name) is None:
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= _MAX_DESCRIPTION:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": description}


def read_reactions(params: Params) -> tuple[str, ...]:
    """Return the emoji of setMessageReaction; none removes the reaction.

    Raises:
        ApiRefusal: 400; more than the one a bot may set, or not an emoji that Telegram offers.
    """
    reactions = params.array("reaction")
    if len(reactions) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    emoji = tuple(
        str(one.get("emoji", "")) if isinstance(one, dict) and one.get("type") == "emoji" else ""
        for one in reactions
    )
    if not REACTIONS.issuperset(emoji):
        raise bad_request("REACTION_INVALID")
    return emoji
