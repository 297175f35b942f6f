"""Lets an answer come as a new message where drafts were shown, in place of the placeholder.

A draft goes away with the bot's next message, not with an edit. So at the end of a run that showed drafts its
delivery is placed anew, by the sender's own steps, which delete the old placeholder once the new message
stands: a kill at any line leaves one placeholder, or one answer.
"""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom.delivery.outbox import move_on
from wireroom.jobs.port import Jobs
from wireroom.store.statement import Statement

OPENING = "⏳ Working …"

_LEAVE = Statement("""
    UPDATE delivery_parts SET state = 'new', replaces = message_id, message_id = NULL, updated_at = :now_ms
    WHERE seq = 0 AND state = 'placed' AND replaces IS NULL AND message_id = :message_id AND delivery_id = (
        SELECT d.id FROM deliveries AS d JOIN runs AS r ON r.id = d.run_id
        WHERE d.run_id = :run_id AND d.body IS NULL AND d.state = 'waiting' AND r.cancel_requested_at IS NULL
    )
    RETURNING delivery_id
""")
"""Have a run's placeholder placed anew, as long as nothing but it can stand in its message."""

_REOPEN = Statement("""
    UPDATE deliveries SET opening = :opening WHERE id = :delivery_id RETURNING bot_id, chat_id
""")
"""What the new placeholder says for the moment that it stands."""

_REMOVED = Statement(
    "UPDATE delivery_parts SET replaces = NULL WHERE delivery_id = :delivery_id AND seq = :seq"
)
"""The old placeholder is gone, or stays for good."""


def place_anew(conn: Connection, jobs: Jobs, run_id: str, message_id: int, *, now_ms: int) -> None:
    """Have the run's answer come in a new message instead of the placeholder `message_id`.

    Does nothing once the answer is known, or when the placeholder is another one by now; nor for a run that
    is to stop, which an edit shows at once: its draft went away with the press of its button, or with the
    answer to `/stop`.
    """
    delivery_id = _LEAVE.value(conn, run_id=run_id, message_id=message_id, now_ms=now_ms)
    if delivery_id is None:
        return
    row = _REOPEN.row(conn, delivery_id=delivery_id, opening=OPENING)
    assert row is not None  # noqa: S101 - its part was found
    bot_id, chat_id = row
    move_on(conn, jobs, delivery_id, bot_id, chat_id)


def note_removed(conn: Connection, delivery_id: int, seq: int) -> None:
    """Note that the placeholder which the part's message replaced needs no more deleting."""
    _REMOVED.run(conn, delivery_id=delivery_id, seq=seq)
