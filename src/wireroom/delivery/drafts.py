"""Shows what an agent is writing as a draft with a button to stop it, in chats that take drafts.

A draft is a hint: nothing of it is stored, and one that cannot be shown is left out. Its id is the delivery's
(`delivery.spots`), by which `intake` finds the run to stop. Source: Telegram Bot API 10.3, sendMessageDraft,
sendRichMessageDraft; a draft is seen for 30 seconds, or until the bot's next message.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from wireroom.delivery.clean import clean_terminal_text, whole_characters
from wireroom.delivery.draft_ways import DraftWays, Way
from wireroom.delivery.parts import TEXT_LIMIT, TextPart
from wireroom.delivery.permits import Permits
from wireroom.delivery.render import render
from wireroom.delivery.rich import rich_blocks
from wireroom.delivery.rich_limits import MAX_BLOCKS, Block
from wireroom.delivery.split import split
from wireroom.delivery.spots import Spot
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import BotAPIError, FloodWait
from wireroom.telegram.methods import Method, SendMessageDraft, SendRichMessageDraft
from wireroom.telegram.types import InputRichMessage

RENEW_SECONDS = 5.0
"""How old a draft becomes at most: any message of the bot, such as that something waits, takes it away."""
_ANSWER_SECONDS = 3.0
_log = structlog.get_logger(__name__)


class Drafts:
    """The drafts of one bot."""

    def __init__(self, client: TelegramClient, permits: Permits) -> None:
        """Share the permits of the signs of life, which ask before each draft."""
        self._client = client
        self._permits = permits
        self._ways = DraftWays()

    def way(self, spot: Spot) -> Way:
        """Return how progress is shown there."""
        return self._ways.of(spot.chat_id, rich=spot.rich)

    async def show(self, spot: Spot, text: str) -> bool | None:
        """Show the text as a draft.

        Returns:
            False when it was not seen this time; None when it never will be so: `way` tells a plainer one.
        """
        way = self.way(spot)
        # In a thread, as for edits: milliseconds of work, each second, for each agent at work.
        request = await asyncio.to_thread(draft_of, spot, text, way)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._client.call(request)
        except TimeoutError:
            return False
        except BotAPIError as error:
            self._ways.note(spot.chat_id, way, error)
            if isinstance(error, FloodWait):
                await self._permits.flood(spot.chat_id, error.retry_after_seconds)
            _log.debug("draft_not_shown", draft=spot.draft_id, reason=str(error))
            return False if self.way(spot) is way else None
        return True


def draft_of(spot: Spot, text: str, way: Way) -> Method[Any]:
    """Return the call that shows the Markdown as a draft, as much of it as one holds. Pure."""
    if way is Way.RICH and (blocks := thinking_blocks(text)) is not None:
        return SendRichMessageDraft(
            chat_id=spot.chat_id,
            draft_id=spot.draft_id,
            rich_message=InputRichMessage(blocks),
            message_thread_id=spot.thread_id,
            can_stop=True,
        )
    first = first_message(text) or TextPart("")
    return SendMessageDraft(
        chat_id=spot.chat_id,
        draft_id=spot.draft_id,
        text=first.text,
        entities=first.entities,
        message_thread_id=spot.thread_id,
        can_stop=True,
    )


def thinking_blocks(text: str) -> tuple[Block, ...] | None:
    """Return the blocks of progress: its first paragraph as what the agent is thinking, the rest as it is.

    None when it cannot be shown so. Pure. Source: Telegram Bot API 10.3, InputRichBlockThinking.
    """
    head, _, rest = text.partition("\n\n")
    blocks = rich_blocks(clean_terminal_text(rest)) if rest.strip() else ()
    if blocks is None or len(blocks) >= MAX_BLOCKS:
        return None
    thinking = render(head).text
    return ({"type": "thinking", "text": thinking}, *blocks) if thinking else blocks or None


def first_message(markdown: str) -> TextPart | None:
    """Return as much of the progress, from its beginning, as one message shows; None for nothing to see."""
    text = whole_characters(clean_terminal_text(markdown[: 2 * TEXT_LIMIT]))
    return next(iter(split(render(text))), None)
