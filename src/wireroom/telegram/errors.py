"""Why a call of the Bot API did not succeed, classed by what delivery must do next.

    TelegramError
    ├── FloodWait             429: nothing done; ask again after `retry_after_seconds`
    ├── Forbidden             403: permanent for this chat (blocked, kicked, deactivated)
    ├── Rejected              400: permanent for this request
    │   ├── NotModified       the message already says this; an edit may take it as success
    │   ├── CannotParse       the formatting is not accepted; send it plain
    │   ├── TooLong           text, caption or file beyond the limit
    │   ├── MessageGone       the message to edit, delete or answer is gone or may not be changed
    │   ├── TopicGone         the forum topic is closed or deleted
    │   ├── ChatNotFound      no such chat, or the bot may not see it
    │   └── ChatMigrated      the group became a supergroup: `migrate_to_chat_id`
    ├── Unauthorized          401, 404: the token is wrong or revoked
    ├── Conflict              409: another poller, or a webhook stands
    ├── TelegramUnavailable   certainly not acted on: refused, or never sent
    └── Uncertain             may have been acted on: no readable answer came back

`classify` is the whole rule and is pure. A text made here never contains the token: it is built from the
method's name and Telegram's description alone, so it may be shown and logged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wireroom.errors import TelegramError

MAX_DESCRIPTION_CHARACTERS = 300

DEFAULT_RETRY_AFTER_SECONDS = 5.0
"""Used when a 429 names no time, as a gateway's page does."""

_RETRY_AFTER = re.compile(r"retry after (\d+)", re.IGNORECASE)


class BotAPIError(TelegramError):
    """Telegram or the way to it said no; `method` and `description` are safe to show."""

    def __init__(self, method: str, description: str, *, status: int | None = None) -> None:
        """Keep the fields; `status` is the HTTP status, or None when no answer came."""
        self.method = method
        self.description = description[:MAX_DESCRIPTION_CHARACTERS]
        self.status = status
        super().__init__(f"{method}: {self.description}")


class FloodWait(BotAPIError):
    """Too many requests; nothing was done."""

    def __init__(self, method: str, description: str, *, retry_after_seconds: float) -> None:
        """Keep how long this chat must be left alone."""
        self.retry_after_seconds = retry_after_seconds
        super().__init__(method, description, status=429)


class Forbidden(BotAPIError):
    """The bot may not write to this chat, and no repetition changes that."""


class Rejected(BotAPIError):
    """The request is wrong as it stands; the same request will be refused again."""


class NotModified(Rejected):
    """The edit changes nothing."""


class CannotParse(Rejected):
    """The formatting was refused; the plain text will be accepted."""


class TooLong(Rejected):
    """Text, caption or file is larger than Telegram takes."""


class MessageGone(Rejected):
    """The message to edit, delete or answer does not exist or may not be changed any more."""


class TopicGone(Rejected):
    """The forum topic is closed or deleted; the chat itself may still be written to."""


class ChatNotFound(Rejected):
    """There is no such chat for this bot."""


class ChatMigrated(Rejected):
    """The group became a supergroup; send there instead."""

    def __init__(self, method: str, description: str, *, migrate_to_chat_id: int) -> None:
        """Keep the chat's new id."""
        self.migrate_to_chat_id = migrate_to_chat_id
        super().__init__(method, description, status=400)


class Unauthorized(BotAPIError):
    """The token is wrong or revoked: set TELEGRAM_BOT_TOKEN."""


class Conflict(BotAPIError):
    """Another `getUpdates` runs, or a webhook is set; `webhook_active` tells which."""

    @property
    def webhook_active(self) -> bool:
        """True when a webhook stands in the way of polling; False when another poller does."""
        return "webhook" in self.description.lower()


class TelegramUnavailable(BotAPIError):
    """Certainly not acted on: no connection, so nothing was sent, or Telegram said that it failed."""


class Uncertain(BotAPIError):
    """The request was sent and no readable answer came back; it may have been acted on."""


_REJECTIONS: Sequence[tuple[type[Rejected], tuple[str, ...]]] = (
    # First, because this one alone quotes the text that was sent, which may contain any other phrase.
    (CannotParse, ("can't parse", "can't find end", "entity begin", "entity_", "entities_too_long")),
    (NotModified, ("message is not modified", "message_not_modified")),
    (TooLong, ("too long", "too_long", "too big", "too large", "too_large")),
    (TopicGone, ("message thread not found", "topic_deleted", "topic_closed", "topic_id_invalid")),
    (ChatNotFound, ("chat not found", "peer_id_invalid", "chat_id_invalid")),
    (
        MessageGone,
        (
            "message to edit not found",
            "message to delete not found",
            "message to be replied not found",
            "message to reply not found",
            "message to react not found",
            "replied message not found",
            "message can't be edited",
            "message can't be deleted",
            "message_id_invalid",
            "message identifier is not specified",
        ),
    ),
)
"""Phrases of a 400's description, lower case; the first class with a hit is taken.

Source: td and telegram-bot-api write these descriptions; the documentation does not list them.
"""


def classify(
    method: str,
    status: int,
    description: str | None,
    *,
    retry_after: float | None = None,
    migrate_to_chat_id: int | None = None,
) -> BotAPIError:
    """Return the error for an answer that was not a success.

    Args:
        method: Name of the Bot API method, such as "sendMessage".
        status: HTTP status; Telegram's `error_code` equals it.
        description: Telegram's own words, or None when the body was not a Bot API reply.
        retry_after: Seconds, from `parameters.retry_after` or the Retry-After header.
        migrate_to_chat_id: From `parameters.migrate_to_chat_id`.

    A gateway's page (`description` is None) with 500, 502 or 504 is `Uncertain`: the gateway may have lost
    the answer of a call that was carried out. A 503 page says that nobody took the call.
    """
    said = description if description is not None else f"answered {status} without a Bot API reply"
    if migrate_to_chat_id is not None:
        return ChatMigrated(method, said, migrate_to_chat_id=migrate_to_chat_id)
    if status == 429:  # noqa: PLR2004 - HTTP statuses read best as numbers
        return FloodWait(method, said, retry_after_seconds=_flood_seconds(said, retry_after))
    if status < 400:  # noqa: PLR2004
        return _unexpected_success(method, status, said)
    if status < 500:  # noqa: PLR2004
        return _refusal(method, status, said)
    if description is None and status != 503:  # noqa: PLR2004
        return Uncertain(method, said, status=status)
    return TelegramUnavailable(method, said, status=status)


def _flood_seconds(said: str, retry_after: float | None) -> float:
    if retry_after is not None:
        return retry_after
    named = _RETRY_AFTER.search(said)
    return float(named[1]) if named else DEFAULT_RETRY_AFTER_SECONDS


def _unexpected_success(method: str, status: int, said: str) -> BotAPIError:
    if status < 300:  # noqa: PLR2004
        return Uncertain(method, said, status=status)
    return TelegramUnavailable(
        method, f"{said}; TELEGRAM_API_URL does not point to a Bot API server", status=status
    )


def _refusal(method: str, status: int, said: str) -> BotAPIError:
    match status:
        case 401 | 404:
            return Unauthorized(method, said, status=status)
        case 403:
            return Forbidden(method, said, status=status)
        case 409:
            return Conflict(method, said, status=status)
        case 413:
            return TooLong(method, said, status=status)
        case _:
            return _rejection(said)(method, said, status=status)


def _rejection(said: str) -> type[Rejected]:
    lowered = said.lower()
    for kind, phrases in _REJECTIONS:
        if any(phrase in lowered for phrase in phrases):
            return kind
    return Rejected
