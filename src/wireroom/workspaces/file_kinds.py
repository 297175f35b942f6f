"""What kind of file some bytes are, by how they begin, whatever the file is called. Pure."""

from __future__ import annotations

HEAD_BYTES = 32
"""What must be seen of a file."""

_IMAGES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))
_PROGRAMS = (
    (b"MZ", "exe"),
    (b"\x7fELF", "elf"),
    (b"\xcf\xfa\xed\xfe", "macho"),
    (b"\xce\xfa\xed\xfe", "macho"),
)


def image_type(head: bytes) -> str | None:
    """Return the media type of a picture that Telegram shows as a photo, None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _IMAGES if head.startswith(start)), None)


def program_kind(head: bytes) -> str | None:
    """Return `exe`, `elf` or `macho` for a program of Windows, Linux or macOS, None for anything else."""
    return next((kind for start, kind in _PROGRAMS if head.startswith(start)), None)
