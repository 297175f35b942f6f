"""Units of work on a delivery on its way: where each part stands, and which chat message it lives in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, update

from wireroom.conversations.topics import TopicKey
from wireroom.delivery.left_topics import body_from, opening_from
from wireroom.delivery.outbox import DeliveryState
from wireroom.delivery.parts import Part, RichPart, TextPart, VoicePart, decode_part, encode_part, part_kind
from wireroom.delivery.plan import Doubt, PartState, PartView
from wireroom.store.schema import deliveries, delivery_parts
from wireroom.store.statement import Row, Statement

_LOAD = Statement("""
    SELECT run_id, chat_id, bot_id, thread_id, reply_to, opening, body, buttons, attempts, created_at,
        left_topic
    FROM deliveries WHERE id = :delivery_id AND state IN ('waiting', 'pending')
""")
"""A delivery that is not over."""

_LOAD_PARTS = Statement("""
    SELECT seq, kind, content, state, message_id, doubt, lost_after, updated_at, replaces
    FROM delivery_parts
    WHERE delivery_id = :delivery_id ORDER BY seq
""")
"""Its parts in order."""

_MARK = Statement("""
    UPDATE delivery_parts SET state = :state, error = :error, updated_at = :now_ms,
        message_id = COALESCE(:message_id, message_id),
        doubt = CASE WHEN :state = 'sending' AND state <> 'new' THEN 1 ELSE doubt END,
        lost_after = CASE WHEN :state = 'sending' AND state <> 'new'
            THEN COALESCE(lost_after || ' ', '') || COALESCE(sent_after, 0) ELSE lost_after END,
        sent_after = COALESCE(:sent_after, sent_after)
    WHERE delivery_id = :delivery_id AND seq = :seq
""")
"""Note where a part stands; a known message id is kept. Sending it again leaves a doubt about before."""

_LEAVE_CHAT = Statement("""
    UPDATE delivery_parts
    SET message_id = NULL, doubt = 0, lost_after = NULL,
        state = CASE state WHEN 'sent' THEN 'sent' ELSE 'new' END
    WHERE delivery_id IN (
        SELECT id FROM deliveries
        WHERE bot_id = :bot_id AND chat_id = :chat_id AND state IN ('waiting', 'pending')
    )
""")
"""Forget where unfinished deliveries stand in a chat: its message ids mean nothing in another one."""

_UNFINISHED = (DeliveryState.WAITING.value, DeliveryState.PENDING.value)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part with its message, if it has one."""

    seq: int
    state: PartState
    content: Part | None
    """None while only the placeholder is wanted."""
    message_id: int | None
    doubt: Doubt
    lost_after: Sequence[int]
    """Of each send that may have left a message, the highest message id known before it; oldest first."""
    updated_at: int
    """When its state was last noted; for one to be filled that is when its filling came due."""
    replaces: int | None = None
    """The message id of an earlier placeholder, see `delivery.takeover`."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery with everything the sender needs."""

    id: int
    run_id: str | None
    chat_id: int
    bot_id: int
    thread_id: int | None
    reply_to: int | None
    opening: str
    body: str | None
    buttons: list[list[dict[str, str]]]
    attempts: int
    created_at: int
    parts: Sequence[StoredPart]
    """By number; there is always a first one."""

    @property
    def view(self) -> Sequence[PartView]:
        """What the plan must know."""
        return [
            PartView(
                part.seq,
                part.state,
                has_content=part.content is not None,
                doubt=part.doubt,
                is_voice=isinstance(part.content, VoicePart),
                replaces=part.replaces is not None,
            )
            for part in self.parts
        ]

    @property
    def topic(self) -> TopicKey | None:
        """The topic that it goes to, None outside topics."""
        return None if self.thread_id is None else TopicKey(self.bot_id, self.chat_id, self.thread_id)

    @property
    def is_cut(self) -> bool:
        """Whether its parts are cut from its body, as those of an answer and of a notice in words are."""
        is_text = all(
            part.content is None or isinstance(part.content, TextPart | RichPart) for part in self.parts
        )
        return self.run_id is not None or is_text

    def due_since(self, seq: int) -> int:
        """Return when the step that part `seq` is at came due: placing it, or filling it."""
        part = self.parts[seq]
        if part.state is PartState.PLACED:
            return part.updated_at
        # Each try to place notes the part anew, so what came before it is what counts.
        return self.parts[seq - 1].updated_at if seq else self.created_at


def load_outgoing(conn: Connection, delivery_id: int) -> Outgoing | None:
    """Return an unfinished delivery, None when there is nothing (more) to send."""
    row = _LOAD.row(conn, delivery_id=delivery_id)
    if row is None:
        return None
    run_id, chat_id, bot_id, thread_id, reply_to, opening, body, buttons, attempts, created_at, left = row
    return Outgoing(
        id=delivery_id,
        run_id=run_id,
        chat_id=chat_id,
        bot_id=bot_id,
        thread_id=thread_id,
        reply_to=reply_to,
        opening=opening_from(left, opening),
        body=body_from(left, body),
        buttons=msgspec.json.decode(buttons) if buttons else [],
        attempts=attempts,
        created_at=created_at,
        parts=[_stored(part) for part in _LOAD_PARTS.rows(conn, delivery_id=delivery_id)],
    )


def store_parts(conn: Connection, delivery_id: int, contents: Sequence[Part], now_ms: int) -> None:
    """Give each part its content; the first keeps the placeholder it may have already."""
    first, *others = contents
    conn.execute(
        _part(delivery_id, 0).values(kind=part_kind(first), content=encode_part(first), updated_at=now_ms)
    )
    for seq, content in enumerate(others, start=1):
        conn.execute(
            insert(delivery_parts).values(
                delivery_id=delivery_id,
                seq=seq,
                kind=part_kind(content),
                content=encode_part(content),
                state=PartState.NEW,
                updated_at=now_ms,
            )
        )


def mark_part(
    conn: Connection,
    delivery_id: int,
    seq: int,
    state: PartState,
    *,
    now_ms: int,
    message_id: int | None = None,
    sent_after: int | None = None,
    error: str | None = None,
) -> None:
    """Note where a part stands, its message once known, and what was known when it was sent."""
    _MARK.run(
        conn,
        delivery_id=delivery_id,
        seq=seq,
        state=state.value,
        message_id=message_id,
        sent_after=sent_after,
        error=error,
        now_ms=now_ms,
    )


def forget_message(conn: Connection, delivery_id: int, seq: int, now_ms: int) -> None:
    """Note that the part's message is gone from the chat: it needs a new placeholder."""
    conn.execute(_part(delivery_id, seq).values(state=PartState.NEW, message_id=None, updated_at=now_ms))


def close_delivery(
    conn: Connection, delivery_id: int, state: DeliveryState, *, error: str | None, now_ms: int
) -> None:
    """Note that the chat shows everything, or that we gave up and why; one that is over stays as it is."""
    sent_at = now_ms if state is DeliveryState.SENT else None
    conn.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state.in_(_UNFINISHED))
        .values(state=state, error=error, sent_at=sent_at)
    )


def note_failure(conn: Connection, delivery_id: int, error: str) -> None:
    """Count a failed try."""
    conn.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(attempts=deliveries.c.attempts + 1, error=error)
    )


def move_chat(conn: Connection, bot_id: int, old_chat_id: int, new_chat_id: int) -> None:
    """Send what is left to the supergroup that the group has become, with placeholders of its own."""
    _LEAVE_CHAT.run(conn, bot_id=bot_id, chat_id=old_chat_id)
    conn.execute(
        update(deliveries)
        .where(
            deliveries.c.bot_id == bot_id,
            deliveries.c.chat_id == old_chat_id,
            deliveries.c.state.in_(_UNFINISHED),
        )
        .values(chat_id=new_chat_id, reply_to=None, thread_id=None)
    )


def _part(delivery_id: int, seq: int) -> Any:
    return update(delivery_parts).where(
        delivery_parts.c.delivery_id == delivery_id, delivery_parts.c.seq == seq
    )


def _stored(row: Row) -> StoredPart:
    seq, kind, content, state, message_id, doubt, lost_after, updated_at, replaces = row
    decoded = None if content is None else decode_part(kind, content)
    lost = [int(number) for number in (lost_after or "").split()]
    return StoredPart(seq, PartState(state), decoded, message_id, Doubt(doubt), lost, updated_at, replaces)
