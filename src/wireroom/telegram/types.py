"""The Bot API objects that we read or write, and no more of their fields than we use.

Replies may carry any other field; it is ignored. Source: Telegram Bot API 10.3, "Available types".
"""

from __future__ import annotations

from typing import Any

import msgspec


class ResponseParameters(msgspec.Struct, frozen=True):
    """What an error reply adds: {"retry_after": 5} or {"migrate_to_chat_id": -1001}."""

    retry_after: float | None = None
    """Seconds."""
    migrate_to_chat_id: int | None = None


class Reply(msgspec.Struct, frozen=True):
    """The envelope: {"ok": true, "result": …} or {"ok": false, "error_code": 400, "description": "…"}."""

    ok: bool
    result: msgspec.Raw = msgspec.Raw()
    error_code: int = 0
    description: str = ""
    parameters: ResponseParameters | None = None


class User(msgspec.Struct, frozen=True):
    """A person or a bot."""

    id: int
    is_bot: bool = False
    first_name: str = ""
    username: str | None = None


class Chat(msgspec.Struct, frozen=True):
    """Where a message is; `type` is private, group, supergroup or channel."""

    id: int
    type: str = "private"


class Message(msgspec.Struct, frozen=True):
    """A message as the send and edit methods return it."""

    message_id: int
    chat: Chat
    date: int = 0
    """Seconds since the epoch."""
    message_thread_id: int | None = None


class ForumTopic(msgspec.Struct, frozen=True):
    """A topic, as it was made."""

    message_thread_id: int
    name: str = ""


class WebhookInfo(msgspec.Struct, frozen=True):
    """How Telegram delivers updates now; an empty `url` means that no webhook is set."""

    url: str = ""
    pending_update_count: int = 0
    last_error_date: int | None = None
    """Seconds since the epoch."""
    last_error_message: str | None = None
    max_connections: int | None = None
    allowed_updates: list[str] | None = None


class File(msgspec.Struct, frozen=True):
    """A file that may be downloaded; its path is good for an hour at least."""

    file_id: str
    file_unique_id: str = ""
    file_size: int | None = None
    """Bytes."""
    file_path: str | None = None


class MessageEntity(msgspec.Struct, frozen=True, omit_defaults=True):
    """One piece of formatting: {"type": "pre", "offset": 0, "length": 5, "language": "python"}."""

    type: str
    offset: int
    """UTF-16 code units from the start of the text."""
    length: int
    """UTF-16 code units, at least 1."""
    url: str | None = None
    language: str | None = None


class InputRichMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message of blocks: {"blocks": [{"type": "paragraph", "text": "hi"}]}; `delivery.rich` makes them.

    Source: Telegram Bot API 10.3, InputRichMessage. At most 32,768 characters, 500 blocks with nested ones,
    items and rows, 16 levels of nesting, 20 columns.
    """

    blocks: tuple[dict[str, Any], ...]


class ReplyParameters(msgspec.Struct, frozen=True):
    """Which message is answered; a deleted one is no error."""

    message_id: int
    allow_sending_without_reply: bool = True


class LinkPreviewOptions(msgspec.Struct, frozen=True):
    """Whether the first link of a text unfolds under it."""

    is_disabled: bool = True


class InlineKeyboardButton(msgspec.Struct, frozen=True, omit_defaults=True):
    """A button under a message; `callback_data` is 1 to 64 bytes of UTF-8."""

    text: str
    callback_data: str | None = None
    url: str | None = None


class InlineKeyboardMarkup(msgspec.Struct, frozen=True):
    """Rows of buttons; no rows take the buttons away."""

    inline_keyboard: list[list[InlineKeyboardButton]]


class BotCommand(msgspec.Struct, frozen=True):
    """One entry of the command menu; `command` is 1 to 32 small letters, digits, underscores; no slash."""

    command: str
    description: str


class Attachment(msgspec.Struct, frozen=True):
    """A file to upload with a request."""

    file_name: str
    content: bytes
    content_type: str = "application/octet-stream"
    path: str = ""
    """Where the content is read from while it is sent, when it is not given."""

    def __repr__(self) -> str:
        """Return the name and size, never the content."""
        size = self.path or f"{len(self.content)} bytes"
        return f"Attachment({self.file_name!r}, {size})"


def to_wire(value: Any) -> Any:
    """Return the value as JSON types: dicts, lists, strings, numbers, booleans, None."""
    return msgspec.to_builtins(value)
