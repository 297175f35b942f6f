"""What follows when a voice message was not sent. Pure; `delivery.sender` obeys.

A voice message cannot be placed first and filled later, so its one call is the whole step. It is repeated
only while it certainly was not sent. The text is there already: what is in doubt is left out, not said twice.
"""

from __future__ import annotations

from wireroom.delivery.reaction import GiveUp, Later
from wireroom.telegram.errors import BotAPIError, ChatMigrated, FloodWait, TelegramUnavailable

_TRIES = 4
_FIRST_SECONDS = 2.0


def react_to_silence(error: BotAPIError, *, attempts: int) -> Later | GiveUp:
    """Decide whether the voice message is tried again.

    wait = 2 * 2 ** attempts seconds, at most four tries

    Args:
        error: By its class, see `telegram.errors`.
        attempts: Failed tries before this one.
    """
    match error:
        case FloodWait(retry_after_seconds=seconds):
            return Later(seconds, counts=False, closes_lane=True)
        case ChatMigrated():
            return GiveUp("the group is another one now; the text is there")
        case TelegramUnavailable() if attempts + 1 < _TRIES:
            return Later(_FIRST_SECONDS * 2.0**attempts, counts=True)
        case _:
            return GiveUp(f"the voice message is left out: {error}")
