"""Where a run's progress is shown, and which run a draft belongs to: read from the deliveries.

A draft has the id of its run's delivery for its own: never 0, the same for the whole run, and good on every
process of the installation.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.conversations.chat_settings import read_chat_settings
from wireroom.delivery.looks import wants_rich_drafts
from wireroom.store.statement import Statement

_FIND = Statement("""
    SELECT d.id, d.chat_id, d.thread_id, d.lane, p.message_id
    FROM deliveries AS d JOIN delivery_parts AS p ON p.delivery_id = d.id
    WHERE d.run_id = :run_id AND d.bot_id = :bot_id AND d.body IS NULL AND p.seq = 0
""")
"""Where a bot will answer a run, while its answer is not known."""

_FOLLOWED = Statement("""
    SELECT 1
    FROM deliveries AS own
    JOIN runs AS later ON later.lane = own.lane AND later.queued_at >= own.created_at - :skew_ms
    JOIN deliveries AS next ON next.run_id = later.id AND next.chat_id = own.chat_id AND next.id > own.id
    JOIN delivery_parts AS first ON first.delivery_id = next.id AND first.seq = 0
    WHERE own.id = :delivery_id AND (first.state <> 'new' OR first.replaces IS NOT NULL)
    LIMIT 1
""")
"""Whether the placeholder of a later request stands below a delivery's, or is on its way."""

_LANE_OF = Statement("SELECT lane FROM deliveries WHERE id = :delivery_id")
"""Whose settings count for a delivery."""

_RUN_OF = Statement("""
    SELECT run_id FROM deliveries WHERE id = :draft_id AND bot_id = :bot_id AND chat_id = :chat_id
""")
"""Which run a chat's draft shows."""


_SKEW_MS = 60_000
"""How far the clocks of two machines may differ."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a run's progress is shown."""

    draft_id: int
    chat_id: int
    thread_id: int | None
    message_id: int | None
    """None until the placeholder is there."""
    rich: bool
    """Whether its drafts may be rich."""
    is_last: bool = True
    """No placeholder of a later request stands below it."""


def find_spot(conn: Connection, run_id: str, bot_id: int) -> Spot | None:
    """Return where the bot will answer the run; None for nowhere, and once its answer is known."""
    row = _FIND.row(conn, run_id=run_id, bot_id=bot_id)
    if row is None:
        return None
    delivery_id, chat_id, thread_id, lane, message_id = row
    rich = wants_rich_drafts(read_chat_settings(conn, lane).rich, chat_id)
    is_last = not is_followed(conn, delivery_id)
    return Spot(delivery_id, chat_id, thread_id, message_id, rich, is_last)


def is_followed(conn: Connection, delivery_id: int) -> bool:
    """Tell whether the placeholder of a later request of its lane stands in the chat, or is on its way."""
    return _FOLLOWED.row(conn, delivery_id=delivery_id, skew_ms=_SKEW_MS) is not None


def run_of_draft(conn: Connection, draft_id: int, bot_id: int, chat_id: int) -> str | None:
    """Return the run whose draft this is in this chat, None for a draft that is none of its."""
    run_id: str | None = _RUN_OF.value(conn, draft_id=draft_id, bot_id=bot_id, chat_id=chat_id)
    return run_id


def rich_choice(conn: Connection, delivery_id: int) -> str | None:
    """Return what the people of the delivery's chat chose about rich messages, see `delivery.looks`."""
    lane = _LANE_OF.value(conn, delivery_id=delivery_id)
    return read_chat_settings(conn, lane).rich if lane else None
