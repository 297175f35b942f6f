"""Placeholders that a crash left in a chat unrecorded: where they may be, and how they are removed.

The Bot API lists no messages, but only our own can be edited: an id that accepts an edit and that no delivery
has on record is a lost placeholder. Best effort, and over few ids, since another program may use the same
token; what stays is a placeholder, never a second answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from wireroom.delivery.outgoing import Outgoing
from wireroom.delivery.plan import Doubt, Search
from wireroom.store.schema import deliveries, delivery_parts
from wireroom.telegram.errors import NotModified, Rejected
from wireroom.telegram.methods import DeleteMessage, EditMessageText, Method

_LOST_WITHIN = 5_000
"""Messages between what is answered and the recorded placeholder: a backlog may stand between them."""
_FEW, _MANY = 10, 40
"""Most candidates of a quick search, and of a thorough one: as many as may have been on their way at once."""
_SUPERGROUPS_BELOW = -1_000_000_000_000

Caller = Callable[[Method[Any]], Awaitable[Any]]


async def remove_lost(call: Caller, chat_id: int, candidates: Iterable[int]) -> Sequence[int]:
    """Delete those of the candidates that are messages of ours in this chat, and return their ids.

    Args:
        call: Makes one call of the Bot API.
        chat_id: The chat.
        candidates: Message ids, none of which may be an answer of ours.

    Raises:
        BotAPIError: of a call that says nothing about its message, such as a flood wait.
    """
    removed = []
    for message_id in candidates:
        if await _is_ours(call, chat_id, message_id):
            await call(DeleteMessage(chat_id=chat_id, message_id=message_id))
            removed.append(message_id)
    return removed


async def _is_ours(call: Caller, chat_id: int, message_id: int) -> bool:
    """Tell whether the chat has a message of ours under this id; it says "…" afterwards."""
    try:
        await call(EditMessageText(chat_id=chat_id, message_id=message_id, text="…"))
    except NotModified:
        return True
    except Rejected:
        return False
    return True


def note_search(conn: Connection, delivery_id: int, seq: int, *, thorough: bool) -> None:
    """Note that lost placeholders of the part were looked for."""
    part = (delivery_parts.c.delivery_id == delivery_id, delivery_parts.c.seq == seq)
    doubt = Doubt.NONE if thorough else Doubt.LOOKED
    conn.execute(update(delivery_parts).where(*part).values(doubt=doubt))


def lost_candidates(conn: Connection, out: Outgoing, step: Search) -> Sequence[int]:
    """Return the message ids where an unrecorded placeholder of the part may be, likeliest first.

    It was sent between the message that it follows (the one that is answered, or the part before) and the
    recorded placeholder, which was sent soon after it was lost. So those are the last ids between the two
    that no delivery has on record, as its own or as the message that it answers. Without a message to follow
    there is nowhere to look.
    """
    seq = step.seq
    follows = out.reply_to if seq == 0 else out.parts[seq - 1].message_id
    if follows is None:
        return ()
    end = out.parts[seq].message_id or 0
    start = max(follows + 1, end - _LOST_WITHIN)
    query = (
        select(delivery_parts.c.message_id)
        .join(deliveries, deliveries.c.id == delivery_parts.c.delivery_id)
        .where(
            delivery_parts.c.message_id.between(start, end - 1),
            deliveries.c.bot_id == out.bot_id,
            _same_sequence(out.chat_id),
        )
    )
    known = {*conn.execute(query).scalars(), *_answered_around(conn, out)}
    unknown = (number for number in range(end - 1, start - 1, -1) if number not in known)
    return list(itertools.islice(unknown, _MANY if step.thorough else _FEW))


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
