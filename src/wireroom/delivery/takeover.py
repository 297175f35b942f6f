"""Lets an answer come as a new message where drafts were shown, in place of the placeholder.

A draft goes away with the bot's next message, not with an edit. So at the end of a run that showed drafts its
delivery is placed anew, by the sender's own steps, which delete the old placeholder once the new message
stands: a kill at any line leaves one placeholder, or one answer.

That never costs the order of a chat: once the placeholder of a later request stands, the answer is shown
where its own placeholder is, above.
"""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom.delivery.outbox import move_on
from wireroom.jobs.port import Jobs
from wireroom.store.statement import Statement

OPENING = "⏳ Working …"

_REOPEN = Statement("""
    UPDATE deliveries SET opening = :opening
    WHERE run_id = :run_id AND body IS NULL AND state = 'waiting'
        AND NOT EXISTS (SELECT 1 FROM runs WHERE id = :run_id AND cancel_requested_at IS NOT NULL)
    RETURNING id, bot_id, chat_id
""")
"""What a new placeholder says for the moment that it stands; until the commit nobody fills the delivery."""

_LEAVE = Statement("""
    UPDATE delivery_parts SET state = 'new', replaces = message_id, message_id = NULL, updated_at = :now_ms
    WHERE delivery_id = :delivery_id AND seq = 0 AND state = 'placed' AND replaces IS NULL
        AND message_id = :message_id
    RETURNING seq
""")
"""Have the placeholder placed anew, as long as nothing but it can stand in its message."""

_STAY = Statement("""
    UPDATE delivery_parts SET state = 'placed', message_id = replaces, replaces = NULL, updated_at = :now_ms,
        doubt = CASE state WHEN 'new' THEN doubt ELSE 1 END,
        lost_after = CASE state WHEN 'new' THEN lost_after
            ELSE COALESCE(lost_after || ' ', '') || COALESCE(sent_after, 0) END
    WHERE delivery_id = :delivery_id AND seq = :seq AND replaces IS NOT NULL
""")
"""Go back to the placeholder; what may have been sent meanwhile is looked for."""

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
    # The delivery's row first: on PostgreSQL that is the lock which whoever fills it has to wait for.
    row = _REOPEN.row(conn, run_id=run_id, opening=OPENING)
    if row is None:
        return
    delivery_id, bot_id, chat_id = row
    left = _LEAVE.row(conn, delivery_id=delivery_id, message_id=message_id, now_ms=now_ms)
    if left is not None:
        move_on(conn, jobs, delivery_id, bot_id, chat_id)


def stay(conn: Connection, delivery_id: int, seq: int, now_ms: int) -> None:
    """Have the part filled where its placeholder still stands, and no message placed instead of it."""
    _STAY.run(conn, delivery_id=delivery_id, seq=seq, now_ms=now_ms)


def note_removed(conn: Connection, delivery_id: int, seq: int) -> None:
    """Note that the placeholder which the part's message replaced needs no more deleting."""
    _REMOVED.run(conn, delivery_id=delivery_id, seq=seq)
