"""Units of work on a delivery on its way: where each part stands, and which chat message it lives in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, insert, select, update

from wireroom.delivery.outbox import DeliveryState
from wireroom.delivery.parts import Part, decode_part, encode_part, part_kind
from wireroom.delivery.plan import PartState, PartView
from wireroom.store.schema import deliveries, delivery_parts
from wireroom.store.statement import Row, Statement

_LOST_WITHIN = 500
_MOST_CANDIDATES = 60
_SUPERGROUPS_BELOW = -1_000_000_000_000
_LOAD = Statement("""
    SELECT run_id, chat_id, bot_id, thread_id, reply_to, opening, body, buttons, attempts, created_at
    FROM deliveries WHERE id = :delivery_id AND state IN ('waiting', 'pending')
""")
"""A delivery that is not over."""

_LOAD_PARTS = Statement("""
    SELECT seq, kind, content, state, message_id FROM delivery_parts
    WHERE delivery_id = :delivery_id ORDER BY seq
""")
"""Its parts in order."""

_MARK = Statement("""
    UPDATE delivery_parts SET state = :state, error = :error, updated_at = :now_ms,
        message_id = COALESCE(:message_id, message_id)
    WHERE delivery_id = :delivery_id AND seq = :seq
""")
"""Note where a part stands; a known message id is kept."""

_UNFINISHED = (DeliveryState.WAITING.value, DeliveryState.PENDING.value)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part with its message, if it has one."""

    seq: int
    state: PartState
    content: Part | None
    """None while only the placeholder is wanted."""
    message_id: int | None


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
        return [PartView(part.seq, part.state, part.content is not None) for part in self.parts]


def load_outgoing(conn: Connection, delivery_id: int) -> Outgoing | None:
    """Return an unfinished delivery, None when there is nothing (more) to send."""
    row = _LOAD.row(conn, delivery_id=delivery_id)
    if row is None:
        return None
    run_id, chat_id, bot_id, thread_id, reply_to, opening, body, buttons, attempts, created_at = row
    return Outgoing(
        id=delivery_id,
        run_id=run_id,
        chat_id=chat_id,
        bot_id=bot_id,
        thread_id=thread_id,
        reply_to=reply_to,
        opening=opening,
        body=body,
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
    error: str | None = None,
) -> None:
    """Note where a part stands, and its message once known."""
    _MARK.run(
        conn,
        delivery_id=delivery_id,
        seq=seq,
        state=state.value,
        message_id=message_id,
        error=error,
        now_ms=now_ms,
    )


def forget_message(conn: Connection, delivery_id: int, seq: int, now_ms: int) -> None:
    """Note that the part's message is gone from the chat: it needs a new placeholder."""
    conn.execute(_part(delivery_id, seq).values(state=PartState.NEW, message_id=None, updated_at=now_ms))


def close_delivery(
    conn: Connection, delivery_id: int, state: DeliveryState, *, error: str | None, now_ms: int
) -> None:
    """Note that the chat shows everything, or that we gave up and why."""
    sent_at = now_ms if state is DeliveryState.SENT else None
    conn.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
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
    """Send what is left to the supergroup that the group has become."""
    conn.execute(
        update(deliveries)
        .where(
            deliveries.c.bot_id == bot_id,
            deliveries.c.chat_id == old_chat_id,
            deliveries.c.state.in_(_UNFINISHED),
        )
        .values(chat_id=new_chat_id, reply_to=None, thread_id=None)
    )


def lost_candidates(conn: Connection, out: Outgoing, seq: int, newest_id: int) -> Sequence[int]:
    """Return the message ids where an unrecorded placeholder of part `seq` may be, likeliest first.

    It was sent soon after the message that it follows: the one that is answered, or the part before. So those
    are the first ids above that one and below `newest_id` that no delivery has on record, as its own or as
    the message that it answers.
    """
    follows = (out.reply_to if seq == 0 else out.parts[seq - 1].message_id) or 0
    end = min(newest_id, follows + 1 + _LOST_WITHIN)
    query = (
        select(delivery_parts.c.message_id)
        .join(deliveries, deliveries.c.id == delivery_parts.c.delivery_id)
        .where(
            delivery_parts.c.message_id.between(follows + 1, end - 1),
            deliveries.c.bot_id == out.bot_id,
            _same_sequence(out.chat_id),
        )
    )
    known = {*conn.execute(query).scalars(), *_answered_around(conn, out)}
    unknown = (number for number in range(follows + 1, end) if number not in known)
    return list(itertools.islice(unknown, _MOST_CANDIDATES))


def _answered_around(conn: Connection, out: Outgoing) -> Iterable[int]:
    """Return the messages that deliveries of about the same time answer: people wrote them, not we."""
    around = deliveries.c.id.between(out.id - _LOST_WITHIN, out.id + _LOST_WITHIN)
    same = (deliveries.c.bot_id == out.bot_id, _same_sequence(out.chat_id), deliveries.c.reply_to.isnot(None))
    return conn.execute(select(deliveries.c.reply_to).where(around, *same)).scalars()


def _same_sequence(chat_id: int) -> ColumnElement[bool]:
    """Return the condition for chats whose message ids are counted together with this chat's.

    A supergroup or channel counts its own; all other chats of a bot share one sequence.
    """
    if chat_id < _SUPERGROUPS_BELOW:
        return deliveries.c.chat_id == chat_id
    return deliveries.c.chat_id > _SUPERGROUPS_BELOW


def _part(delivery_id: int, seq: int) -> Any:
    return update(delivery_parts).where(
        delivery_parts.c.delivery_id == delivery_id, delivery_parts.c.seq == seq
    )


def _stored(row: Row) -> StoredPart:
    seq, kind, content, state, message_id = row
    decoded = None if content is None else decode_part(kind, content)
    return StoredPart(seq, PartState(state), decoded, message_id)
