"""Every request that Wireroom makes of the Bot API, as a typed value; `TelegramClient.call` sends it.

The class says the name of the method, `SendMessage` that of `sendMessage`, and by `Method[...]` its result. A
field that keeps its default is left out of the request. The tests hold each of these against the models
of a complete Bot API library. Source: Telegram Bot API 10.3, "Available methods".
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar, get_args

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
)

R_co = TypeVar("R_co", covariant=True)


class Method(msgspec.Struct, Generic[R_co], frozen=True, kw_only=True, omit_defaults=True):
    """A request; `R_co` is what `TelegramClient.call` returns for it."""

    api_name: ClassVar[str]
    result_type: ClassVar[Any]
    """What its JSON is read as."""
    upload_field: ClassVar[str] = "document"
    """The field of the request, and of the form, that its file is."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Read name and result off the class."""
        super().__init_subclass__(**options)
        cls.api_name = cls.__name__[0].lower() + cls.__name__[1:]
        (cls.result_type,) = get_args(cls.__dict__["__orig_bases__"][0])

    def attachment(self) -> Attachment | None:
        """Return the file to upload, if the request has one."""
        return None


class GetMe(Method[User], frozen=True):
    """Ask who the token belongs to."""


class GetUpdates(Method[list[msgspec.Raw]], frozen=True, kw_only=True):
    """Poll for updates; the result is the JSON of each, byte for byte what a webhook would have got."""

    timeout: int
    """Seconds that Telegram holds the request open; 0 answers at once."""
    allowed_updates: list[str]
    offset: int | None = None
    """Confirms, and so forgets, every update below it."""
    limit: int = 100


class SetWebhook(Method[bool], frozen=True, kw_only=True):
    """Have updates posted to `url`."""

    url: str
    secret_token: str | None = None
    """1 to 256 letters, digits, underscores and hyphens; sent back in X-Telegram-Bot-Api-Secret-Token."""
    allowed_updates: list[str] | None = None
    max_connections: int | None = None
    """1 to 100."""
    drop_pending_updates: bool = False


class GetWebhookInfo(Method[WebhookInfo], frozen=True):
    """Ask how updates are delivered now."""


class DeleteWebhook(Method[bool], frozen=True, kw_only=True):
    """Take the webhook away, so that polling works."""

    drop_pending_updates: bool = False


class SendMessage(Method[Message], frozen=True, kw_only=True):
    """Send text; formatting by `entities`, never both entities and `parse_mode`."""

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

    chat_id: int
    draft_id: int
    rich_message: InputRichMessage
    """May hold blocks of the type `thinking`, as no message that stays may."""
    message_thread_id: int | None = None
    can_stop: bool = False
    keep_on_stop: bool = False


class DeleteMessage(Method[bool], frozen=True, kw_only=True):
    """Delete a message of ours; possible for 48 hours."""

    chat_id: int
    message_id: int


class SendChatAction(Method[bool], frozen=True, kw_only=True):
    """Show "typing …" for 5 seconds, or until a message comes."""

    chat_id: int
    action: str
    """typing, upload_document, record_voice …"""
    message_thread_id: int | None = None


class SendDocument(Method[Message], frozen=True, kw_only=True):
    """Upload a file, at most 50 MB, as a message."""

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

    callback_query_id: str
    text: str | None = None
    show_alert: bool = False


class SetMyCommands(Method[bool], frozen=True, kw_only=True):
    """Publish the command menu."""

    commands: tuple[BotCommand, ...]


class CreateForumTopic(Method[ForumTopic], frozen=True, kw_only=True):
    """Make a topic, in a forum or a private chat that has topics; asked twice, it makes two."""

    chat_id: int
    name: str
    """1 to 128 characters."""


class EditForumTopic(Method[bool], frozen=True, kw_only=True):
    """Give a topic another name."""

    chat_id: int
    message_thread_id: int
    name: str


class CloseForumTopic(Method[bool], frozen=True, kw_only=True):
    """Close a topic of a group: only who may manage topics writes in it."""

    chat_id: int
    message_thread_id: int


class ReopenForumTopic(Method[bool], frozen=True, kw_only=True):
    """Open a closed topic of a group again."""

    chat_id: int
    message_thread_id: int


class GetFile(Method[File], frozen=True, kw_only=True):
    """Ask where a file of at most 20 MB may be downloaded; see `TelegramClient.download`."""

    file_id: str
