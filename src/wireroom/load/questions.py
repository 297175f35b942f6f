"""What people say: updates as Telegram pushes them, prompts, and tokens by which answers are known. Pure.

A token is the measurement's mark and a number, `K3f9x12`. The prompt has it, and so must the answer: a
scripted agent says it, any other that repeats what it was asked does too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_FIRST_MESSAGE_ID = 1_000_000_000
"""Above every message id of the Bot API server, which numbers the bot's own from 1."""
_REQUEST = (
    "think The import of the customers fails for one of them since Tuesday, please look at the test that"
    " shows it, mend the cause and tell me what was wrong"
)


def token_of(mark: str, number: int) -> str:
    """Return the token of the n-th promise of a measurement."""
    return f"{mark}x{number}"


def tokens_in(text: str, mark: str) -> set[str]:
    """Return the tokens of this measurement that stand in a text."""
    return set(re.findall(rf"\b{re.escape(mark)}x\d+", text))


def voice_token(chat: int, message_id: int) -> str:
    """Return how the answer to a voice message is known: by what it replies to."""
    return f"voice-{chat}-{message_id}"


def prompt(token: str, agent_seconds: float) -> str:
    """Return a request that a scripted agent works on for a while, and answers with the token."""
    return f"{_REQUEST}; sleep {agent_seconds:g}; say Mended: {token}"


def message_id_of(number: int) -> int:
    """Return the id of the n-th message that people sent."""
    return _FIRST_MESSAGE_ID + number


def update(
    update_id: int, chat: int, message_id: int, unix_time: int, said: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an update with a message in a private chat.

    Args:
        update_id: Never used before for the bot.
        chat: The person's id, which is their chat's.
        message_id: Of the message.
        unix_time: When it was sent.
        said: `{"text": …}` or `{"voice": {…}}`.
    """
    person = {"id": chat, "is_bot": False, "first_name": "Ann", "language_code": "en"}
    place = {"id": chat, "type": "private", "first_name": "Ann"}
    message = {"message_id": message_id, "date": unix_time, "chat": place, "from": person, **said}
    return {"update_id": update_id, "message": message}
