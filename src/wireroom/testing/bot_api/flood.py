"""The limits of Telegram on sending, as its FAQ states them. Pure."""

from __future__ import annotations

import math
from collections import deque

from wireroom.testing.bot_api.model import Chat, ChatKind

_Window = tuple[int, float]
_PER_CHAT: _Window = (1, 1.0)
_OVERALL: _Window = (30, 1.0)
_PER_GROUP: _Window = (20, 60.0)


class FloodGate:
    """Counts messages: one a second in a chat, 30 a second in all, 20 a minute in a group.

    Source: Telegram Bots FAQ, "My bot is hitting limits". Edits and actions are not counted.
    """

    def __init__(self) -> None:
        self._sent: dict[str, deque[float]] = {}

    def admit(self, chat: Chat, now: float) -> int | None:
        """Count a message and return None, or refuse it.

        Args:
            chat: Where the message goes.
            now: Seconds that never run backwards.

        Returns:
            Whole seconds to wait, >= 1, when a limit is reached; the message is then not counted.
        """
        rules = [("", _OVERALL), (f"chat {chat.id}", _PER_CHAT)]
        if chat.kind is not ChatKind.PRIVATE:
            rules.append((f"group {chat.id}", _PER_GROUP))
        waits = [self._wait(key, window, now) for key, window in rules]
        if (longest := max(waits)) > 0:
            return math.ceil(longest)
        for key, _ in rules:
            self._sent[key].append(now)
        return None

    def _wait(self, key: str, window: _Window, now: float) -> float:
        limit, seconds = window
        sent = self._sent.setdefault(key, deque())
        while sent and sent[0] <= now - seconds:
            sent.popleft()
        return sent[0] + seconds - now if len(sent) >= limit else 0.0
