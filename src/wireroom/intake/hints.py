"""Signs for a chat that need not survive a crash."""

from __future__ import annotations

from typing import Protocol


class Hints(Protocol):
    """Signs that need not survive a crash: sent at once or never."""

    def typing(self, chat_id: int, thread_id: int | None) -> None:
        """Show "typing …" in the chat."""
        ...

    def answer_press(self, callback_id: str, text: str) -> None:
        """Acknowledge a pressed button."""
        ...


class NoHints:
    """Shows nothing, for services without a bot."""

    def typing(self, chat_id: int, thread_id: int | None) -> None:
        """Do nothing."""

    def answer_press(self, callback_id: str, text: str) -> None:
        """Do nothing."""
