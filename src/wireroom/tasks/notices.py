"""Pushes of the operator: to one chat, in the unit that does what they tell of, never in quiet hours."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.delivery.hours import QuietHours
from wireroom.delivery.outbox import Recipient
from wireroom.delivery.quiet import send_unasked
from wireroom.errors import SettingsError
from wireroom.jobs.port import Jobs

_CHAT = re.compile(r"(-?[0-9]{1,19})(?::([0-9]{1,10}))?")


@dataclass(frozen=True, slots=True)
class Notices:
    """Where pushes go."""

    to: Recipient | None = None
    """None: nobody is told."""
    quiet: QuietHours | None = None
    """The hours of a chat that has chosen none itself."""
    zone: str = "UTC"
    """Where the chat's own are read, unless it says otherwise."""

    def send(self, conn: Connection, jobs: Jobs, body: str, now_ms: int) -> None:
        """Tell the chat; in quiet hours the message is stored now and goes out when they end."""
        if self.to is None:
            return
        send_unasked(conn, jobs, self.to, body, now_ms=now_ms, zone=self.zone, usual=self.quiet)


def read_chat(text: str, bot_id: int) -> Recipient | None:
    """Return the chat of a setting such as `-1001234567890` or, with a topic, `-1001234567890:17`. Pure.

    Raises:
        SettingsError: it is no chat, or there is no bot that could write to it.
    """
    if not text.strip():
        return None
    found = _CHAT.fullmatch(text.strip())
    if found is None:
        raise SettingsError(
            f"WIREROOM_OPERATOR_CHAT is {text!r}; give a chat's number, such as 123456 or -100123:17."
        )
    if not bot_id:
        raise SettingsError("WIREROOM_OPERATOR_CHAT needs a bot: set TELEGRAM_BOT_TOKEN, too.")
    chat_id, thread_id = int(found[1]), int(found[2]) if found[2] else None
    return Recipient(f"telegram:{bot_id}:{chat_id}:{thread_id or 0}", bot_id, chat_id, thread_id)
