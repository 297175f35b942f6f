"""What to do about a call of the Bot API that did not succeed. Pure; `delivery.sender` obeys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wireroom.telegram.errors import (
    BotAPIError,
    CannotParse,
    ChatMigrated,
    FloodWait,
    MessageGone,
    NotModified,
    Rejected,
    TelegramUnavailable,
    Unauthorized,
    Uncertain,
)

_BASE_SECONDS = 1.0
_CAP_SECONDS = 300.0
_LARGEST_EXPONENT = 62


class Call(StrEnum):
    """Which step the call served."""

    PLACE = "place"
    FILL = "fill"


@dataclass(frozen=True, slots=True)
class Shown:
    """The chat shows it already; go on."""


@dataclass(frozen=True, slots=True)
class Later:
    """Try again after `seconds`."""

    seconds: float
    counts: bool
    """Whether it uses up one of the delivery's tries; a flood wait does not."""
    closes_lane: bool = False
    """Keep the whole chat quiet until then."""
    unsure: bool = False
    """The placeholder may have been sent."""


@dataclass(frozen=True, slots=True)
class SendPlain:
    """The same part once more, without any formatting."""


@dataclass(frozen=True, slots=True)
class PlaceAgain:
    """The message to edit is gone; send a new placeholder."""


@dataclass(frozen=True, slots=True)
class MoveChat:
    """The group is a supergroup now."""

    chat_id: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nothing will change by trying again."""

    reason: str


Reaction = Shown | Later | SendPlain | PlaceAgain | MoveChat | GiveUp


def react(  # noqa: PLR0911 - one line for each class of error reads best
    error: BotAPIError, call: Call, *, attempts: int, max_attempts: int, jitter: float
) -> Reaction:
    """Decide what follows from the error.

    wait = min(300, 1 * 2 ** attempts) * (1 + jitter) seconds, for errors that may pass

    Args:
        error: By its class, see `telegram.errors`.
        call: The step that failed.
        attempts: Failed tries of this delivery before this one.
        max_attempts: With so many failed tries the delivery is dead.
        jitter: The caller's draw, in [0, 1).
    """
    match error:
        case NotModified():
            return Shown()
        case FloodWait(retry_after_seconds=seconds):
            return Later(seconds, counts=False, closes_lane=True)
        case ChatMigrated(migrate_to_chat_id=chat_id):
            return MoveChat(chat_id)
        case CannotParse():
            return SendPlain()
        case MessageGone() if call is Call.FILL:
            return PlaceAgain()
        case Uncertain() | TelegramUnavailable() | Unauthorized() if attempts + 1 < max_attempts:
            growth = 2.0 ** min(attempts, _LARGEST_EXPONENT)
            wait = min(_CAP_SECONDS, _BASE_SECONDS * growth) * (1 + jitter)
            unsure = isinstance(error, Uncertain) and call is Call.PLACE
            return Later(wait, counts=True, unsure=unsure)
        case Rejected():
            return GiveUp(f"Telegram refuses it: {error.description}")
        case _:
            return GiveUp(str(error))
