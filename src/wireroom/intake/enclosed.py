"""What a message carries beside its words: files, what it answers or quotes, whom it was forwarded from.

Pure. Only the fields that decide something are read. Source: Telegram Bot API, Message, MessageOrigin,
TextQuote, ExternalReplyInfo.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from wireroom.intake.rich_words import words_of
from wireroom.workspaces.given import ChatFile

MOST_CONTEXT_CHARS = 1500
"""Of what is quoted; the agent is told the gist of it, not a whole history."""
_CUT = " […]"


class Media(msgspec.Struct, gc=False):
    """A file of any kind: sound, picture, film, document."""

    file_id: str = ""
    file_unique_id: str = ""
    duration: int = 0
    file_size: int | None = None
    mime_type: str = ""
    file_name: str = ""
    width: int = 0
    height: int = 0

    @property
    def is_audio(self) -> bool:
        """Whether its type says that it is to be heard."""
        return self.mime_type.lower().startswith("audio/")


class Who(msgspec.Struct, gc=False):
    """A person, a bot or a chat, as far as its name goes."""

    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    title: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        full = " ".join(part for part in (self.first_name, self.last_name) if part)
        return full or self.title or self.username


class Origin(msgspec.Struct, gc=False):
    """Where a forwarded message comes from."""

    sender_user: Who | None = None
    sender_user_name: str = ""
    """Of a person who hides their account."""
    sender_chat: Who | None = None
    chat: Who | None = None

    @property
    def name(self) -> str:
        """Who said it first."""
        known = self.sender_user or self.sender_chat or self.chat
        return (known.name if known else self.sender_user_name) or "somebody"


class _Quote(msgspec.Struct, gc=False):
    text: str = ""


class _Elsewhere(msgspec.Struct, gc=False):
    origin: Origin = msgspec.field(default_factory=Origin)


class Enclosing(msgspec.Struct, kw_only=True, gc=False):
    """A message as far as it carries files and words."""

    text: str | None = None
    caption: str | None = None
    rich_message: Any = None
    photo: tuple[Media, ...] = ()
    video: Media | None = None
    animation: Media | None = None
    document: Media | None = None
    voice: Media | None = None
    audio: Media | None = None
    video_note: Media | None = None

    @property
    def words(self) -> str:
        """Its text, caption or rich text, without NUL, which PostgreSQL stores in no column."""
        said = self.text or self.caption or words_of(self.rich_message)
        return said.replace("\0", "").strip()


class Replied(Enclosing, kw_only=True, gc=False):
    """The message that is answered."""

    message_id: int = 0
    from_: Who | None = msgspec.field(default=None, name="from")


class Enclosed(Enclosing, kw_only=True, gc=False):
    """A message with all that it carries."""

    media_group_id: str = ""
    forward_origin: Origin | None = None
    quote: _Quote | None = None
    reply_to_message: Replied | None = None
    external_reply: _Elsewhere | None = None

    @property
    def is_bare(self) -> bool:
        """Whether it carries nothing but words, as nearly every message."""
        return not (
            self.reply_to_message
            or self.forward_origin
            or self.quote
            or self.external_reply
            or self.media_group_id
            or self.photo
            or self.document
            or self.voice
            or self.video
            or self.animation
            or self.audio
            or self.video_note
        )


def files_of(message: Enclosed, message_id: int) -> tuple[ChatFile, ...]:
    """Return the files that the message carries, and those of the message that it answers."""
    own = list(_files(message, message_id))
    replied = message.reply_to_message
    if replied is not None:
        own += _files(replied, replied.message_id)
    return tuple(own)


def origin_of(message: Enclosed) -> str:
    """Return whom the message was forwarded from; empty for one that was not."""
    return _storable(message.forward_origin.name) if message.forward_origin else ""


def context_of(message: Enclosed) -> str:
    """Return what the message answers or quotes, marked as such and bounded; empty without any."""
    replied = message.reply_to_message
    said = _storable(message.quote.text if message.quote else "") or (replied.words if replied else "")
    if not said:
        return ""
    shown = said if len(said) <= MOST_CONTEXT_CHARS else said[: MOST_CONTEXT_CHARS - len(_CUT)] + _CUT
    quoted = "\n".join(f"> {line}" for line in shown.splitlines())
    return f"[Context: this answers what {_speaker(message)} wrote]\n{quoted}"


def with_context(text: str, origin: str, context: str) -> str:
    """Return the words as an agent is given them: whom they were forwarded from, and what they answer."""
    head = f"[Forwarded from {origin}]" if origin else ""
    return "\n\n".join(part for part in (head, text, context) if part)


def _files(message: Enclosing, message_id: int) -> Iterator[ChatFile]:
    if message.photo:
        largest = max(message.photo, key=lambda size: (size.width * size.height, size.file_size or 0))
        yield _file(largest, f"photo_{message_id}.jpg", message_id)
        return
    # An animation comes as a document, too.
    media = message.animation or message.video or message.document
    if media is None or not media.file_id or media.is_audio:
        return
    name = "file" if media is message.document else "video"
    yield _file(media, f"{name}_{message_id}{'' if name == 'file' else '.mp4'}", message_id)


def _file(media: Media, name: str, message_id: int) -> ChatFile:
    return ChatFile(
        file_id=media.file_id,
        unique_id=media.file_unique_id or media.file_id,
        name=_storable(media.file_name) or name,
        size=media.file_size,
        message_id=message_id,
    )


def _speaker(message: Enclosed) -> str:
    replied = message.reply_to_message
    if replied is not None and replied.from_ is not None:
        return "you" if replied.from_.is_bot else _storable(replied.from_.name) or "somebody"
    return _storable(message.external_reply.origin.name) if message.external_reply else "somebody"


def _storable(text: str) -> str:
    return text.replace("\0", "")
