"""How a chat is shown what is being written: as a rich draft, a draft of text, or edits. Pure.

A way that Telegram refuses once is not tried again in that chat, or, for a method that its server does not
have, in any. Nothing of it is stored: another process finds it out by one refused call.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum

from wireroom.telegram.errors import BotAPIError, FloodWait, TelegramUnavailable, Unauthorized, Uncertain

_MOST_CHATS = 1000
_NO_SUCH_METHOD = 404


class Way(IntEnum):
    """The ways, the plainest first: each chat can do those below what it can do."""

    EDIT = 0
    """The placeholder is edited."""
    TEXT = 1
    """`sendMessageDraft`."""
    RICH = 2
    """`sendRichMessageDraft`."""


def way_after(way: Way, error: BotAPIError) -> Way:
    """Return how to go on after a call that failed: one step plainer if it was refused for good."""
    match error:
        case FloodWait() | Uncertain() | TelegramUnavailable():
            return way
        case Unauthorized() if error.status != _NO_SUCH_METHOD:
            return way
        case _:
            return Way(max(way - 1, Way.EDIT))


class DraftWays:
    """What is known of each chat; forgets the oldest beyond a thousand."""

    def __init__(self) -> None:
        """Expect the best of every private chat."""
        self._everywhere = Way.RICH
        self._by_chat: OrderedDict[int, Way] = OrderedDict()

    def of(self, chat_id: int, *, rich: bool) -> Way:
        """Return how to show it in the chat.

        Args:
            chat_id: Negative for groups, which have no drafts. Source: Telegram Bot API, sendMessageDraft.
            rich: The chat's people want to see rich messages.
        """
        if chat_id < 0:
            return Way.EDIT
        wanted = Way.RICH if rich else Way.TEXT
        return min(wanted, self._everywhere, self._by_chat.get(chat_id, Way.RICH))

    def note(self, chat_id: int, way: Way, error: BotAPIError) -> None:
        """Remember what a failed call says of the way that it took."""
        after = way_after(way, error)
        if after == way:
            return
        if isinstance(error, Unauthorized):
            self._everywhere = min(self._everywhere, after)
            return
        self._by_chat[chat_id] = after
        self._by_chat.move_to_end(chat_id)
        if len(self._by_chat) > _MOST_CHATS:
            self._by_chat.popitem(last=False)
