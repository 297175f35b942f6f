"""The updates that wait for the bot, and the reading of what an update is about. Pure."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

UPDATE_KINDS = frozenset(
    {
        *(
            "message",
            "edited_message",
            "channel_post",
            "edited_channel_post",
            "inline_query",
            "callback_query",
            "stopped_message_generation",
        ),
        *(
            "chosen_inline_result",
            "shipping_query",
            "pre_checkout_query",
            "poll",
            "poll_answer",
            "my_chat_member",
        ),
        *("chat_member", "chat_join_request", "message_reaction", "message_reaction_count"),
    }
)
# Source: Telegram Bot API, setWebhook, allowed_updates: all but these when none are named.
_ONLY_ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_FIRST_UPDATE_ID = 700_000_001
_REMEMBERED = 100_000


class UpdateQueue:
    """Updates in the order of their making, until they are confirmed or delivered."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        """Kinds named by the last setWebhook or getUpdates; empty for the default."""
        self.waiting: OrderedDict[int, Json] = OrderedDict()
        """By ticket, which is unique also when the same update is put in twice."""
        self._made: OrderedDict[int, Json] = OrderedDict()
        self._update_ids = itertools.count(_FIRST_UPDATE_ID)
        self._tickets = itertools.count(1)

    def make(self, kind: str, payload: Json, *, hidden: bool = False) -> tuple[int, int | None]:
        """Make an update of the payload.

        Returns:
            Its update id, and its ticket; no ticket for one that is hidden, or of a kind that is not wanted.
        """
        update_id = next(self._update_ids)
        update = {"update_id": update_id, kind: payload}
        self._made[update_id] = update
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        return update_id, self.put(update) if self._wants(kind) and not hidden else None

    def next_update_id(self) -> int:
        """Take an update id, for an update that is made elsewhere."""
        return next(self._update_ids)

    def put(self, update: Json) -> int:
        """Let the update wait as it is and return its ticket."""
        ticket = next(self._tickets)
        self.waiting[ticket] = update
        return ticket

    def made(self, update_id: int) -> Json:
        """Return an update that was made here, delivered or not.

        Raises:
            KeyError: no such update, or longer ago than the last 100,000.
        """
        return self._made[update_id]

    def allow(self, kinds: Iterable[object]) -> None:
        """Restrict the updates made from now on; unknown kinds are ignored, none means the default."""
        self.allowed = tuple(kind for kind in kinds if isinstance(kind, str) and kind in UPDATE_KINDS)

    def _wants(self, kind: str) -> bool:
        return kind in self.allowed if self.allowed else kind not in _ONLY_ON_REQUEST

    def confirm(self, offset: int) -> None:
        """Forget what the offset of getUpdates confirms.

        From zero up: every update with a lower id. Below zero: all but the last `-offset` updates.
        """
        if offset < 0:
            while len(self.waiting) > -offset:
                self.waiting.popitem(last=False)
            return
        confirmed = [ticket for ticket, update in self.waiting.items() if update["update_id"] < offset]
        for ticket in confirmed:
            del self.waiting[ticket]

    def batch(self, limit: int) -> list[Json]:
        """Return the first updates, without forgetting them."""
        return list(itertools.islice(self.waiting.values(), limit))


def lane_of(update: Json) -> str:
    """Return the key within which the real server delivers in order: the chat, else the person."""
    for kind, payload in update.items():
        if kind == "update_id" or not isinstance(payload, dict):
            continue
        message = payload.get("message", payload)
        chat = message.get("chat") if isinstance(message, dict) else None
        place = chat or payload.get("from")
        if isinstance(place, dict):
            return f"chat {place.get('id')}"
    return f"update {update.get('update_id')}"
