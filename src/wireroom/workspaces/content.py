"""A file's text for the browser of files; no large and no binary ones. Blocking: call it in a thread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wireroom.workspaces.confine import open_inside
from wireroom.workspaces.tree import visible_inside

MOST_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class FileText:
    """A text file, whole."""

    size_bytes: int
    text: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The file is larger than the bound."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class NotText:
    """The file holds NUL or is no UTF-8."""


def read_content(root: Path, path: str, most_bytes: int = MOST_BYTES) -> FileText | TooLarge | NotText:
    """Read the file at the path below `root`.

    Raises:
        BadInput, NotFound: see `tree.visible_inside`; also when it is no file or may not be read.
    """
    base, found = root.resolve(), visible_inside(root, path)
    with open(open_inside(base, found), "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
        size = os.fstat(file.fileno()).st_size
        # One byte more than allowed: a file may grow between the look and the reading.
        data = _read(file.fileno(), most_bytes + 1)
    if max(size, len(data)) > most_bytes:
        return TooLarge(max(size, len(data)))
    return _as_text(data)


def _read(descriptor: int, most_bytes: int) -> bytes:
    pieces = bytearray()
    while piece := os.read(descriptor, min(65_536, most_bytes - len(pieces))):
        pieces += piece
    return bytes(pieces)


def _as_text(data: bytes) -> FileText | NotText:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return NotText()
    return NotText() if "\0" in text else FileText(len(data), text)
