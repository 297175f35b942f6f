"""What one rich message may hold. Pure.

Source: Telegram Bot API 10.3, "Rich message limits": 32,768 characters, 500 blocks counting nested ones,
items of lists and rows of tables, 16 levels of nesting, 20 columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wireroom.delivery.text_builder import utf16_length

MAX_UNITS = 32_768
"""UTF-16 code units, which are never fewer than the characters that the documentation counts."""
MAX_BLOCKS = 500
MAX_DEPTH = 16
MAX_COLUMNS = 20

RichText = Any
"""str | list[RichText] | {"type": "bold", "text": RichText}; nested types of JSON have no better name."""
Block = dict[str, Any]


class TooRich(Exception):
    """The Markdown needs more than a rich message may hold."""


def fits(blocks: Iterable[Block]) -> bool:
    """Tell whether a message of these blocks is within every limit, and shows something."""
    size = _Size()
    try:
        for block in blocks:
            size.add(block, 1)
    except TooRich:
        return False
    return size.seen and size.units <= MAX_UNITS and size.blocks <= MAX_BLOCKS


def plain(text: RichText) -> str:
    """Return the text without its formatting."""
    if isinstance(text, str):
        return text
    if isinstance(text, list):
        return "".join(map(plain, text))
    return plain(text["text"])


class _Size:
    """How much of each limit blocks take."""

    def __init__(self) -> None:
        self.units = 0
        self.blocks = 0
        self.seen = False

    def add(self, block: Block, depth: int) -> None:
        self._check(depth)
        self.blocks += 1
        for name in ("text", "summary"):
            if name in block:
                self._add_text(block[name], depth + 1)
        for inner in block.get("blocks", ()):
            self.add(inner, depth + 1)
        for item in block.get("items", ()):
            self.blocks += 1
            for inner in item["blocks"]:
                self.add(inner, depth + 2)
        for row in block.get("cells", ()):
            self._add_row(row, depth)

    def _add_row(self, row: list[dict[str, Any]], depth: int) -> None:
        self.blocks += 1
        if len(row) > MAX_COLUMNS:
            raise TooRich
        for cell in row:
            self._add_text(cell["text"], depth + 2)

    def _add_text(self, text: RichText, depth: int) -> None:
        self._check(depth)
        if isinstance(text, str):
            self.units += utf16_length(text)
            self.seen = self.seen or bool(text.strip())
        elif isinstance(text, list):
            for one in text:
                self._add_text(one, depth)
        else:
            self._add_text(text["text"], depth + 1)

    @staticmethod
    def _check(depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TooRich
