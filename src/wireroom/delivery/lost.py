"""Placeholders that a crash left in a chat unrecorded: where they may be, and how they are removed.

The Bot API lists no messages, but only our own can be edited: an id that accepts an edit and that no delivery
has on record is a lost placeholder. Best effort, and over few ids, since another program may use the same
token; what stays is a placeholder, never a second answer.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Connection, select, update

from wireroom.delivery.high_water import sequence_of
from wireroom.delivery.outgoing import Outgoing
from wireroom.delivery.plan import Doubt, Search
from wireroom.store.schema import deliveries, delivery_parts
from wireroom.telegram.errors import NotModified, Rejected
from wireroom.telegram.methods import DeleteMessage, EditMessageText, Method

_ANSWERED_WITHIN = 5_000
"""Deliveries of about the same time, among which the messages are that people wrote meanwhile."""
_FEW, _MANY = 4, 16
"""Most candidates for each lost send in a quick search, and in a thorough one: more than are on their way."""
_MOST = 100
"""Most in all, when a service has died again and again."""

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
    """Return the message ids where unrecorded placeholders of the part may be, likeliest first.

    Each was sent after a message that was known then, and before the recorded placeholder. So it is among the
    first ids after that one which no delivery has on record, as its own or as the message that it answers.
    """
    part = out.parts[step.seq]
    if part.message_id is None or not part.lost_after:
        return ()
    known = _known(conn, out, min(part.lost_after) + 1, part.message_id)
    found: dict[int, None] = {}
    for after, sends in Counter(part.lost_after).items():
        unknown = (number for number in range(after + 1, part.message_id) if number not in known)
        found |= dict.fromkeys(itertools.islice(unknown, sends * (_MANY if step.thorough else _FEW)))
    return list(found)[:_MOST]


def _known(conn: Connection, out: Outgoing, start: int, end: int) -> AbstractSet[int]:
    """Return which ids from `start` and below `end` are no lost placeholders."""
    first_chat, last_chat = sequence_of(out.chat_id)
    same = (deliveries.c.bot_id == out.bot_id, deliveries.c.chat_id.between(first_chat, last_chat))
    ours = (
        select(delivery_parts.c.message_id)
        .join(deliveries, deliveries.c.id == delivery_parts.c.delivery_id)
        .where(delivery_parts.c.message_id.between(start, end - 1), *same)
    )
    around = deliveries.c.id.between(out.id - _ANSWERED_WITHIN, out.id + _ANSWERED_WITHIN)
    theirs = select(deliveries.c.reply_to).where(around, deliveries.c.reply_to.between(start, end - 1), *same)
    return {*conn.execute(ours).scalars(), *conn.execute(theirs).scalars()}
