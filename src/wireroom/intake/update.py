"""What a chat update says: from the Bot API's JSON to one of four plain values.

Pure. Only the fields that decide something are read; the whole update is stored beside as it came.
Source: Telegram Bot API, Update, Message, CallbackQuery.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import structs

from wireroom.errors import BadInput
from wireroom.intake.enclosed import Enclosed, context_of, files_of, origin_of, with_context
from wireroom.speech.limits import Recording
from wireroom.workspaces.given import ChatFile

_MAX_FORM_DEPTH = 16
_GENERAL = 1
"""The thread of a forum's General topic: nothing can be sent there by its number."""
_Id = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _User(msgspec.Struct, gc=False):
    id: _Id
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""


class _Chat(msgspec.Struct, gc=False):
    id: _Id
    type: str = "private"


class _Message(Enclosed, kw_only=True, gc=False):
    message_id: _Id
    chat: _Chat
    from_: _User | None = msgspec.field(default=None, name="from")
    message_thread_id: _Id | None = None
    is_topic_message: bool = False


class _Callback(msgspec.Struct, gc=False):
    id: str
    from_: _User = msgspec.field(name="from")
    message: _Message | None = None
    data: str | None = None


class _Stopped(msgspec.Struct, gc=False):
    """The button of a draft. Source: Telegram Bot API 10.3, MessageGenerationStopped."""

    chat: _Chat
    draft_id: _Id
    message_thread_id: _Id | None = None


class _Update(msgspec.Struct, gc=False):
    update_id: _Id
    message: _Message | None = None
    edited_message: _Message | None = None
    callback_query: _Callback | None = None
    stopped_message_generation: _Stopped | None = None


class _OnlyId(msgspec.Struct, gc=False):
    update_id: _Id


# Not strict: a form has nothing but text, so numbers and booleans may come as text.
_decode_update = msgspec.json.Decoder(_Update, strict=False).decode
_decode_id = msgspec.json.Decoder(_OnlyId, strict=False).decode
_decode_any = msgspec.json.Decoder().decode


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where in Telegram something was said."""

    chat_id: int
    thread_id: int | None
    """The forum topic; None outside topics."""
    message_id: int

    def lane(self, bot_id: int) -> str:
        """Return the name of the lane: order is kept within it."""
        return lane_name(bot_id, self.chat_id, self.thread_id)


class Speaker(msgspec.Struct, frozen=True, gc=False):
    """Who said it."""

    user_id: int
    name: str


class Said(msgspec.Struct, frozen=True, gc=False):
    """A message, or with `edited` a new wording of one."""

    update_id: int
    place: Place
    speaker: Speaker
    text: str
    """Text or caption, stripped; empty for a message that has neither."""
    edited: bool = False
    recording: Recording | None = None
    """What was spoken: a voice message, an audio file, a video note."""
    files: tuple[ChatFile, ...] = ()
    """Files that are given with it, those of the message that it answers included."""
    album: str = ""
    """What the pieces of one album have in common."""
    origin: str = ""
    """Whom it was forwarded from."""
    context: str = ""
    """What it answers or quotes, marked as such."""

    @property
    def words(self) -> str:
        """What an agent is asked: the text with where it comes from and what it answers."""
        return with_context(self.text, self.origin, self.context) if self.text else ""


class Pressed(msgspec.Struct, frozen=True, gc=False):
    """An inline button was pressed, or the button of a draft: `data` "w:draft:<draft id>"."""

    update_id: int
    place: Place | None
    """The message that carries the button; None for a button of an inline message."""
    speaker: Speaker
    callback_id: str
    """By which the press is acknowledged; empty for a draft's, which needs no acknowledgement."""
    data: str


class Other(msgspec.Struct, frozen=True, gc=False):
    """An update that Wireroom does not act on."""

    update_id: int
    kind: str
    """The update's own field name, such as `channel_post`, or `unreadable`."""


Incoming = Said | Pressed | Other


def read_update(body: bytes | str) -> Incoming:
    """Return what the update says.

    An update whose id can be read but whose content cannot is `Other("unreadable")`: it is kept and never
    sent again, where an error would make Telegram repeat it for a day.

    Raises:
        BadInput: not JSON, or without an integer `update_id`.
    """
    try:
        return _read(body)
    except msgspec.ValidationError as error:
        raise BadInput("The update has no integer update_id.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("The body is not JSON. Send an Update object as Telegram does.") from error


def lane_name(bot_id: int, chat_id: int, thread_id: int | None) -> str:
    """Return `telegram:<bot>:<chat>:<thread or 0>`."""
    return f"telegram:{bot_id}:{chat_id}:{thread_id or 0}"


def kind_of(incoming: Incoming) -> str:
    """Return the name under which the update is stored."""
    match incoming:
        case Said(edited=False):
            return "message"
        case Said():
            return "edited_message"
        case Pressed(callback_id=callback_id):
            return "callback_query" if callback_id else "stopped_message_generation"
        case Other(kind=kind):
            return kind


def nested_form(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the object that a form body means; every value stays text, see `read_update`.

    `message[chat][id]=5&message[text]=hi` gives `{"message": {"chat": {"id": "5"}, "text": "hi"}}`.

    Raises:
        BadInput: one field contradicts another, or is nested too deep.
    """
    result: dict[str, Any] = {}
    for name, value in pairs:
        *above, last = name.replace("]", "").split("[", _MAX_FORM_DEPTH)
        branch = result
        for step in above:
            branch = branch.setdefault(step, {})
            if not isinstance(branch, dict):
                raise BadInput(f"The form field {name[:100]} contradicts another field.")
        if "[" in last or isinstance(branch.get(last), dict):
            raise BadInput(f"The form field {name[:100]} contradicts another field, or is nested too deep.")
        branch[last] = value
    return result


def _read(body: bytes | str) -> Incoming:
    try:
        update = _decode_update(body)
    except msgspec.ValidationError:
        return Other(_decode_id(body).update_id, "unreadable")
    if update.callback_query is not None:
        return _pressed(update.update_id, update.callback_query)
    if update.stopped_message_generation is not None:
        return _stopped(update.update_id, update.stopped_message_generation)
    message = update.message or update.edited_message
    if message is None:
        return Other(update.update_id, _kind_of(body))
    if message.from_ is None:
        return Other(update.update_id, "anonymous")
    said = Said(
        update.update_id,
        _place(message),
        _speaker(message.from_),
        message.words,
        edited=update.message is None,
    )
    return said if message.is_bare else _with_enclosures(said, message)


def _with_enclosures(said: Said, message: _Message) -> Said:
    return structs.replace(
        said,
        recording=_recording(message),
        files=files_of(message, message.message_id),
        album=_storable(message.media_group_id),
        origin=origin_of(message),
        context=context_of(message),
    )


def _recording(message: _Message) -> Recording | None:
    document = message.document if message.document and message.document.is_audio else None
    sound = message.voice or message.audio or message.video_note or document
    if sound is None or not sound.file_id:
        return None
    return Recording(
        file_id=sound.file_id,
        # Without it nothing tells that two are the same.
        unique_id=sound.file_unique_id or sound.file_id,
        seconds=max(0, sound.duration),
        size=sound.file_size,
        content_type=sound.mime_type or ("video/mp4" if sound is message.video_note else "audio/ogg"),
        caption=message.words,
    )


def _pressed(update_id: int, callback: _Callback) -> Pressed:
    return Pressed(
        update_id=update_id,
        place=_place(callback.message) if callback.message else None,
        speaker=_speaker(callback.from_),
        callback_id=callback.id,
        data=_storable(callback.data or ""),
    )


def _stopped(update_id: int, stopped: _Stopped) -> Pressed:
    """Return the press; drafts are in private chats alone, which have the ids of their people."""
    chat_id = stopped.chat.id
    place = Place(chat_id, stopped.message_thread_id, 0)
    return Pressed(update_id, place, Speaker(chat_id, str(chat_id)), "", f"w:draft:{stopped.draft_id}")


def _place(message: _Message) -> Place:
    # Outside topics Telegram puts the thread id of plain reply chains here; those are not lanes.
    thread = message.message_thread_id if message.is_topic_message else None
    if thread == _GENERAL and message.chat.id < 0:
        thread = None
    return Place(message.chat.id, thread, message.message_id)


def _speaker(user: _User) -> Speaker:
    first, last = user.first_name, user.last_name
    name = f"{first} {last}" if first and last else first or last
    return Speaker(user.id, _storable(name or user.username or str(user.id)))


def _storable(text: str) -> str:
    """Return the text without NUL, which PostgreSQL stores in no column."""
    return text.replace("\0", "")


def _kind_of(body: bytes | str) -> str:
    fields = _decode_any(body)
    return next((str(name)[:40] for name in fields if name != "update_id"), "empty")
