"""Pages of all conversations, whatever their channel: summaries only, found by index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, tuple_

from wireroom.store.schema import conversations


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """A conversation without its messages."""

    id: str
    channel: str
    lane: str
    title: str
    message_count: int
    created_at: int
    active_at: int


def page_of_conversations(
    conn: Connection,
    *,
    lane: str | None,
    limit: int,
    offset: int = 0,
    newest_first: bool = True,
    after: tuple[int, str] | None = None,
) -> Sequence[ListedConversation]:
    """Return one page of conversations, ordered by when something was last said.

    Args:
        conn: The reader's.
        lane: Only conversations held there.
        limit: Most to return.
        offset: How many to pass over.
        newest_first: Or the longest silent first.
        after: Only those behind the conversation of this time and id.
    """
    table = conversations.c
    ways = [column.desc() if newest_first else column.asc() for column in (table.active_at, table.id)]
    # By the index of active_at alone, equal times are put in order by a small sort within it.
    query = (
        select(
            table.id,
            table.channel,
            table.lane,
            table.title,
            table.message_count,
            table.created_at,
            table.active_at,
        )
        .order_by(*ways)
        .limit(limit)
        .offset(offset)
    )
    if lane is not None:
        query = query.where(table.lane == lane)
    if after is not None:
        place = tuple_(table.active_at, table.id)
        query = query.where(place < after if newest_first else place > after)
    return [ListedConversation(*row) for row in conn.execute(query)]


def count_all_conversations(conn: Connection, lane: str | None = None) -> int:
    """Return how many conversations there are, or are held in the lane."""
    query = select(func.count()).select_from(conversations)
    if lane is not None:
        query = query.where(conversations.c.lane == lane)
    total: int = conn.execute(query).scalar_one()
    return total
