"""Pages of the list of all conversations that are kept until a conversation changes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.cache.cache import Cache
from wireroom.cache.changes import CONVERSATIONS_CHANGED
from wireroom.cache.names import CONVERSATIONS
from wireroom.conversations.listing import (
    ListedConversation,
    count_all_conversations,
    page_of_conversations,
)
from wireroom.store.database import Database

FIRST_PAGE = 501
"""What is read for callers that name no number: one more than they are shown."""


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """One page of a list."""

    listed: tuple[ListedConversation, ...]
    total: int
    """Conversations on all pages."""


class ConversationPages:
    """The pages that callers ask for."""

    def __init__(self, db: Database, cache: Cache) -> None:
        """Read them there, and keep them there."""
        self._db = db
        self._kept = cache.open(CONVERSATIONS, ConversationPage)

    async def page(
        self,
        *,
        lane: str | None = None,
        limit: int = FIRST_PAGE,
        offset: int = 0,
        newest_first: bool = True,
        after: tuple[int, str] | None = None,
    ) -> ConversationPage:
        """Return one page, see `listing.page_of_conversations`, and how many conversations there are."""

        def read(conn: Connection) -> ConversationPage:
            found = page_of_conversations(
                conn, lane=lane, limit=limit, offset=offset, newest_first=newest_first, after=after
            )
            return ConversationPage(tuple(found), count_all_conversations(conn, lane))

        key = repr((lane, limit, offset, newest_first, after))
        return await self._kept.get_or_compute(
            key, lambda: self._db.read(read), tags=(CONVERSATIONS_CHANGED.tag,)
        )

    async def warm(self) -> None:
        """Have the first page at hand before anybody asks."""
        await self.page()
