"""What to do about a call of the Bot API that did not succeed. Pure; `delivery.sender` obeys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
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
    TopicGone,
    Unauthorized,
    Uncertain,
)

_BASE_SECONDS = 1.0
_CAP_SECONDS = 300.0
_LARGEST_EXPONENT = 62

PATIENCE = timedelta(hours=24)
"""How long a delivery outlives an outage of the whole Bot API."""


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
    """The message to edit is gone; send a new placeholder. Uses up one of the delivery's tries."""


@dataclass(frozen=True, slots=True)
class MoveChat:
    """The group is a supergroup now."""

    chat_id: int


@dataclass(frozen=True, slots=True)
class LeaveTopic:
    """Its topic is closed or gone; the chat itself may still be written to."""

    is_closed: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nothing will change by trying again."""

    reason: str


Reaction = Shown | Later | SendPlain | PlaceAgain | MoveChat | LeaveTopic | GiveUp


def react(  # noqa: PLR0911 - one line for each class of error reads best
    error: BotAPIError, call: Call, *, attempts: int, max_attempts: int, waited: timedelta, jitter: float
) -> Reaction:
    """Decide what follows from the error.

    wait = min(300, 1 * 2 ** attempts) * (1 + jitter) seconds, for errors that may pass

    An outage of the whole API says nothing about this delivery: it ends one only after `PATIENCE`, and uses
    up at most half of the tries, so that the wait grows and a later error of another kind still has its own.

    Args:
        error: By its class, see `telegram.errors`.
        call: The step that failed.
        attempts: Failed tries of this delivery before this one.
        max_attempts: With so many failed tries the delivery is dead.
        waited: Since this step of the delivery came due.
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
        case TopicGone(description=description):
            return LeaveTopic(is_closed="closed" in description.lower())
        case MessageGone() if call is Call.FILL and attempts + 1 < max_attempts:
            return PlaceAgain()
        case Uncertain() | TelegramUnavailable() | Unauthorized():
            return _after_passing(
                error, call, attempts=attempts, max_attempts=max_attempts, waited=waited, jitter=jitter
            )
        case Rejected():
            return GiveUp(f"Telegram refuses it: {error.description}")
        case _:
            return GiveUp(str(error))


def refuses_rich(error: BotAPIError) -> bool:
    """Tell whether the same answer must go out as text: any refusal of a rich message but "as it is already".

    Also where the message is said to be gone: a server that cannot make a text rich says so, too.
    """
    return isinstance(error, Rejected) and not isinstance(error, NotModified | ChatMigrated)


def is_outage(error: BotAPIError) -> bool:
    """Tell whether the error concerns the whole Bot API: no connection, a wrong token, a server error."""
    if isinstance(error, Uncertain):
        # Without a status the request was sent and no answer came: that may be the request's own fault.
        return error.status is not None and error.status >= 500  # noqa: PLR2004 - reads best as a number
    return isinstance(error, TelegramUnavailable | Unauthorized)


def _after_passing(
    error: BotAPIError, call: Call, *, attempts: int, max_attempts: int, waited: timedelta, jitter: float
) -> Later | GiveUp:
    outage = is_outage(error)
    counts = attempts < max_attempts // 2 if outage else True
    over = not counts and waited >= PATIENCE if outage else attempts + 1 >= max_attempts
    if over:
        return GiveUp(str(error))
    wait = min(_CAP_SECONDS, _BASE_SECONDS * 2.0 ** min(attempts, _LARGEST_EXPONENT)) * (1 + jitter)
    return Later(wait, counts=counts, unsure=isinstance(error, Uncertain) and call is Call.PLACE)
