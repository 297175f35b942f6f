"""What kind of sound some bytes are, and how long an Ogg Opus file plays. Pure.

Source: RFC 3533 (Ogg pages), RFC 7845 (Opus in Ogg), Telegram Bot API, sendVoice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_PAGE = struct.Struct("<4sBBqIIIB")
_OPUS_HEAD = struct.Struct("<8sBBHIhB")
_OPUS_RATE = 48_000
_LAST_PAGE = 4
_MP3_MARK = 0xFF
_MP3_SYNC = 0xE0
_NO_GRANULE = -1


class SoundForm(StrEnum):
    """The forms that Telegram plays as a voice message, with their content types."""

    OGG_OPUS = "audio/ogg"
    MP3 = "audio/mpeg"

    @property
    def suffix(self) -> str:
        """The end of a file's name."""
        return "ogg" if self is SoundForm.OGG_OPUS else "mp3"


@dataclass(frozen=True, slots=True)
class OpusFile:
    """What an Ogg Opus file says of itself."""

    channels: int
    seconds: float
    pages: int
    is_complete: bool
    """Its last page is there whole and says that it is the last."""


def form_of(content: bytes) -> SoundForm | None:
    """Return how the sound is written, None for anything that Telegram would not play as a voice message."""
    if content.startswith(b"OggS"):
        return SoundForm.OGG_OPUS if read_opus(content) is not None else None
    is_frame = len(content) > 1 and content[0] == _MP3_MARK and content[1] & _MP3_SYNC == _MP3_SYNC
    return SoundForm.MP3 if content.startswith(b"ID3") or is_frame else None


def read_opus(content: bytes) -> OpusFile | None:
    """Return what an Ogg Opus file says of itself, None for anything else; one that is cut off says so.

    seconds = (granule position of the last page - pre-skip) / 48,000
    """
    channels = pre_skip = granule = flags = pages = consumed = 0
    for page in _pages(content):
        pages += 1
        consumed = page.end
        if pages == 1:
            if len(page.body) < _OPUS_HEAD.size or not page.body.startswith(b"OpusHead"):
                return None
            _, _, channels, pre_skip, *_ = _OPUS_HEAD.unpack_from(page.body)
        flags = page.flags
        granule = page.granule if page.granule != _NO_GRANULE else granule
    if not pages:
        return None
    seconds = max(0, granule - pre_skip) / _OPUS_RATE
    return OpusFile(channels, seconds, pages, bool(flags & _LAST_PAGE) and consumed == len(content))


@dataclass(frozen=True, slots=True)
class _Page:
    flags: int
    granule: int
    body: bytes
    end: int


def _pages(content: bytes) -> Iterator[_Page]:
    """Yield the pages that are there whole, up to the first thing that is none."""
    start = 0
    while len(content) - start >= _PAGE.size:
        mark, _, flags, granule, _, _, _, segments = _PAGE.unpack_from(content, start)
        body = start + _PAGE.size + segments
        end = body + sum(content[start + _PAGE.size : body])
        if mark != b"OggS" or end > len(content):
            return
        yield _Page(flags, granule, content[body:end], end)
        start = end
