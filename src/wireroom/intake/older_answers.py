"""Answers to requests that an older chat front end took: their state is in Redis, not in our rows.

A runner reports to whoever has the front end's address now. The answer becomes a delivery of ours in the same
transaction that notes the callback, so a repetition, or a crash, sends nothing twice.
Source: contract of telegram-receiver, sections 5.3 and 5.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from wireroom.callbacks.inbox import keep_result
from wireroom.callbacks.pending import Pending
from wireroom.delivery.clean import clean_terminal_text
from wireroom.delivery.outbox import Recipient, send_notice
from wireroom.intake.update import lane_name
from wireroom.jobs.port import Jobs

_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"false", "0", ""})
_LONGEST_ERROR_CHARS = 4000


def answer_older_request(
    conn: Connection,
    jobs: Jobs,
    request_id: str,
    pending: Pending,
    fields: Mapping[str, Any],
    *,
    bot_id: int,
    now_ms: int,
) -> bool:
    """Store the answer as a delivery to the chat that asked; False when it was stored before.

    Args:
        conn: The unit.
        jobs: Where the delivery is queued.
        request_id: What the callback is about.
        pending: Who waits for it.
        fields: The callback's body.
        bot_id: Our bot, which must be the older front end's.
        now_ms: Now.
    """
    if not keep_result(conn, request_id, fields, now_ms):
        return False
    lane = lane_name(bot_id, pending.chat_id, None)
    to = Recipient(lane, bot_id, pending.chat_id, reply_to=pending.message_id)
    send_notice(conn, jobs, to, answer_text(fields), now_ms=now_ms)
    return True


def answer_text(fields: Mapping[str, Any]) -> str:
    """Return what people read of a callback, as Markdown. Pure."""
    output = clean_terminal_text(_text(fields.get("output"))).strip()
    if is_success(fields.get("success")):
        return output or "✅ Done. The agent said nothing."
    error = clean_terminal_text(_text(fields.get("error"))).strip()[:_LONGEST_ERROR_CHARS]
    head = f"❌ {error or 'Unknown error occurred'}"
    return f"{head}\n\nUntil then:\n\n{output}" if output else head


def is_success(value: Any) -> bool:
    """Tell whether a callback's `success` says so; by the older rule texts and numbers count. Pure."""
    if isinstance(value, str):
        word = value.strip().lower()
        return word in _TRUE or word not in _FALSE
    return bool(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
