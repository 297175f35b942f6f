"""Drafts: partial messages that people see while a bot writes them, with a button to stop it. No I/O.

Source: Telegram Bot API 10.3, sendMessageDraft, sendRichMessageDraft, MessageGenerationStopped; TDLib,
updatePendingTextMessage (gone after 30 seconds, and with the bot's next message in the thread).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LIFE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SeenDraft:
    """A partial message as a person sees it now."""

    chat_id: int
    draft_id: int
    thread: int | None
    text: str
    """Plain text; empty for "Thinking…"."""
    entities: tuple[dict[str, Any], ...]
    blocks: tuple[dict[str, Any], ...]
    """Of a rich draft."""
    can_stop: bool
    """It has a button to stop it."""
    keep_on_stop: bool
    shown_at: float
    """By the server's clock for drafts; it is gone `LIFE_SECONDS` later."""


class Drafts:
    """The drafts of one chat, by their ids within a thread."""

    def __init__(self) -> None:
        self._shown: dict[tuple[int | None, int], SeenDraft] = {}

    def show(self, draft: SeenDraft) -> None:
        """Show a draft instead of the one with its id."""
        self._shown[draft.thread, draft.draft_id] = draft

    def visible(self, now: float) -> list[SeenDraft]:
        """Return those that are not too old."""
        return [draft for draft in self._shown.values() if now < draft.shown_at + LIFE_SECONDS]

    def end(self, thread: int | None) -> None:
        """Take the thread's drafts off the screen: a message of the bot has come."""
        self._shown = {key: draft for key, draft in self._shown.items() if draft.thread != thread}

    def stop(self, draft: SeenDraft) -> None:
        """Take the stopped draft off the screen, unless the bot asked to keep it."""
        if not draft.keep_on_stop:
            self._shown.pop((draft.thread, draft.draft_id), None)
