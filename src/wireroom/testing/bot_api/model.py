"""Who is in a chat and what stands in it. Values and their Bot API JSON; no rules, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wireroom.testing.bot_api.drafts import Drafts
from wireroom.testing.bot_api.rich import Blocks, labelled

Json = dict[str, Any]


class ChatKind(StrEnum):
    """The kinds of chat that are played; the values are those of `Chat.type`."""

    PRIVATE = "private"
    GROUP = "group"
    SUPERGROUP = "supergroup"


@dataclass(frozen=True, slots=True)
class Person:
    """A user, or the bot itself."""

    id: int
    name: str
    username: str | None = None
    is_bot: bool = False

    def to_json(self) -> Json:
        """Return the `User` object."""
        body: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        if self.username is not None:
            body["username"] = self.username
        return body


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that the server keeps; downloadable at /file/bot<token>/<path>."""

    file_id: str
    unique_id: str
    path: str
    name: str
    mime_type: str
    content: bytes

    def to_json(self) -> Json:
        """Return the `File` object of getFile."""
        return {
            "file_id": self.file_id,
            "file_unique_id": self.unique_id,
            "file_size": len(self.content),
            "file_path": self.path,
        }


class AttachmentKind(StrEnum):
    """What a message carries beside text; the values are the fields of `Message`."""

    DOCUMENT = "document"
    PHOTO = "photo"
    VOICE = "voice"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message."""

    kind: AttachmentKind
    file: StoredFile
    duration_seconds: int = 0
    """Of a voice message."""

    def to_json(self) -> Any:
        """Return the `Document` or `Voice` object, or of a photo its sizes."""
        body: Json = {
            "file_id": self.file.file_id,
            "file_unique_id": self.file.unique_id,
            "mime_type": self.file.mime_type,
            "file_size": len(self.file.content),
        }
        if self.kind is AttachmentKind.DOCUMENT:
            return body | {"file_name": self.file.name}
        if self.kind is AttachmentKind.PHOTO:
            del body["mime_type"]
            small = body | {"file_id": f"{self.file.file_id}s", "file_size": 1, "width": 90, "height": 60}
            return [small, body | {"width": 1280, "height": 853}]
        return body | {"duration": self.duration_seconds}


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says: a text, or an attachment with `text` as its caption."""

    text: str = ""
    entities: tuple[Json, ...] = ()
    attachment: Attachment | None = None
    blocks: Blocks = ()
    """Of a rich message, whose plain text is `text`."""


class Change(StrEnum):
    """What happened to a message at one moment."""

    SENT = "sent"
    EDITED = "edited"
    DELETED = "deleted"
    DRAFT = "draft"
    """A partial message shown while it is being written; it has no message id (0)."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing that a person in the chat saw happen."""

    at: float
    """`time.monotonic()` of the server."""
    change: Change
    message_id: int
    sender_id: int
    text: str
    """The text or caption after the change; for DELETED, the last one."""
    document_name: str | None = None


@dataclass(slots=True, eq=False)
class Chat:
    """A chat with all that stands in it."""

    id: int
    kind: ChatKind
    title: str
    """The name of the person in a private chat."""
    person: Person | None = None
    """The other side of a private chat."""
    forum: bool = False
    topics: dict[int, str] = field(default_factory=dict)
    """Names by message thread id."""
    closed: set[int] = field(default_factory=set)
    """Topics in which only those write who may manage topics."""
    began: dict[int, Message] = field(default_factory=dict)
    """The service messages that topics begin with."""
    bot_manages_topics: bool = True
    """The bot is an administrator who may manage topics."""
    migrated_to: int | None = None
    """The supergroup that the group became."""
    messages: dict[int, Message] = field(default_factory=dict)
    """Those visible now, in the order of their ids."""
    sightings: list[Sighting] = field(default_factory=list)
    drafts: Drafts = field(default_factory=Drafts)

    def to_json(self) -> Json:
        """Return the `Chat` object."""
        body: Json = {"id": self.id, "type": self.kind.value}
        if self.person is None:
            body["title"] = self.title
        else:
            body["first_name"] = self.person.name
            if self.person.username is not None:
                body["username"] = self.person.username
        if self.forum:
            body["is_forum"] = True
        return body


@dataclass(slots=True, eq=False)
class Message:
    """One message, as it is now."""

    id: int
    chat: Chat
    sender: Person
    date: int
    """Unix time."""
    content: Content
    reply_to: int | None = None
    thread: int | None = None
    markup: Json | None = None
    """The inline keyboard."""
    album: str | None = None
    """What the pieces of one album have in common."""
    forwarded_from: Person | None = None
    quote: str | None = None
    """The part of the message replied to that is quoted."""
    service: Json | None = None
    """What a service message tells, instead of a content."""
    sender_chat: Chat | None = None
    """In whose name it was written, if not in the sender's."""
    edits: int = 0
    edited_at: int | None = None
    reactions: tuple[str, ...] = ()
    """Emoji set by the bot."""

    def to_json(self, *, with_reply: bool = True) -> Json:
        """Return the `Message` object; the message replied to is given without the one before it."""
        body: Json = {
            "message_id": self.id,
            "from": self.sender.to_json(),
            "chat": self.chat.to_json(),
            "date": self.date,
            **(_content_json(self.content) if self.service is None else self.service),
        }
        if self.sender_chat is not None:
            body["sender_chat"] = self.sender_chat.to_json()
        if self.thread is not None:
            body["message_thread_id"] = self.thread
            if self.thread in self.chat.topics:
                body["is_topic_message"] = True
        if self.album is not None:
            body["media_group_id"] = self.album
        if self.forwarded_from is not None:
            who = self.forwarded_from.to_json()
            body["forward_origin"] = {"type": "user", "date": self.date, "sender_user": who}
        if self.quote is not None:
            body["quote"] = {"text": self.quote, "position": 0, "is_manual": True}
        if self.edited_at is not None:
            body["edit_date"] = self.edited_at
        if self.markup is not None:
            body["reply_markup"] = self.markup
        replied = self._replied() if with_reply else None
        if replied is not None:
            body["reply_to_message"] = replied.to_json(with_reply=False)
        return body

    def _replied(self) -> Message | None:
        """Return what is answered: in a topic of a group, by a plain message, the one that began it."""
        if self.reply_to:
            return self.chat.messages.get(self.reply_to)
        if self.service is not None or self.thread is None or self.chat.kind is ChatKind.PRIVATE:
            return None
        return self.chat.began.get(self.thread)


def _content_json(content: Content) -> Json:
    body: Json = {}
    if content.blocks:
        return {"rich_message": {"blocks": labelled(content.blocks)}}
    if content.attachment is None:
        body["text"] = content.text
        if content.entities:
            body["entities"] = list(content.entities)
        return body
    body[content.attachment.kind.value] = content.attachment.to_json()
    if content.text:
        body["caption"] = content.text
    if content.entities:
        body["caption_entities"] = list(content.entities)
    return body
