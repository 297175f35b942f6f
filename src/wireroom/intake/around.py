"""What a message tells of the chat around it: who is meant, which topic it is, what became of the chat.

Pure. Read from the stored update only where it counts: in chats of several people, and for service messages,
so that receiving an update pays nothing for it. Deciding is `addressing`'s.
Source: Telegram Bot API, Message, MessageEntity, ForumTopicCreated, ForumTopicEdited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

_Id = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class User(msgspec.Struct):
    """A person or a bot."""

    id: _Id
    is_bot: bool = False


class Chat(msgspec.Struct):
    """A chat; `type` is private, group, supergroup or channel."""

    id: _Id
    type: str = "private"
    title: str = ""


class Entity(msgspec.Struct):
    """A piece of text that means something; in UTF-16 code units."""

    type: str
    offset: int
    length: int
    user: User | None = None
    """Of a `text_mention`: who has no name to be called by."""


class TopicName(msgspec.Struct):
    """The content of forum_topic_created and forum_topic_edited; an edit of the icon has no name."""

    name: str = ""


class Replied(msgspec.Struct):
    """The message that is answered; the first message of a topic stands for every plain one in it."""

    from_: User | None = msgspec.field(default=None, name="from")
    forum_topic_created: TopicName | None = None


class Around(msgspec.Struct):
    """A message, as far as it tells of the chat around it."""

    chat: Chat
    from_: User | None = msgspec.field(default=None, name="from")
    sender_chat: Chat | None = None
    """In whose name somebody writes: the group itself for an anonymous administrator, or a channel."""
    is_automatic_forward: bool = False
    text: str = ""
    caption: str = ""
    entities: tuple[Entity, ...] = ()
    caption_entities: tuple[Entity, ...] = ()
    reply_to_message: Replied | None = None
    forum_topic_created: TopicName | None = None
    forum_topic_edited: TopicName | None = None
    forum_topic_closed: dict[str, Any] | None = None
    forum_topic_reopened: dict[str, Any] | None = None
    general_forum_topic_hidden: dict[str, Any] | None = None
    general_forum_topic_unhidden: dict[str, Any] | None = None
    migrate_to_chat_id: _Id | None = None
    migrate_from_chat_id: _Id | None = None

    @property
    def is_shared(self) -> bool:
        """Whether several people talk in the chat."""
        return self.chat.type in {"group", "supergroup"}

    @property
    def topic_name(self) -> str:
        """The topic's name, where the message that began it comes along."""
        began = self.reply_to_message.forum_topic_created if self.reply_to_message else None
        return storable(began.name) if began else ""


class _Update(msgspec.Struct):
    message: Around | None = None
    edited_message: Around | None = None


# Not strict: a form has nothing but text, so numbers and booleans may come as text.
_decode = msgspec.json.Decoder(_Update, strict=False).decode


@dataclass(frozen=True, slots=True)
class TopicNews:
    """A topic was made or changed."""

    name: str | None = None
    """Its new name; None: it keeps its name."""
    state: str | None = None
    """open or closed; None: as it was."""
    by_bot: bool = False
    """It was made by the bot itself."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """The group became a supergroup, with another id."""

    old_chat_id: int
    new_chat_id: int


@dataclass(frozen=True, slots=True)
class GeneralNews:
    """The General topic was hidden or shown again, which changes nothing here."""


News = TopicNews | Migrated | GeneralNews


def read_around(payload: str | bytes) -> Around | None:
    """Return what the update's message tells of its chat; None for an update without a readable one."""
    try:
        update = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return update.message or update.edited_message


def news_of(around: Around, bot_id: int) -> News | None:
    """Return what the service message tells; None for a message that somebody wrote.

    Args:
        around: The message.
        bot_id: Ours. Telegram tells a bot of the topics that it made itself, too.
    """
    if around.migrate_to_chat_id is not None:
        return Migrated(around.chat.id, around.migrate_to_chat_id)
    if around.migrate_from_chat_id is not None:
        return Migrated(around.migrate_from_chat_id, around.chat.id)
    if around.general_forum_topic_hidden is not None or around.general_forum_topic_unhidden is not None:
        return GeneralNews()
    return _topic_news(around, bot_id)


def _topic_news(around: Around, bot_id: int) -> TopicNews | None:
    if around.forum_topic_created is not None:
        by_bot = around.from_ is not None and around.from_.id == bot_id
        return TopicNews(storable(around.forum_topic_created.name), "open", by_bot=by_bot)
    if around.forum_topic_edited is not None:
        return TopicNews(storable(around.forum_topic_edited.name) or None)
    if around.forum_topic_closed is not None:
        return TopicNews(state="closed")
    return TopicNews(state="open") if around.forum_topic_reopened is not None else None


def storable(text: str) -> str:
    """Return the text without NUL, which PostgreSQL stores in no column."""
    return text.replace("\0", "")
