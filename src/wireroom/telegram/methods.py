"""Every request that Wireroom makes of the Bot API, as a typed value; `TelegramClient.call` sends it.

A field that keeps its default is left out of the request. The tests hold each of these against the models
of a complete Bot API library. Source: Telegram Bot API 10.3, "Available methods".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from wireroom.telegram.types import (
    Attachment,
    BotCommand,
    File,
    ForumTopic,
    InlineKeyboardMarkup,
    InputRichMessage,
    LinkPreviewOptions,
    Message,
    MessageEntity,
    ReplyParameters,
    User,
    WebhookInfo,
    to_wire,
)

R_co = TypeVar("R_co", covariant=True)

ATTACHED = "attach://document"
"""How the JSON of a request points at the uploaded form field `document`."""


_NOTHING = Attachment(file_name="", content=b"")


class Method(msgspec.Struct, Generic[R_co], frozen=True, kw_only=True, omit_defaults=True):
    """A request; `R_co` is what `TelegramClient.call` returns for it."""

    api_name: ClassVar[str]
    result_type: ClassVar[Any]
    upload_field: ClassVar[str] = "document"
    """The field of the request, and of the form, that its file is."""

    def attachment(self) -> Attachment | None:
        """Return the file to upload, if the request has one."""
        return None


class GetMe(Method[User], frozen=True):
    """Ask who the token belongs to."""

    api_name: ClassVar[str] = "getMe"
    result_type: ClassVar[Any] = User


class GetUpdates(Method[list[msgspec.Raw]], frozen=True, kw_only=True):
    """Poll for updates; the result is the JSON of each, byte for byte what a webhook would have got."""

    api_name: ClassVar[str] = "getUpdates"
    result_type: ClassVar[Any] = list[msgspec.Raw]

    timeout: int
    """Seconds that Telegram holds the request open; 0 answers at once."""
    allowed_updates: list[str]
    offset: int | None = None
    """Confirms, and so forgets, every update below it."""
    limit: int = 100


class SetWebhook(Method[bool], frozen=True, kw_only=True):
    """Have updates posted to `url`."""

    api_name: ClassVar[str] = "setWebhook"
    result_type: ClassVar[Any] = bool

    url: str
    secret_token: str | None = None
    """1 to 256 letters, digits, underscores and hyphens; sent back in X-Telegram-Bot-Api-Secret-Token."""
    allowed_updates: list[str] | None = None
    max_connections: int | None = None
    """1 to 100."""
    drop_pending_updates: bool = False


class GetWebhookInfo(Method[WebhookInfo], frozen=True):
    """Ask how updates are delivered now."""

    api_name: ClassVar[str] = "getWebhookInfo"
    result_type: ClassVar[Any] = WebhookInfo


class DeleteWebhook(Method[bool], frozen=True, kw_only=True):
    """Take the webhook away, so that polling works."""

    api_name: ClassVar[str] = "deleteWebhook"
    result_type: ClassVar[Any] = bool

    drop_pending_updates: bool = False


class SendMessage(Method[Message], frozen=True, kw_only=True):
    """Send text; formatting by `entities`, never both entities and `parse_mode`."""

    api_name: ClassVar[str] = "sendMessage"
    result_type: ClassVar[Any] = Message

    chat_id: int
    text: str
    """1 to 4096 UTF-16 code units."""
    entities: tuple[MessageEntity, ...] = ()
    parse_mode: str | None = None
    reply_parameters: ReplyParameters | None = None
    message_thread_id: int | None = None
    reply_markup: InlineKeyboardMarkup | None = None
    link_preview_options: LinkPreviewOptions = msgspec.field(default_factory=LinkPreviewOptions)
    disable_notification: bool = False


class EditMessageText(Method[Message | bool], frozen=True, kw_only=True):
    """Replace a message's text, formatting and buttons; leaving `reply_markup` out removes the buttons.

    Exactly one of `text` and `rich_message` is given; a text may become a rich message, and the reverse.
    """

    api_name: ClassVar[str] = "editMessageText"
    result_type: ClassVar[Any] = Message | bool

    chat_id: int
    message_id: int
    text: str = ""
    rich_message: InputRichMessage | None = None
    entities: tuple[MessageEntity, ...] = ()
    parse_mode: str | None = None
    reply_markup: InlineKeyboardMarkup | None = None
    link_preview_options: LinkPreviewOptions | msgspec.UnsetType = msgspec.field(
        default_factory=LinkPreviewOptions
    )
    """UNSET for a rich message, which unfolds no links."""


class SendMessageDraft(Method[bool], frozen=True, kw_only=True):
    """Show text that is being written, in a private chat, for 30 seconds or until the bot's next message.

    Source: Telegram Bot API 10.3, sendMessageDraft; TDLib, updatePendingTextMessage.
    """

    api_name: ClassVar[str] = "sendMessageDraft"
    result_type: ClassVar[Any] = bool

    chat_id: int
    draft_id: int
    """Not 0; what comes with the id of a draft that is shown replaces it smoothly."""
    text: str = ""
    """0 to 4096 UTF-16 code units; empty shows "Thinking…"."""
    entities: tuple[MessageEntity, ...] = ()
    message_thread_id: int | None = None
    can_stop: bool = False
    """Show a button that stops further drafts; it gives an update `stopped_message_generation`."""
    keep_on_stop: bool = False
    """Leave the draft on the screen for a moment when it is pressed."""


class SendRichMessageDraft(Method[bool], frozen=True, kw_only=True):
    """Show a rich message that is still being written; see `SendMessageDraft`.

    Source: Telegram Bot API 10.3, sendRichMessageDraft.
    """

    api_name: ClassVar[str] = "sendRichMessageDraft"
    result_type: ClassVar[Any] = bool

    chat_id: int
    draft_id: int
    rich_message: InputRichMessage
    """May hold blocks of the type `thinking`, as no message that stays may."""
    message_thread_id: int | None = None
    can_stop: bool = False
    keep_on_stop: bool = False


class DeleteMessage(Method[bool], frozen=True, kw_only=True):
    """Delete a message of ours; possible for 48 hours."""

    api_name: ClassVar[str] = "deleteMessage"
    result_type: ClassVar[Any] = bool

    chat_id: int
    message_id: int


class SendChatAction(Method[bool], frozen=True, kw_only=True):
    """Show "typing …" for 5 seconds, or until a message comes."""

    api_name: ClassVar[str] = "sendChatAction"
    result_type: ClassVar[Any] = bool

    chat_id: int
    action: str
    """typing, upload_document, record_voice …"""
    message_thread_id: int | None = None


class SendDocument(Method[Message], frozen=True, kw_only=True):
    """Upload a file, at most 50 MB, as a message."""

    api_name: ClassVar[str] = "sendDocument"
    result_type: ClassVar[Any] = Message

    chat_id: int
    document: Attachment
    caption: str | None = None
    """0 to 1024 UTF-16 code units."""
    reply_parameters: ReplyParameters | None = None
    message_thread_id: int | None = None
    reply_markup: InlineKeyboardMarkup | None = None
    disable_notification: bool = False

    def attachment(self) -> Attachment | None:
        """Return the document."""
        return self.document


class SendVoice(Method[Message], frozen=True, kw_only=True):
    """Upload sound that is played as a voice message: Ogg with Opus, MP3 or M4A, at most 50 MB."""

    api_name: ClassVar[str] = "sendVoice"
    result_type: ClassVar[Any] = Message
    upload_field: ClassVar[str] = "voice"

    chat_id: int
    voice: Attachment
    duration: int | None = None
    """Seconds."""
    caption: str | None = None
    """0 to 1024 UTF-16 code units."""
    reply_parameters: ReplyParameters | None = None
    message_thread_id: int | None = None
    disable_notification: bool = False

    def attachment(self) -> Attachment | None:
        """Return the sound."""
        return self.voice


class EditMessageMedia(Method[Message | bool], frozen=True, kw_only=True):
    """Turn a message, also a text message, into an uploaded document or photo."""

    api_name: ClassVar[str] = "editMessageMedia"
    result_type: ClassVar[Any] = Message | bool

    chat_id: int
    message_id: int
    document: Attachment
    """At most 50 MB; a photo 10 MB."""
    kind: str = "document"
    """document or photo."""
    caption: str | None = None
    reply_markup: InlineKeyboardMarkup | None = None

    def attachment(self) -> Attachment | None:
        """Return the document."""
        return self.document


class AnswerCallbackQuery(Method[bool], frozen=True, kw_only=True):
    """End the waiting sign on a pressed button, with a short notice of 0 to 200 characters."""

    api_name: ClassVar[str] = "answerCallbackQuery"
    result_type: ClassVar[Any] = bool

    callback_query_id: str
    text: str | None = None
    show_alert: bool = False


class SetMyCommands(Method[bool], frozen=True, kw_only=True):
    """Publish the command menu."""

    api_name: ClassVar[str] = "setMyCommands"
    result_type: ClassVar[Any] = bool

    commands: tuple[BotCommand, ...]


class CreateForumTopic(Method[ForumTopic], frozen=True, kw_only=True):
    """Make a topic, in a forum or a private chat that has topics; asked twice, it makes two."""

    api_name: ClassVar[str] = "createForumTopic"
    result_type: ClassVar[Any] = ForumTopic

    chat_id: int
    name: str
    """1 to 128 characters."""


class EditForumTopic(Method[bool], frozen=True, kw_only=True):
    """Give a topic another name."""

    api_name: ClassVar[str] = "editForumTopic"
    result_type: ClassVar[Any] = bool

    chat_id: int
    message_thread_id: int
    name: str


class CloseForumTopic(Method[bool], frozen=True, kw_only=True):
    """Close a topic of a group: only who may manage topics writes in it."""

    api_name: ClassVar[str] = "closeForumTopic"
    result_type: ClassVar[Any] = bool

    chat_id: int
    message_thread_id: int


class ReopenForumTopic(Method[bool], frozen=True, kw_only=True):
    """Open a closed topic of a group again."""

    api_name: ClassVar[str] = "reopenForumTopic"
    result_type: ClassVar[Any] = bool

    chat_id: int
    message_thread_id: int


class GetFile(Method[File], frozen=True, kw_only=True):
    """Ask where a file of at most 20 MB may be downloaded; see `TelegramClient.download`."""

    api_name: ClassVar[str] = "getFile"
    result_type: ClassVar[Any] = File

    file_id: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request ready for the wire."""

    api_name: str
    fields: Mapping[str, Any]
    """JSON types; in a multipart form every value that is not a string is sent as JSON."""
    upload: Attachment | None
    """Sent as the form field `upload_field`; None means a JSON body."""
    upload_field: str = "document"


def encode(request: Method[Any]) -> Encoded:
    """Return the request's fields as they go over the wire."""
    upload = request.attachment()
    if upload is None:
        return Encoded(request.api_name, to_wire(request), None)
    # The bytes travel beside the fields; converting them to JSON types would copy them as base64.
    name = request.upload_field
    fields: dict[str, Any] = to_wire(msgspec.structs.replace(request, **{name: _NOTHING}))
    del fields[name]
    if isinstance(request, EditMessageMedia):
        caption, kind = fields.pop("caption", None), fields.pop("kind", "document")
        fields["media"] = {"type": kind, "media": ATTACHED} | ({"caption": caption} if caption else {})
    return Encoded(request.api_name, fields, upload, name)
