"""What one delivery consists of on the wire: texts with entities, documents, files, voice messages."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import msgspec

from wireroom.delivery.render import Rendered
from wireroom.delivery.rich_limits import Block
from wireroom.delivery.text_builder import utf16_length
from wireroom.speech.sound import SoundForm
from wireroom.telegram.types import MessageEntity

TEXT_LIMIT = 4096
"""UTF-16 code units in a message. Source: Telegram Bot API, sendMessage."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """One message of text; offsets count UTF-16 code units."""

    text: str
    entities: tuple[MessageEntity, ...] = ()

    @property
    def plain(self) -> str:
        """What to send when Telegram refuses the formatting: links written out as far as there is room."""
        spelled = Rendered(self.text, self.entities).plain
        return spelled if utf16_length(spelled) <= TEXT_LIMIT else self.text


@dataclass(frozen=True, slots=True)
class RichPart:
    """One rich message; `delivery.rich` makes its blocks."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """One uploaded file."""

    file_name: str
    content: bytes
    content_type: str = "text/markdown"


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file that lies on the disk until it is sent; the database has its place and digest."""

    path: str
    digest: str
    """SHA-256, hex."""
    file_name: str
    image_type: str | None = None
    """The media type of one that is shown as a photo; None: it is sent as a document."""


@dataclass(frozen=True, slots=True)
class VoicePart:
    """One voice message; it is sent whole, and never twice."""

    content: bytes
    form: SoundForm
    seconds: int | None = None
    """How long it plays; None when that is not known."""


Part = TextPart | RichPart | DocumentPart | FilePart | VoicePart


class _StoredText(msgspec.Struct):
    text: str
    entities: tuple[MessageEntity, ...] = ()


class _StoredRich(msgspec.Struct):
    blocks: tuple[Block, ...]


class _StoredVoice(msgspec.Struct):
    content: str
    form: SoundForm
    seconds: int | None = None


class _StoredDocument(msgspec.Struct):
    file_name: str
    content: str
    content_type: str


# Made here and not at first use: msgspec crashes the process when two threads meet a type for the first time.
_decode_text = msgspec.json.Decoder(_StoredText).decode
_decode_rich = msgspec.json.Decoder(_StoredRich).decode
_decode_voice = msgspec.json.Decoder(_StoredVoice).decode
_decode_file = msgspec.json.Decoder(FilePart).decode
_decode_document = msgspec.json.Decoder(_StoredDocument).decode


def part_kind(part: Part) -> str:
    """Return "text", "document", "file" or "voice", as `delivery_parts.kind` stores it."""
    match part:
        case TextPart():
            return "text"
        case RichPart():
            return "rich"
        case DocumentPart():
            return "document"
        case FilePart():
            return "file"
        case VoicePart():
            return "voice"


def encode_part(part: Part) -> str:
    """Return the part as JSON for `delivery_parts.content`; the bytes of files are base64."""
    match part:
        case TextPart(text=text, entities=entities):
            return msgspec.json.encode(_StoredText(text, entities)).decode()
        case RichPart(blocks=blocks):
            return msgspec.json.encode(_StoredRich(blocks)).decode()
        case DocumentPart(file_name=name, content=content, content_type=content_type):
            stored = _StoredDocument(name, base64.b64encode(content).decode(), content_type)
            return msgspec.json.encode(stored).decode()
        case FilePart():
            return msgspec.json.encode(part).decode()
        case VoicePart(content=content, form=form, seconds=seconds):
            voice = _StoredVoice(base64.b64encode(content).decode(), form, seconds)
            return msgspec.json.encode(voice).decode()


def decode_part(kind: str, content: str) -> Part:
    """Return the part that `encode_part` stored; the inverse for any part."""
    if kind == "text":
        text = _decode_text(content)
        return TextPart(text.text, text.entities)
    if kind == "rich":
        return RichPart(_decode_rich(content).blocks)
    if kind == "voice":
        voice = _decode_voice(content)
        return VoicePart(base64.b64decode(voice.content), voice.form, voice.seconds)
    if kind == "file":
        return _decode_file(content)
    document = _decode_document(content)
    return DocumentPart(document.file_name, base64.b64decode(document.content), document.content_type)
